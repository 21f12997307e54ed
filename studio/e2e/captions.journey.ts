import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, FileChooser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { bmp, png } from "./drawn";
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

const ball = { name: "a ball.png", mimeType: "image/png", buffer: png(320, 240) };
const meadow = { name: "meadow.bmp", mimeType: "image/bmp", buffer: bmp(400, 300) };
const large = { name: "large & wide.bmp", mimeType: "image/bmp", buffer: bmp(2000, 1350) };
const damaged = { name: "damaged.png", mimeType: "image/png", buffer: ball.buffer.subarray(0, 400) };

/** The card of a picture by its name. */
const card = (page: Page, name: string) => page.getByRole("listitem").filter({ hasText: name });

async function look(page: Page, name: string): Promise<void> {
  if (process.env.PICTURES)
    await page.screenshot({ path: `${process.env.PICTURES}/captions-${name}.png`, fullPage: true });
}

test("captions three pictures by keyboard, one of 8 MB by itself through an upload, and refuses a damaged one", async () => {
  expect(large.buffer.length).toBeGreaterThan(8_000_000);
  const { page, complaints } = await openPage(browser, { colorScheme: "light" });
  await page.goto(`${stack.url}/studio#captions`);
  await page.getByRole("heading", { name: "Captions" }).waitFor();
  await page.getByText("0 pictures").waitFor();

  // With the keyboard alone: from the top of the page to the file chooser.
  await page.getByLabel("beam width").focus();
  await page.keyboard.press("Shift+Tab");
  expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).type)).toBe("file");
  // On a busy machine Chromium opens no chooser for a key that came while the page was busy.
  let chooser: FileChooser | null = null;
  for (let press = 0; chooser === null && press < 5; press++) {
    const opened = page.waitForEvent("filechooser", { timeout: 10_000 }).catch(() => null);
    await page.keyboard.press("Space");
    chooser = await opened;
  }
  if (chooser === null) throw new Error("the key opened no file chooser");
  await chooser.setFiles([ball, meadow, large, damaged]);

  await page.getByText("4 of 4 done").waitFor({ timeout: 90_000 });
  for (const { name } of [ball, meadow]) {
    const shown = card(page, name);
    expect(await shown.locator(".caption").textContent()).toMatch(/^[a-z].*[a-z]$/);
    expect(await shown.locator(".confidence").first().textContent()).toMatch(
      /^(sure|fairly sure|not sure: look at it) confidence [01]/,
    );
    await shown.getByText("2 other captions").click();
    expect(await shown.locator("ol li").count()).toBe(2);
    await shown.getByText(/flickr8k/).waitFor();
  }
  const uploaded = card(page, large.name);
  await uploaded.getByText(/uploaded: the model's own beam width/).waitFor();
  const caption = await uploaded.locator(".caption").textContent();

  const refused = card(page, damaged.name);
  await refused.getByText("The picture cannot be read. Use its whole file, or open it and save it anew.").waitFor();
  expect(await refused.locator(".reason").textContent()).toMatch(/truncated or broken/);
  // The same bytes would be refused again.
  expect(await refused.getByRole("button", { name: /^Caption again/ }).count()).toBe(0);
  expect(
    await card(page, ball.name)
      .locator("img")
      .evaluate((one: HTMLImageElement) => one.naturalWidth),
  ).toBe(320);

  // What was uploaded lies in the list, as the API has it.
  const row = page.getByRole("row").filter({ hasText: large.name });
  await row.getByText(String(caption)).waitFor();
  const told = (await (await fetch(`${stack.url}/captions`)).json()) as { uploads: { key: string; status: string }[] };
  expect(told.uploads.map((one) => [one.key.split("/")[2], one.status])).toEqual([[large.name, "captioned"]]);
  await expectAccessible(page);
  await look(page, "light");

  // Another view and back: nothing is lost.
  await page.getByRole("link", { name: "History" }).click();
  await page.getByRole("heading", { name: "History" }).waitFor();
  await page.getByRole("link", { name: "Captions" }).click();
  await page.getByText("4 of 4 done").waitFor();
  await page.emulateMedia({ colorScheme: "dark" });
  await expectAccessible(page);
  await look(page, "dark");
  expect(complaints).toEqual([]);
});

test("on a phone in Spanish: pastes a picture, asks for a beam, and sees why an upload failed", async () => {
  mkdirSync(join(stack.folder, "uploads"), { recursive: true });
  writeFileSync(join(stack.folder, "uploads/rota.png"), damaged.buffer);
  const { page, complaints } = await openPage(browser, {
    locale: "es-ES",
    viewport: { width: 360, height: 740 },
    colorScheme: "light",
  });
  await page.goto(`${stack.url}/studio#captions`);
  await page.getByLabel("ancho del haz").selectOption("2");
  await page.evaluate(
    (bytes) => {
      const held = new DataTransfer();
      held.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: held, bubbles: true }));
    },
    [...ball.buffer],
  );
  await page.getByText("1 de 1 terminadas").waitFor({ timeout: 60_000 });
  await card(page, "image.png").getByText("1 descripción más").waitFor();
  await card(page, "image.png")
    .getByText(/ancho del haz 2/)
    .waitFor();

  await expect
    .poll(
      async () => {
        await page.getByRole("button", { name: "Actualizar" }).click();
        await page.getByLabel("estado").selectOption("failed");
        return page.getByText(/truncated or broken/).count();
      },
      { timeout: 60_000, interval: 1000 },
    )
    .toBe(1);
  await page.getByText("rota.png").waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await expectAccessible(page);
  await look(page, "phone");
  expect(complaints).toEqual([]);
});
