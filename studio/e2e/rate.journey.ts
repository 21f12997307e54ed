import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";

let stack: Stack;
let browser: Browser;
/** Each journey rates in a study of its own. */
let study: string;
let studies = 0;

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start(), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});
beforeEach(async () => {
  study = `journey-${++studies}`;
  const begun = await fetch(`${stack.url}/ml/studies`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: study }),
  });
  expect(begun.status).toBe(201);
});

interface Observation {
  id: string;
  rating: number | null;
  failed: string | null;
  rater: string | null;
  picture: string | null;
  comment: string | null;
  suggestion_id: string;
  withdrawn: boolean;
}

async function history(include = ""): Promise<Observation[]> {
  const answer = await fetch(`${stack.url}/ml/history?study=${study}&limit=200${include}`);
  return ((await answer.json()) as { observations: Observation[] }).observations;
}

async function pending(): Promise<string[]> {
  const answer = await fetch(`${stack.url}/ml/suggestions?study=${study}`);
  const { suggestions } = (await answer.json()) as { suggestions: { suggestion_id: string }[] };
  return suggestions.map((one) => one.suggestion_id);
}

/** Opens the view in this journey's study. */
async function openRate(
  rater = "ana",
  options: Parameters<typeof openPage>[1] = {},
): Promise<{ page: Page; complaints: string[] }> {
  const opened = await openPage(browser, options);
  await opened.page.addInitScript(
    (choice) => {
      if (localStorage.getItem("studio.choice") === null) localStorage.setItem("studio.choice", choice);
    },
    JSON.stringify({ study, mode: "structure", rater, language: options.locale?.startsWith("es") ? "es" : "en" }),
  );
  await opened.page.goto(`${stack.url}/studio`);
  return opened;
}

const stars = (page: Page, letter: string) =>
  page.getByRole("slider", { name: new RegExp(`(Stars of|Estrellas de) ${letter}`) });
const parametersOf = (page: Page) => page.locator(".parameters").allTextContents();

/** Which set lies on the desk: the model may suggest a setting again, under another id. */
const suggestionsOf = (page: Page): Promise<string[]> =>
  page.evaluate((name) => {
    const { current } = JSON.parse(localStorage.getItem(name) ?? "{}");
    return (current?.cards ?? []).map((card: { id: string }) => card.id);
  }, `studio.rate.desk/${study}/structure`);

/** Waits until other suggestions are there, and shown. */
async function expectNext(page: Page, before: string[]): Promise<void> {
  const isNext = async () => {
    const now = await suggestionsOf(page);
    return now.length === before.length && now.every((one) => !before.includes(one));
  };
  await expect.poll(isNext, { timeout: 60_000, interval: 50 }).toBe(true);
  await expect.poll(() => stars(page, "B").inputValue()).toBe("0");
}

/** A picture, drawn by the page itself. */
async function picture(page: Page, hue: number): Promise<Buffer> {
  const address = await page.evaluate((hue) => {
    const canvas = document.createElement("canvas");
    canvas.width = 640;
    canvas.height = 480;
    const pen = canvas.getContext("2d");
    if (pen === null) return "";
    const sky = pen.createLinearGradient(0, 0, 0, 480);
    sky.addColorStop(0, `hsl(${hue} 60% 45%)`);
    sky.addColorStop(1, `hsl(${hue + 40} 80% 85%)`);
    pen.fillStyle = sky;
    pen.fillRect(0, 0, 640, 480);
    pen.fillStyle = `hsl(${hue + 180} 40% 25%)`;
    for (const [x, peak] of [
      [-80, 210],
      [160, 150],
      [330, 260],
    ] as const) {
      pen.beginPath();
      pen.moveTo(x, 480);
      pen.lineTo(x + 220, peak);
      pen.lineTo(x + 460, 480);
      pen.fill();
    }
    pen.fillStyle = "white";
    pen.beginPath();
    pen.arc(480, 110, 46, 0, 7);
    pen.fill();
    return canvas.toDataURL("image/png");
  }, hue);
  return Buffer.from(address.split(",")[1] ?? "", "base64");
}

/** How many pictures the page's database has; it runs in the page. */
const keptPictures = (): Promise<number> =>
  new Promise((answer) => {
    const opening = indexedDB.open("studio");
    opening.onsuccess = () => {
      const counting = opening.result.transaction("pictures").objectStore("pictures").count();
      counting.onsuccess = () => answer(counting.result);
    };
  });

/** Gives a card, or the original, its picture. */
async function give(page: Page, which: string, buffer: Buffer): Promise<void> {
  const chooser = page
    .locator("input[type=file]")
    .and(page.getByLabel(new RegExp(`(Picture|Imagen|: Original) ?${which}$`)));
  await chooser.setInputFiles({ name: `${which}.png`, mimeType: "image/png", buffer });
}

