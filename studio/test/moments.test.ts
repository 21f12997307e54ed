import { expect, test } from "vitest";
import { moment } from "../src/moments";
import { formatsOf } from "../src/progress/formats";

// Without a zone it is a time of wherever the test runs.
const AT = "2026-11-26T09:05:00";

test("a point in time has its day and its time, in the reader's language", () => {
  expect(moment(AT, "en-GB")).toBe("26 Nov 2026, 09:05");
  expect(moment(AT, "es-ES")).toBe("26 nov 2026, 9:05");
});

test("Progress writes it as the other views do", () => {
  expect(formatsOf("es").moment(AT)).toBe(moment(AT, "es"));
});
