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
  // The page asks in dialogs of its own alone.
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  await page.goto(`${stack.url}/studio#history`);
  await page.getByRole("button", { name: "New study" }).click();
  const name = page.getByLabel("Name");
  await name.fill("Kitchens");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText(/^Give it a name of up to 64/).waitFor();
  await name.fill("default");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("There is a study default already.").waitFor();
  await page.getByLabel("Name").fill("kitchens-2026");
  // This study has ratings: the new one goes on from it.
  expect(await page.getByLabel("Based on").inputValue()).toBe("default");
  await page.getByText(/^It goes on from default: /).waitFor();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("Nothing has been rated in this study and mode yet.").waitFor();
  expect(await page.getByLabel("study").inputValue()).toBe("kitchens-2026");

  const begun = (await (await fetch(`${stack.url}/ml/studies/kitchens-2026`)).json()) as { based_on: string | null };
  expect(begun.based_on).toBe("default");

  const archiving = page.getByRole("button", { name: "Archive this study" });
  for (const [language, title] of [
    ["EN", "Archive kitchens-2026?"],
    ["ES", "¿Archivar kitchens-2026?"],
  ] as const) {
    await page.getByRole("button", { name: language, exact: true }).click();
    const opener = page.locator(".studies button.quiet").first();
    await opener.click();
    await page.getByRole("heading", { name: title }).waitFor();
    await expectAccessible(page);
    for (let step = 0; step < 6; step++) {
      await page.keyboard.press("Tab");
      // The browser's own bars may have the focus in between; what lies behind the dialog never.
      expect(
        await page.evaluate(
          () => document.activeElement?.closest("dialog") ?? document.activeElement === document.body,
        ),
      ).toBeTruthy();
    }
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: title }).waitFor({ state: "detached" });
    expect(await opener.evaluate((button) => button === document.activeElement)).toBe(true);
  }
  await page.getByRole("button", { name: "EN", exact: true }).click();
  await archiving.click();
  await page.getByRole("button", { name: "Archive it" }).click();
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

test("on a phone every row shows its stars without scrolling sideways, and is a row to a screen reader all the same", async () => {
  const study = "phone";
  const record = (path: string, body: object) =>
    fetch(`${stack.url}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  const parameters = {
    api: "stablediffusion",
    strength: 0.25,
    guidance_scale: 11.5,
    controlnet_conditioning_scale: 0.85,
  };
  const results = Array.from({ length: 100 }, (_, index) => ({
    parameters: { ...parameters, strength: 0.1 + (index % 40) / 100 },
    ...(index % 7 === 0 ? { failed: "the service refused the prompt" } : { rating: 1 + (index % 9) / 2 }),
    rater: "ana-of-the-long-name",
    picture: "f00d".repeat(16),
    comment: index % 3 === 0 ? "too dark, and the lamp is gone; the window is not where it was" : null,
  }));
  expect((await record("/ml/studies", { name: study })).status).toBe(201);
  for (let times = 0; times < 2; times++) {
    const answer = await record("/ml/update_model", { study, results });
    const said = await answer.text();
    expect(answer.status, said).toBe(200);
    const { observation_ids } = JSON.parse(said) as { observation_ids: string[] };
    for (const change of [{ rating: 4.5 }, { withdrawn: true }]) {
      const changed = await fetch(`${stack.url}/ml/history/${observation_ids[99]}`, {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(change),
      });
      expect(changed.status, await changed.text()).toBe(200);
    }
  }

  for (const [width, language] of [
    [360, "es-ES"],
    [800, "en-GB"],
    [1100, "en-GB"],
    // The longest way to write a time.
    [320, "en-US"],
    [1280, "en-US"],
  ] as const) {
    const { page, complaints } = await openPage(browser, { viewport: { width, height: 740 }, locale: language });
    await page.goto(`${stack.url}/studio#history`);
    await page.locator("header select").first().selectOption(study);
    await page.getByText(/^200 ent/).waitFor();
    const frame = page.locator(".frame");
    if (process.env.PICTURES) await frame.scrollIntoViewIfNeeded();
    if (process.env.PICTURES)
      await page.screenshot({ path: `${process.env.PICTURES}/history-${width}-${language}.png` });
    const [inner, shown] = await frame.evaluate((one) => [one.scrollWidth, one.clientWidth]);
    if (width <= 800) expect(inner).toBe(shown);
    const right = await page
      .locator("td.stars button")
      .first()
      .evaluate((button) => button.getBoundingClientRect().right);
    expect(right).toBeLessThanOrEqual(width);
    // When, and that it was withdrawn, can be read to the end.
    await page.locator("td.stars small").first().waitFor();
    const cut = await page
      .locator("td.time, td.stars")
      .evaluateAll((cells) => cells.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent));
    expect(cut, `${width} ${language}`).toEqual([]);

    // What the browser tells screen readers, whatever the layout.
    const session = await page.context().newCDPSession(page);
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    const count = (role: string) => nodes.filter((one) => !one.ignored && one.role?.value === role).length;
    expect(count("table")).toBe(1);
    expect(count("columnheader")).toBe(7);
    const rows = count("row");
    expect(rows).toBeGreaterThan(15);
    expect(count("cell")).toBe(7 * (rows - 1));

    // Before it is scrolled: a row half beneath the head of the table is too small a target to axe.
    await expectAccessible(page);

    // Rows are as high as they are reckoned with: at the end of the table stands its last row.
    await frame.evaluate((one) => one.scrollTo(0, one.scrollHeight));
    const last = page.locator('tr[aria-rowindex="201"]');
    await last.waitFor();
    const gap = await last.evaluate(
      (row) => (row.closest(".frame")?.getBoundingClientRect().bottom ?? 0) - row.getBoundingClientRect().bottom,
    );
    expect(Math.abs(gap)).toBeLessThanOrEqual(3);
    await last.getByRole("button").click();
    await page.locator("dialog.correction").waitFor();
    await page.keyboard.press("Escape");
    expect(complaints).toEqual([]);
    await page.context().close();
  }
});
