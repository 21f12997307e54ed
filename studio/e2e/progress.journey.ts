import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";

const PICTURES = process.env.PICTURES;
/** What the stack serves: `npm run build` makes it. */
const BUILT = fileURLToPath(new URL("../../functions/suggest/studio", import.meta.url));
const RATINGS = 25;

let stack: Stack;
let browser: Browser;

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start(), openBrowser()]);
  await send("POST", "/ml/studies", { name: "kitchens" });
  await send("POST", "/ml/studies", { name: "baths", based_on: "kitchens" });
  await rate("kitchens", "structure", RATINGS);
  await rate("kitchens", "surfaces", 7);
  await rate("baths", "structure", 4);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

test("the whole page weighs at most 150 kB compressed, charts included", () => {
  const files = readdirSync(BUILT, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const weight = files.reduce((sum, one) => sum + gzipSync(readFileSync(join(one.parentPath, one.name))).length, 0);
  expect(files.length).toBeGreaterThan(5);
  expect(weight).toBeLessThan(150_000);
});

test("the verdict is that of the statistics, and is taken along", async () => {
  const { page, complaints } = await opened("kitchens", { permissions: ["clipboard-read", "clipboard-write"] });
  const { modes } = await get<{ modes: { structure: ModeStats } }>("/ml/stats?study=kitchens");
  const { recommended_parameters: setting, recommended_mean: mean } = modes.structure;
  const values = Object.values(setting).slice(1).join(" / ");
  const sentence = plain(await page.getByText(/^Use .*: expect/).textContent());
  expect(sentence).toContain(`Use ${setting.api} ${values}: expect ${mean.toFixed(1)} (`);
  expect(sentence).toContain(`; ${RATINGS} ratings, `);
  await page.getByText("Highest single rating:").waitFor();

  await page.getByRole("button", { name: "Copy as JSON" }).click();
  await page.getByText("Copied").waitFor();
  expect(JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))).toEqual(setting);

  await rate("kitchens", "structure", 1);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page
    .getByText(`${RATINGS + 1} ratings, `, { exact: false })
    .first()
    .waitFor();

  await page.getByRole("link", { name: "Rate this one" }).click();
  await page.waitForURL(/#rate\?fixed=/);
  expect(complaints).toEqual([]);
});

test("every chart is drawn under the page's policy, follows the page, and has its numbers", async () => {
  const { page, complaints } = await opened("kitchens", { viewport: { width: 1200, height: 900 } });
  await drawn(page);
  const titles = await page.locator("figure h3").allTextContents();
  for (const title of [
    "Ratings, and what was recommended",
    "Along init_strength · strength",
    "Along guidance_scale",
    "leonardo: expected rating",
    "leonardo: how unsure that is",
    "Which API has the best setting",
    "What each API reaches",
    "Parameters of stablediffusion",
    "Leniency",
    "Reliability",
    "Modes of this study",
    "Studies, mode structure",
  ])
    expect(titles).toContain(title);
  const overTime = page.getByRole("figure").first();
  expect(await overTime.locator('svg [data-mark="dot"] path, svg [data-mark="dot"] circle').count()).toBeGreaterThan(
    RATINGS,
  );
  expect(await figure(page, "leonardo: expected rating").locator("svg rect").count()).toBeGreaterThan(500);
  expect(await page.locator("figure style").count()).toBe(0);
  // The policy's own word: a rule of progress.css, in place of a style that Plot would have brought.
  expect(
    await overTime
      .locator("svg text")
      .first()
      .evaluate((one) => getComputedStyle(one).whiteSpace),
  ).toBe("pre");

  await overTime.getByText("Numbers as a table").click();
  const rows = await overTime.locator("tbody tr").count();
  expect(rows).toBeGreaterThanOrEqual(RATINGS);
  expect(await overTime.locator('tbody th[scope="row"]').count()).toBe(rows);
  await picture(page, "progress-light");

  const svg = overTime.locator(".drawing > svg");
  const before = { color: await svg.getAttribute("color"), width: await svg.getAttribute("width") };
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(() => svg.getAttribute("color")).not.toBe(before.color);
  await page.setViewportSize({ width: 800, height: 900 });
  await expect.poll(() => svg.getAttribute("width")).not.toBe(before.width);
  await page.getByRole("button", { name: "ES", exact: true }).click();
  await expect.poll(() => svg.getAttribute("aria-label")).toMatch(/^Tras 6 valoraciones/);

  await svg.hover({ position: { x: 300, y: 120 } });
  await page.locator("figure svg text", { hasText: "leonardo 0" }).first().waitFor();
  expect(complaints).toEqual([]);
});

