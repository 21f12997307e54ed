import { expect, test } from "vitest";
import { newKey } from "../src/index.js";

test("keys differ", () => {
  expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
  expect(newKey()).not.toBe(newKey());
});
