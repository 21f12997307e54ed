import { dot, plot } from "@observablehq/plot";
import { expect, test } from "vitest";
import { apisCompared, bestOfEach, chancesOf } from "../../src/progress/charts/apis";
import { around, ofMean } from "../../src/progress/charts/certainty";
import { compared } from "../../src/progress/charts/compared";
import { alongParameter } from "../../src/progress/charts/curve";
import { importanceOf } from "../../src/progress/charts/importance";
import { overTwo } from "../../src/progress/charts/map";
import { overTime } from "../../src/progress/charts/over-time";
import { lenience, reliability } from "../../src/progress/charts/raters";
import type { Chart, Frame } from "../../src/progress/figure/chart";
import { formatsOf } from "../../src/progress/formats";
import { numbered } from "../../src/progress/reading";
import { WORDS } from "../../src/words";
import { curve, DIFFUSION, fewRatings, LEONARDO, modeStats, rated, rater, step } from "./study";

const formats = formatsOf("en");
const words = WORDS.en.progress;
const APIS = ["leonardo", "stablediffusion"];
const frame: Frame = {
  width: 600,
  pointing: false,
  palette: {
    ink: "#1d1c1a",
    soft: "#5e5a53",
    line: "#d9d5cd",
    card: "#ffffff",
    accent: "#0b6b5d",
    apis: ["#0b6b5d", "#a84c00"],
    ramp: ["#f3ead9", "#58a596", "#073d36"],
  },
};

const SAMPLED = { ...LEONARDO, sampler: "heun" };
const guidance = [5, 8.5, 12].map((value) => [value]);
const curves = [
  curve("leonardo", ["guidance_scale"], guidance, LEONARDO),
  curve("stablediffusion", ["guidance_scale"], guidance, DIFFUSION, 4),
];
const square = [0.1, 0.3, 0.31].flatMap((x) => [5, 12].map((y) => [x, y]));
const map = curve("leonardo", ["init_strength", "guidance_scale"], square, LEONARDO);
const history = numbered([rated(3), rated(2, { rating: 2 }), rated(1)], 3);

const charts: Record<string, Chart> = {
  overTime: overTime(history, [step(6), step(7, 4.6)], APIS, words, formats),
  curve: alongParameter(curves, "leonardo", APIS, words, formats),
  choices: alongParameter(
    [curve("leonardo", ["sampler"], [["euler"], ["heun"], ["ddim"]], SAMPLED)],
    "leonardo",
    APIS,
    words,
    formats,
  ),
  mean: overTwo(map, "mean", words, formats),
  deviation: overTwo(map, "deviation", words, formats),
  importance: importanceOf(
    "leonardo",
    modeStats().importance.leonardo as NonNullable<ReturnType<typeof modeStats>["importance"]["leonardo"]>,
    0.46,
    30,
    APIS,
    words,
    formats,
  ),
  chances: chancesOf({ leonardo: 0.93, stablediffusion: 0.07 }, APIS, words, formats),
  apis: apisCompared(modeStats(), bestOfEach(modeStats(), curves), new Map(), words, formats),
  compared: compared(
    [
      { name: "kitchens", remarks: [], ratings: 41, stats: modeStats(), current: true },
      { name: "baths", remarks: ["archived"], ratings: 3, stats: fewRatings(3), current: false },
    ],
    { name: "studies", title: "Studies", column: "Study" },
    words,
    formats,
  ),
  lenience: lenience([rater("ana", 0.47), rater("bo", -0.6)], words, formats),
  reliability: reliability([rater("ana", 0.47), rater("bo", -0.6)], words, formats),
};

test.each(Object.entries(charts))("%s is named, has its numbers, and no style of its own", (_, chart) => {
  const svg = chart.draw(frame);
  expect(svg.tagName.toLowerCase()).toBe("svg");
  expect(svg.getAttribute("role")).toBe("img");
  expect(svg.getAttribute("aria-label")).toBe(chart.sentence);
  expect(chart.sentence.length).toBeGreaterThan(20);
  expect(svg.querySelectorAll("style, [style]").length).toBe(0);
  expect(chart.table.rows.length).toBeGreaterThan(0);
  for (const row of chart.table.rows) expect(row.length).toBe(chart.table.columns.length);
  expect(new Set(chart.table.columns.map(({ title }) => title)).size).toBe(chart.table.columns.length);
  expect(svg.outerHTML).not.toContain("NaN");
});

test("APIs differ by more than colour: by symbols among the ratings, by dashes among the curves", () => {
  const shapes = (of: Chart, label: string) =>
    new Set(
      Array.from(of.draw(frame).querySelectorAll(`[data-mark="${label}"] path`), (path) => path.getAttribute("d")),
    );
  expect(shapes(charts.overTime as Chart, "dot").size).toBeGreaterThanOrEqual(2);
  const lines = Array.from((charts.curve as Chart).draw(frame).querySelectorAll('[data-mark="line"]'));
  expect(lines.map((line) => line.getAttribute("stroke-dasharray"))).toEqual([null, "7 4"]);
});

