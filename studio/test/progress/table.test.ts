import { expect, test } from "vitest";
import { type Table, toCsv, toTsv } from "../../src/progress/figure/table";
import { formatsOf } from "../../src/progress/formats";

const table: Table = {
  columns: [
    { title: "rater" },
    { title: "points", number: formatsOf("es").points },
    { title: "when", time: formatsOf("es").moment },
    { title: "share", number: formatsOf("es").share },
  ],
  rows: [
    ["ana, of the house", 3.104, "2026-11-26T14:58:15Z", 0.5],
    ['bo "the bold"', null, null, null],
    ["=1+1", -0.25, null, null],
    ["two\tthree\nfour", 1, null, null],
  ],
};

test("what is copied for a spreadsheet is written in the page's language", () => {
  expect(toTsv(table).split("\n")).toEqual([
    "rater\tpoints\twhen\tshare",
    `ana, of the house\t3,10\t${formatsOf("es").moment("2026-11-26T14:58:15Z")}\t50 %`,
    'bo "the bold"\t\t\t',
    "'=1+1\t-0,25\t\t",
    "two three four\t1,00\t\t",
    "",
  ]);
});

test("CSV has every digit, a decimal point and quoted texts", () => {
  expect(toCsv(table)).toBe(
    'rater,points,when,share\r\n"ana, of the house",3.104,2026-11-26T14:58:15Z,0.5\r\n' +
      '"bo ""the bold""",,,\r\n\'=1+1,-0.25,,\r\n"two\tthree\nfour",1,,\r\n',
  );
});
