import { readFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";

let stack: Stack;
let browser: Browser;

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start(), openBrowser()]);
  const results = Array.from({ length: 30 }, (_, index) => ({
    parameters: {
      api: "leonardo",
      init_strength: 0.1 + index / 100,
      guidance_scale: 5 + (index % 10) / 2,
      controlnet_weight: 0.8,
    },
    rating: 1 + (index % 9) / 2,
    rater: index % 2 ? "ana" : "bo",
    picture: `room-${index % 3}`,
    comment: index === 4 ? "too dark, and\nthe lamp is gone" : null,
  }));
  const answer = await fetch(`${stack.url}/ml/update_model`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ results }),
  });
  expect(answer.status).toBe(200);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

test("sorts, filters, corrects, withdraws, restores, and takes the history away", async () => {
  const { page, complaints } = await openPage(browser);
  await page.goto(`${stack.url}/studio#history`);
  await page.getByText("30 entries").waitFor();
  await page.getByPlaceholder("a pseudonym").fill("cy");
  await page.getByPlaceholder("a pseudonym").press("Enter");

  await page.getByRole("button", { name: /^stars/ }).click();
  const first = page.locator("tbody tr td.stars").first();
  expect(await first.textContent()).toContain("★★★★★ 5");

  await first.getByRole("button").click();
  await page.locator("dialog.correction select").selectOption("4.5");
  await page.locator("dialog.correction textarea").fill("seen on a better screen");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("corrected").waitFor();
  // Whoever corrects by the keyboard goes on from the same row.
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Correct: 4.5 stars");

  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/history.png`, fullPage: true });
  await page.getByLabel("stars from").selectOption("4.5");
  await page.getByText(/^\d of 30 entries/).waitFor();
  await page
    .getByRole("button", { name: /^Correct: 5 stars/ })
    .first()
    .click();
  await page.getByRole("button", { name: "Withdraw it" }).click();
  await page.getByText("withdrawn", { exact: true }).last().waitFor();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await page.getByLabel(/^withdrawn/).selectOption("only");
  await page.getByText("1 of 30 entries").waitFor();
  await page.getByRole("button", { name: /^Correct: 5 stars/ }).click();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Restore it" }).click();
  await page.getByText("No entry matches the filter.").waitFor();

  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  expect(file.suggestedFilename()).toBe("default-structure.csv");
  const table = readFileSync(await file.path(), "utf8");
  expect(table.split("\r\n")[0]).toContain("id,study,mode,api");
  expect(table).toContain("seen on a better screen");

  const told = (await (await fetch(`${stack.url}/ml/history?include=withdrawn&limit=200`)).json()) as {
    observations: { withdrawn: boolean; rating: number; reviser: string | null; revision: number }[];
  };
  expect(told.observations.filter((one) => one.withdrawn)).toEqual([]);
  expect(told.observations.filter((one) => one.reviser === "cy").map((one) => one.revision)).toEqual(
    expect.arrayContaining([2, 3]),
  );
  expect(complaints).toEqual([]);
});

test("begins a study based on this one, archives it and restores it", async () => {
  const { page, complaints } = await openPage(browser, { viewport: { width: 360, height: 740 } });
  page.on("dialog", (dialog) => void dialog.accept());
  await page.goto(`${stack.url}/studio#history`);
  await page.getByRole("button", { name: "New study" }).click();
  const name = page.getByLabel("Name");
  await name.fill("Kitchens");
  expect(await name.evaluate((input: HTMLInputElement) => input.validity.patternMismatch)).toBe(true);
  await name.fill("default");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("There is a study default already.").waitFor();
  await page.getByLabel("Name").fill("kitchens-2026");
  await page.getByLabel("Based on").selectOption("default");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("Nothing has been rated in this study and mode yet.").waitFor();
  expect(await page.getByLabel("study").inputValue()).toBe("kitchens-2026");

  await page.getByRole("button", { name: "Archive this study" }).click();
  await page.getByText("This study is archived").waitFor();
  await page.getByRole("button", { name: "Restore this study" }).click();
  await page.getByRole("button", { name: "Archive this study" }).waitFor();
  await expectAccessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  expect(complaints).toEqual([]);
});

test("long names make nothing wider than a phone", async () => {
  const record = (path: string, body: object) =>
    fetch(`${stack.url}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  const study = "w".repeat(64);
  const parameters = { api: "leonardo", init_strength: 0.2, guidance_scale: 7, controlnet_weight: 0.8 };
  const results = [{ parameters, rating: 3, rater: "W".repeat(64), comment: "W".repeat(500) }];
  expect((await record("/ml/studies", { name: study, note: "W".repeat(500) })).status).toBe(201);
  expect((await record("/ml/update_model", { study, results })).status).toBe(200);

  const { page, complaints } = await openPage(browser, { viewport: { width: 360, height: 740 } });
  await page.goto(`${stack.url}/studio#history`);
  await page.getByLabel("study").selectOption(study);
  await page.getByText("1 entry").waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  const open = page.locator("dialog[open]");
  for (const name of ["New study", /^Correct: /]) {
    await page.getByRole("button", { name }).click();
    if (name === "New study") await open.getByRole("option", { name: study }).waitFor({ state: "attached" });
    const { left, right, inner, shown } = await open.evaluate((one) => {
      const { left, right } = one.getBoundingClientRect();
      return { left, right, inner: one.scrollWidth, shown: one.clientWidth };
    });
    expect(left).toBeGreaterThanOrEqual(0);
    expect(right).toBeLessThanOrEqual(360);
    expect(inner).toBeLessThanOrEqual(shown);
    await page.keyboard.press("Escape");
  }
  expect(complaints).toEqual([]);
});