test("charts are saved as SVG and PNG files that stand by themselves", async () => {
  const { page, complaints } = await opened("kitchens");
  await drawn(page);
  for (const title of ["Ratings, and what was recommended", "leonardo: expected rating"]) {
    const svg = (await saved(page, `Save SVG: ${title}`, /^kitchens-structure-.*\.svg$/)).toString("utf8");
    expect(svg).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n<svg /);
    expect(svg).not.toMatch(/<style|style=|class=|var\(--|href=/);
    const size = await page.evaluate((text) => {
      const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
      return root.tagName === "svg" && [Number(root.getAttribute("width")), Number(root.getAttribute("height"))];
    }, svg);
    const png = await saved(page, `Save PNG: ${title}`, /^kitchens-structure-.*\.png$/);
    expect(png.subarray(1, 4).toString("latin1")).toBe("PNG");
    expect(size).toEqual([png.readUInt32BE(16) / 2, png.readUInt32BE(20) / 2]);
    expect(await colors(page, png)).toBeGreaterThan(20);
    if (PICTURES) await readable(svg, title.slice(0, 8));
  }
  expect(complaints).toEqual([]);
});

test("keyboard alone: a table is opened and another map is chosen", async () => {
  const { page, complaints } = await opened("kitchens");
  await drawn(page);
  const api = page.getByRole("combobox", { name: "API" });
  await api.focus();
  await page.keyboard.press("ArrowDown");
  await page.getByRole("heading", { name: "stablediffusion: expected rating" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.getByRole("img", { name: /^Of stablediffusion, from/ }).waitFor();
  const numbers = figure(page, "stablediffusion: expected rating").locator("summary");
  for (let press = 0; press < 10 && !(await numbers.evaluate((one) => one === document.activeElement)); press++)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  expect(await figure(page, "stablediffusion: expected rating").locator("tbody tr").count()).toBe(625);
  expect(complaints).toEqual([]);
});

test.each(["light", "dark"] as const)("nothing stands in anybody's way, in %s", async (colorScheme) => {
  const { page, complaints } = await opened("kitchens", { colorScheme, viewport: { width: 1200, height: 900 } });
  await drawn(page);
  await figure(page, "Leniency").getByText("Numbers as a table").click();
  await expectAccessible(page);
  if (colorScheme === "dark") await picture(page, "progress-dark");
  expect(complaints).toEqual([]);
});

test("a phone of 360 pixels has no need to scroll sideways, in Spanish too", async () => {
  const { page, complaints } = await opened("kitchens", { viewport: { width: 360, height: 740 } });
  await drawn(page);
  const widest = () => page.evaluate(() => document.documentElement.scrollWidth);
  expect(await widest()).toBe(360);
  await page.getByRole("button", { name: "ES", exact: true }).click();
  await page.getByText(/^Use .* se espera un/).waitFor();
  await figure(page, "Las valoraciones y lo recomendado").getByText("Los números en una tabla").click();
  expect(await widest()).toBe(360);
  await expectAccessible(page);
  await picture(page, "progress-phone");
  expect(complaints).toEqual([]);
});

test("a study with too few ratings says how many are missing, and an archived one that it is", async () => {
  const { page, complaints } = await opened("baths", {}, /2 more are needed/);
  await page.getByText("based on kitchens").waitFor();
  expect(await page.locator("figure").count()).toBe(0);
  await expectAccessible(page);
  await picture(page, "progress-few");
  await send("PATCH", "/ml/studies/baths", { archived: true });
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByText(/^This study was archived on/).waitFor();
  expect(await page.getByRole("link", { name: "Rate pictures" }).count()).toBe(0);
  expect(complaints).toEqual([]);
});

interface ModeStats {
  recommended_parameters: Record<string, string | number>;
  recommended_mean: number;
}

/** What three people think of a setting: they agree on what is good, and not on how good. */
function opinion(parameters: Record<string, unknown>, at: number): { rater: string; rating: number } {
  const strength = Number(parameters.init_strength ?? parameters.strength);
  const guidance = Number(parameters.guidance_scale);
  const worse = parameters.api === "leonardo" ? 0 : 0.7;
  const liked = 4.6 - 22 * (strength - 0.3) ** 2 - 0.08 * (guidance - 9) ** 2 - worse;
  const [rater, leniency] = [["ana", 0.4] as const, ["bo", -0.6] as const][at % 2] ?? (["eva", 0.1] as const);
  const rating = Math.round(2 * Math.min(5, Math.max(1, liked + leniency + 0.3 * Math.sin(12.9 * at)))) / 2;
  return { rater, rating };
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(stack.url + path);
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

async function send<T>(method: "POST" | "PATCH", path: string, body: object): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(stack.url + path, { method, headers, body: JSON.stringify(body) });
  expect(answer.ok, await answer.clone().text()).toBe(true);
  return (await answer.json()) as T;
}

/** Rates so many suggestions of a study, as an application would. */
async function rate(study: string, mode: string, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const wanted = { study, mode, num_suggestions: Math.min(5, count - done) };
    const { suggestions, suggestion_ids } = await send<{
      suggestions: Record<string, unknown>[];
      suggestion_ids: string[];
    }>("POST", "/ml/suggest_parameters", wanted);
    const results = suggestions.map((parameters, at) => ({
      parameters,
      suggestion_id: suggestion_ids[at],
      ...opinion(parameters, done + at),
    }));
    await send("POST", "/ml/update_model", { study, results });
    done += results.length;
  }
}

async function opened(study: string, options: BrowserContextOptions = {}, says: RegExp = /^Use .*: expect/) {
  const { page, complaints } = await openPage(browser, options);
  await page.goto(`${stack.url}/studio#progress`);
  await page.getByRole("banner").getByLabel("study").selectOption(study);
  await page.getByText(says).first().waitFor();
  return { page, complaints };
}

/** Waits for all charts: what lies below is read when it comes near. */
async function drawn(page: Page): Promise<void> {
  await page.getByRole("heading", { name: /^Modes and studies/ }).scrollIntoViewIfNeeded();
  await page.getByRole("heading", { name: /^Studies, mode/ }).waitFor();
  const whole = () =>
    page.evaluate(() => {
      const figures = [...document.querySelectorAll("figure")];
      return (
        figures.every((one) => one.querySelector(".drawing > svg") !== null) && !document.querySelector(".waiting")
      );
    });
  await expect.poll(whole, { timeout: 30_000 }).toBe(true);
}

function figure(page: Page, title: string): Locator {
  return page.getByRole("figure").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
}

async function saved(page: Page, button: string, named: RegExp): Promise<Buffer> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button, exact: true }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(named);
  const file = readFileSync(await download.path());
  if (PICTURES) await download.saveAs(join(PICTURES, download.suggestedFilename()));
  return file;
}

/** How many colours a picture has: a chart that was not drawn has one. */
function colors(page: Page, png: Buffer): Promise<number> {
  return page.evaluate(async (text) => {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context?.drawImage(picture, 0, 0);
    const pixels = context?.getImageData(0, 0, picture.width, picture.height).data.buffer ?? new ArrayBuffer(0);
    return new Set(new Uint32Array(pixels)).size;
  }, png.toString("base64"));
}

/** A picture of a saved SVG as it looks elsewhere: in a page without this one's styles. */
async function readable(svg: string, name: string): Promise<void> {
  const { page } = await openPage(browser, { viewport: { width: 1000, height: 700 } });
  await page.setContent(svg.replace(/^<\?xml.*\?>/, ""));
  await picture(page, `progress-saved-${name}`);
}

async function picture(page: Page, name: string): Promise<void> {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

function plain(text: string | null): string {
  return (text ?? "").replaceAll("\u00a0", " ");
}