test("over time: ratings and steps stand in one row where they have the same number", () => {
  const one = overTime(numbered([rated(7)], 7), [step(6), step(7, 4.6)], APIS, words, formats);
  expect(one.table.rows.map((row) => [row[0], row[4], row[6]])).toEqual([
    [6, null, 4.4],
    [7, 4, 4.6],
  ]);
  expect(one.sentence.replaceAll("\u00a0", " ")).toContain("after 7, 4.6 (4.1 to 5.0)");
});

test("a curve says where each API is highest, and one axis is named as each of them names it", () => {
  const along = alongParameter(
    [
      curve("leonardo", ["init_strength"], [[0.1], [0.3], [0.5]], LEONARDO),
      curve("stablediffusion", ["strength"], [[0.1], [0.3], [0.5]], DIFFUSION, 4),
    ],
    "leonardo",
    APIS,
    words,
    formats,
  );
  expect(along.title).toBe("Along init_strength · strength");
  expect(along.sentence.replaceAll("\u00a0", " ")).toBe(
    "Highest expected rating: leonardo at 0.3 with 4.6 (4.3 to 4.9); stablediffusion at 0.3 with 4.0 (3.7 to 4.3).",
  );
});

test("choices stand side by side, as dots", () => {
  const svg = (charts.choices as Chart).draw(frame);
  expect(svg.querySelector('[data-mark="line"]')).toBeNull();
  expect(svg.textContent).toContain("heun");
});

test("the cells of a map meet halfway, though the values of the grid are not evenly spaced", () => {
  const cells = Array.from(
    (charts.mean as Chart)
      .draw(frame)
      .querySelectorAll('g[data-mark="rect"][shape-rendering] rect, [data-mark="rect"] rect'),
  ).slice(-square.length);
  const spans = [...new Set(cells.map((cell) => `${cell.getAttribute("x")} ${cell.getAttribute("width")}`))].map(
    (span) => span.split(" ").map(Number) as [number, number],
  );
  expect(spans.length).toBe(3);
  for (const [at, [x, width]] of spans.entries()) {
    const next = spans[at + 1];
    // Each reaches half a pixel into its neighbour.
    if (next !== undefined) expect(x + width).toBeCloseTo(next[0] + 1, 6);
  }
  const widths = spans.map(([, width]) => width - 1);
  expect((widths[0] ?? 0) / (widths[1] ?? 1)).toBeCloseTo(0.2 / 0.105, 3);
  expect((widths[0] ?? 0) / (widths[2] ?? 1)).toBeCloseTo(0.2 / 0.01, 1);
});

test("the best of another API is the highest point of its curves, and of the recommended one what the verdict says", () => {
  const best = bestOfEach(modeStats(), curves);
  expect(best.get("leonardo")?.mean).toBe(4.61);
  expect(best.get("stablediffusion")).toMatchObject({ mean: 4, setting: DIFFUSION });
});

test("the interval of a mean needs two ratings, and stays on the scale", () => {
  expect(ofMean([4])).toBeNull();
  expect(ofMean([3, 5])).toEqual({ low: 4 - 1.645, high: 5 });
  expect(around(0, 1)).toEqual({ low: -1.645, high: 1.645 });
});

test("people are told apart where the intervals say so, and not else", () => {
  expect(charts.lenience?.sentence).toBe(
    "bo rates 0.60 points lower than most. ana rates 0.47 points higher than most.",
  );
  expect(lenience([rater("ana", 0.1)], words, formats).sentence).toBe(words.raters.alike);
  const apart = [rater("ana", 0, { reliability: 0.2 }), rater("bo", 0, { reliability: 0.8 })];
  expect(reliability(apart, words, formats).sentence).toBe(
    "One rating of ana is off by about 0.20 points, one of bo by about 0.80.",
  );
  expect(charts.reliability?.sentence).toContain("all rate about as steadily");
});

test("what has too few ratings is in the table, and said not to be drawn", () => {
  expect(charts.compared?.note).toContain("baths");
  expect((charts.compared as Chart).draw(frame).textContent).not.toContain("baths");
  expect(charts.compared?.table.rows.map((row) => row[0])).toEqual(["kitchens", "baths"]);
});

test("a key that does not fit beside itself takes another line", () => {
  const height = (width: number) => Number((charts.overTime as Chart).draw({ ...frame, width }).getAttribute("height"));
  // Narrow charts are lower, but for their key.
  expect(height(300) - 260).toBeGreaterThan(height(900) - 320);
});

test("shares end at a round number", () => {
  expect((charts.importance as Chart).draw(frame).textContent).toContain("50\u00a0%");
  expect((charts.importance as Chart).draw(frame).textContent).not.toContain("13\u00a0%");
});

test("a chart that names no colours of its own is refused: what would have chosen them is left out of the page", () => {
  const data = [{ x: 1, fill: 2 }];
  expect(() => plot({ marks: [dot(data, { x: "x", fill: "fill" })] })).toThrow(/charts name their colours/);
  expect(() => plot({ projection: "mercator", marks: [dot(data, { x: "x", y: "x" })] })).toThrow(/maps of the earth/);
});
