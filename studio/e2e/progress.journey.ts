/** Progress in a browser: the verdict of a real study, its charts, their tables and files, under the page's policy. */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Download, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";

const BUILT = fileURLToPath(new URL("../../functions/suggest/studio", import.meta.url));
const SHOTS = process.env.SCREENSHOTS;
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: https:; connect-src 'self'";
const KINDS: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css" };

let stack: Stack;
let browser: Browser;

/** What three people think of a setting: they agree on what is good, not on how good. */
function opinion(parameters: Record<string, unknown>, at: number): { rater: string; rating: number } {
  const strength = Number(parameters.init_strength ?? parameters.strength);
  const guidance = Number(parameters.guidance_scale);
  const liked =
    4.6 - 22 * (strength - 0.3) ** 2 - 0.08 * (guidance - 9) ** 2 - (parameters.api === "leonardo" ? 0 : 0.7);
  const people = [
    ["ana", 0.4],
    ["bo", -0.6],
    ["eva", 0.1],
  ] as const;
  const [rater, leniency] = people[at % people.length] as (typeof people)[number];
  const rating = Math.round(2 * Math.min(5, Math.max(1, liked + leniency + 0.3 * Math.sin(12.9 * at)))) / 2;
  return { rater, rating };
}

async function post<T>(path: string, body: object): Promise<T> {
  const answer = await fetch(stack.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.ok, await answer.clone().text()).toBe(true);
  return (await answer.json()) as T;
}

/** Rates so many suggestions of a study, as an application would. */
async function rate(study: string, mode: string, count: number): Promise<void> {
  for (let at = 0; at < count; ) {
    const asked = Math.min(5, count - at);
    const { suggestions, suggestion_ids: ids } = await post<{
      suggestions: Record<string, unknown>[];
      suggestion_ids: string[];
    }>("/ml/suggest_parameters", { study, mode, num_suggestions: asked });
    const results = suggestions.map((parameters, place) => ({
      parameters,
      suggestion_id: ids[place],
      ...opinion(parameters, at + place),
    }));
    await post("/ml/update_model", { study, results });
    at += asked;
  }
}

/** Serves the built page as the stack does, with its policy. */
async function open(page: Page): Promise<void> {
  await page.route(/\/studio(\/[^?]*)?$/, async (route) => {
    const path = new URL(route.request().url()).pathname;
    const file = join(BUILT, path === "/studio" ? "index.html" : path.slice(1));
    if (!existsSync(file)) return route.fulfill({ status: 404 });
    const kind = KINDS[file.split(".").at(-1) ?? ""] ?? "application/octet-stream";
    return route.fulfill({
      body: readFileSync(file),
      headers: { "Content-Type": kind, "Content-Security-Policy": POLICY },
    });
  });
  await page.goto(`${stack.url}/studio#progress`);
}

async function choose(page: Page, label: string, value: string): Promise<void> {
  await page.getByRole("banner").getByLabel(label, { exact: true }).selectOption(value);
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

async function drawn(page: Page): Promise<void> {
  await page.getByText("Reading…").first().waitFor({ state: "detached" });
  await page
    .getByRole("img", { name: /highest expected rating of the/ })
    .first()
    .waitFor();
}

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start(), openBrowser()]);
  await post("/ml/studies", { name: "kitchens" });
  await post("/ml/studies", { name: "baths", based_on: "kitchens" });
  await rate("kitchens", "structure", 25);
  await rate("kitchens", "surfaces", 7);
  await rate("baths", "structure", 4);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

test("shots", async () => {
  const { page, complaints } = await openPage(browser, { viewport: { width: 1200, height: 900 } });
  await open(page);
  await choose(page, "study", "kitchens");
  await page.getByText(/^Use /).waitFor();
  await shoot(page, "early");
  await page
    .getByRole("heading", { name: /side by side/ })
    .last()
    .scrollIntoViewIfNeeded();
  await drawn(page);
  await shoot(page, "light");
  expect(complaints).toEqual([]);
});