/** Keeps a picture of the page for people to look at, where they have asked for it. */
async function show(page: Page, name: string, fullPage = false): Promise<void> {
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/rate-${name}.png`, fullPage });
}

test("ten pairs are rated by the keyboard alone", async () => {
  const { page, complaints } = await openRate();
  for (let pair = 0; pair < 10; pair++) {
    await stars(page, "B").waitFor();
    const before = await suggestionsOf(page);
    await page.keyboard.type(`${(pair % 5) + 1}a`);
    await page.keyboard.type("3.b");
    await page.getByText("B: 3.5 stars.").waitFor();
    await page.keyboard.press("Enter");
    await expectNext(page, before);
  }
  const told = await history();
  expect(told).toHaveLength(20);
  expect(new Set(told.map((one) => one.suggestion_id)).size).toBe(20);
  expect(told.every((one) => one.rater === "ana")).toBe(true);
  expect(told.filter((one) => one.rating === 3.5)).toHaveLength(10);
  await page.getByText("20 ratings in this mode; the model chooses what to try.").waitFor();
  expect(complaints).toEqual([]);
});

test("a server that dies in between loses no rating and doubles none", async () => {
  // Without a name, every rating that arrived twice would be there twice.
  const { page, complaints } = await openRate("");
  await page.evaluate(() => sessionStorage.setItem("studio.rate.asked", "yes"));
  for (let pair = 0; pair < 10; pair++) {
    await stars(page, "B").waitFor({ timeout: 60_000 });
    await page.keyboard.type("4a2b");
    const before = await suggestionsOf(page);
    if (pair === 3) {
      // It dies before the pair is sent.
      await stack.kill();
      await page.keyboard.press("Enter");
      await page.getByText("2 ratings wait to be sent.").waitFor();
      await show(page, "waiting");
      await stack.resume();
    } else if (pair === 6) {
      // It dies after the pair was recorded and before its answer arrives.
      const lose = async (route: Route) => {
        await route.fetch();
        await stack.kill();
        await route.abort();
      };
      await page.route("**/ml/update_model", lose, { times: 1 });
      await page.keyboard.press("Enter");
      await page.getByText("2 ratings wait to be sent.").waitFor();
      await stack.resume();
      await page.reload();
    } else {
      await page.keyboard.press("Enter");
    }
    await expectNext(page, before);
  }
  const told = await history();
  expect(told).toHaveLength(20);
  expect(new Set(told.map((one) => one.suggestion_id)).size).toBe(20);
  expect(complaints).toEqual([]);
});

test("two tabs show one desk, and what one has saved the other does not save again", async () => {
  const { page, complaints } = await openRate("");
  await stars(page, "B").waitFor();
  const first = await parametersOf(page);
  const rated = await suggestionsOf(page);
  const other = await page.context().newPage();
  await other.goto(`${stack.url}/studio`);
  await expect.poll(() => parametersOf(other)).toEqual(first);

  await page.keyboard.type("4a2b");
  await expect.poll(() => stars(other, "B").inputValue()).toBe("2");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Save without a name" }).click();
  await expectNext(page, rated);
  await expect.poll(() => parametersOf(other)).toEqual(await parametersOf(page));
  expect(await history()).toHaveLength(2);
  expect(await pending()).toHaveLength(2);
  expect(complaints).toEqual([]);
});

test("a half-done pair survives a reload, with its pictures", async () => {
  const { page, complaints } = await openRate();
  await stars(page, "A").waitFor();
  const before = await parametersOf(page);
  await give(page, "A", await picture(page, 210));
  await page.getByText("Original picture").click();
  await give(page, "", await picture(page, 30));
  await page.keyboard.type("4.a");
  await page.getByRole("button", { name: "Comment" }).first().click();
  await page.getByLabel("Comment").fill("a little too dark");
  await page.getByRole("button", { name: "It failed" }).last().click();
  await page.getByLabel("Why is there no picture?").fill("time-out");
  await page.getByText("SHA-256 of the file").waitFor();
  await expect.poll(() => page.evaluate(keptPictures)).toBe(2);

  await page.reload();
  await page.getByRole("img", { name: "Picture A" }).waitFor();
  await page.getByRole("img", { name: "Original" }).waitFor();
  expect(await parametersOf(page)).toEqual(before);
  expect(await stars(page, "A").inputValue()).toBe("4.5");
  await page.getByRole("button", { name: "Picture A: see it in full" }).click();
  await page.getByRole("dialog", { name: "Picture A" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("dialog", { name: "Original" }).waitFor();
  await expectAccessible(page);
  await show(page, "look");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  // The picture has the focus again, which Enter alone would open.
  await page.keyboard.press("Control+Enter");
  await page.getByText("1 rating and 1 failure are recorded.").waitFor();
  const [second, first] = await history();
  expect(first).toMatchObject({ rating: 4.5, comment: "a little too dark" });
  expect(second).toMatchObject({ rating: null, failed: "time-out" });
  expect(first?.picture).toMatch(/^[0-9a-f]{64}$/);
  expect(second?.picture).toBe(first?.picture);
  expect(complaints).toEqual([]);
});

test("undo withdraws what was saved and brings it back, to be rated anew", async () => {
  const { page, complaints } = await openRate();
  await stars(page, "B").waitFor();
  const first = await parametersOf(page);
  await page.keyboard.type("1a2b");
  await page.keyboard.press("Enter");
  await page.getByText("2 ratings are recorded.").waitFor();
  await expect.poll(() => parametersOf(page)).not.toEqual(first);
  const second = await parametersOf(page);

  await page.keyboard.press("u");
  await page.getByText("Undone: the last set is back.").waitFor();
  expect(await parametersOf(page)).toEqual(first);
  expect(await stars(page, "B").inputValue()).toBe("2");
  expect(await history()).toEqual([]);

  await page.keyboard.type("5a");
  await page.keyboard.press("Enter");
  // The set that was there when it was undone comes back.
  await expect.poll(() => parametersOf(page)).toEqual(second);
  await expect.poll(async () => (await history()).map((one) => one.rating)).toEqual([2, 5]);
  expect((await history("&include=withdrawn")).filter((one) => one.withdrawn)).toHaveLength(2);
  expect(complaints).toEqual([]);
});

test("a skipped suggestion is given back, and another takes its place", async () => {
  const { page } = await openRate();
  await stars(page, "B").waitFor();
  const before = await pending();
  const shown = await parametersOf(page);
  await page.keyboard.type("sb");
  await page.getByText("B was given back; another is in its place.").waitFor();
  const after = await parametersOf(page);
  expect(after[0]).toBe(shown[0]);
  expect(after[1]).not.toBe(shown[1]);
  const now = await pending();
  expect(now).toHaveLength(2);
  expect(before.filter((id) => !now.includes(id))).toHaveLength(1);
});

test("a study that is archived meanwhile refuses the ratings, which stay until it is restored", async () => {
  const { page } = await openRate();
  const archive = (archived: boolean) =>
    fetch(`${stack.url}/ml/studies/${study}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ archived }),
    });
  await stars(page, "B").waitFor();
  await archive(true);
  await page.keyboard.type("1a2b");
  await page.keyboard.press("Enter");
  await page.getByText("2 ratings were refused:").waitFor();
  await page.getByText("This study is archived and takes no ratings.").waitFor();
  await show(page, "refused");
  await archive(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect.poll(async () => (await history()).length).toBe(2);
  await expect.poll(() => page.getByText("were refused").count()).toBe(0);
});

