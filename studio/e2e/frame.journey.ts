import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";

let stack: Stack;
let browser: Browser;

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start(), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

test("the page opens, switches its language and keeps it", async () => {
  const { page, complaints } = await openPage(browser);
  await page.goto(`${stack.url}/studio`);
  await page.getByRole("link", { name: "Progress" }).click();
  await page.getByRole("heading", { name: "Progress" }).waitFor();
  await page.getByRole("button", { name: "ES", exact: true }).click();
  await page.getByRole("heading", { name: "Progreso" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Progreso" }).waitFor();
  await expectAccessible(page);
  expect(complaints).toEqual([]);
});
