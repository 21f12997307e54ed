import { expect, test } from "vitest";
import { drawn } from "../../src/progress/figure/drawing";
import { standalone } from "../../src/progress/figure/saving";

const palette = {
  ink: "#111111",
  soft: "#555555",
  line: "#cccccc",
  card: "#fefefe",
  accent: "#006600",
  apis: [],
  ramp: [],
};
const heading = { title: "Ratings & <more>", source: "study kitchens", sentence: "It rises." };

test("a saved SVG stands by itself: heading, background, and nothing from elsewhere", () => {
  const frame = { width: 400, palette, pointing: false };
  const drawing = drawn(frame, "It rises.", {
    height: 200,
    key: [{ label: "rating", color: "#006600", look: "dot" }],
    marks: [],
  });
  const { svg, width, height } = standalone(drawing, heading, palette);
  const file = new DOMParser().parseFromString(svg.replace(/^<\?xml.*\?>\n/, ""), "image/svg+xml").documentElement;
  expect(file.tagName).toBe("svg");
  expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
  expect([file.getAttribute("width"), file.getAttribute("height")]).toEqual([String(width), String(height)]);
  expect(width).toBe(432);
  expect(height).toBeGreaterThan(Number(drawing.getAttribute("height")));
  expect(file.querySelector("title")?.textContent).toBe(heading.title);
  expect(file.querySelector("desc")?.textContent).toBe(heading.sentence);
  expect(file.getAttribute("font-family")).toContain("sans-serif");
  expect(svg).not.toMatch(/<style|style=|class=/);
  expect(file.querySelector("rect")?.getAttribute("fill")).toBe(palette.card);
  expect(svg).not.toMatch(/var\(|currentColor"? *href|url\(http|<image|<script|<link/);
});