test("the setting that another view names is asked for once, and rated", async () => {
  const { page, complaints } = await openRate("");
  await stars(page, "A").waitFor();
  const fixed = { api: "leonardo", init_strength: 0.31, guidance_scale: 9.7, controlnet_weight: 0.91 };
  await page.evaluate((query) => {
    location.hash = `#rate?${query}`;
  }, new URLSearchParams({ fixed: JSON.stringify(fixed) }).toString());
  await expect.poll(() => parametersOf(page)).toHaveLength(1);
  expect((await parametersOf(page))[0]).toContain("0.31");
  await page.keyboard.type("5");
  await page.keyboard.press("Enter");
  // Nobody has said who rates: that is asked for once.
  await page.getByRole("textbox", { name: "rater" }).last().fill("bo");
  await page.getByRole("button", { name: "Save with this name" }).click();
  await page.getByText("This setting is done.").waitFor();
  expect(await history()).toMatchObject([{ rating: 5, rater: "bo" }]);
  expect(complaints).toEqual([]);
});

test("nothing is wrong for whoever cannot see it, in light, dark, Spanish and on a phone", async () => {
  for (const [name, options] of [
    ["light", { viewport: { width: 1280, height: 900 } }],
    ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
    ["phone", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
    ["spanish-phone", { viewport: { width: 360, height: 740 }, locale: "es-ES", colorScheme: "dark" }],
  ] as const) {
    const { page, complaints } = await openRate("ana", options);
    await stars(page, "B").waitFor();
    await give(page, "A", await picture(page, 210));
    await give(page, "B", await picture(page, 260));
    await page.keyboard.type("4.a");
    await page.keyboard.type("3");
    await show(page, name);
    await page.getByText(/^(Keys|Teclas)$/).click();
    await page.getByText(/^(Original picture|Imagen original)$/).click();
    await page.keyboard.press("f");
    await page.keyboard.press("b");
    await page.getByRole("textbox", { name: /^(Why is there|¿Por qué no hay)/ }).waitFor();
    await expectAccessible(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(options.viewport.width);
    await show(page, `${name}-whole`, true);
    expect(complaints).toEqual([]);
    await page.context().close();
  }
});
