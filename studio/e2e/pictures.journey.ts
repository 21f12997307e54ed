/**
 * Every view with the demo's data in it, in light, in dark and on a phone. PICTURES names a folder that gets a picture
 * of each; without it they are only looked at by axe.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { freePort, PYTHON, ROOT } from "./stack";

const FOLDER = process.env.PICTURES ?? null;
const LOOKS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: "light", locale: "es-ES" },
} as const;

let demo: ChildProcess;
let data: string;
let url: string;
let browser: Browser;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "studio-demo-"));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const env = { ...process.env, OPEN: "no", HOST: "127.0.0.1", PORT: String(port) };
  demo = spawn(PYTHON, ["-m", "tools.demo", "--folder", data], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  await new Promise<void>((ready, failed) => {
    demo.stdout?.on("data", (text: Buffer) => {
      said += text;
      if (/Ctrl-C/.test(said)) ready();
    });
    demo.once("exit", () => failed(new Error(`the demo ended:\n${said}`)));
  });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  demo?.removeAllListeners("exit");
  const ended = new Promise((done) => demo?.once("exit", done));
  demo?.kill("SIGTERM");
  await ended;
  rmSync(data, { recursive: true, force: true });
});

/** What shows that a view has all that it will have. */
const COMPLETE: Record<string, (page: Page) => Promise<void>> = {
  rate: async (page) => {
    const cards = page.locator("section.card.rating");
    await cards.first().waitFor();
    for (const [index, kind] of ["balanced", "soft"].entries()) {
      const card = cards.nth(index);
      await card.locator("input[type=file]").setInputFiles(join(ROOT, `samples/living-room-${kind}.jpg`));
      await card.locator("img").waitFor();
    }
    await page.keyboard.press("4");
    await page.keyboard.press("a");
  },
  progress: async (page) => {
    await page.locator("svg").first().waitFor();
    await page.waitForLoadState("networkidle");
  },
  history: async (page) => void (await page.locator("tbody td.stars").first().waitFor()),
  captions: async (page) => void (await page.locator("tbody tr").first().waitFor()),
};

for (const [look, options] of Object.entries(LOOKS)) {
  for (const [view, complete] of Object.entries(COMPLETE)) {
    test(`${view}, ${look}: nothing is complained about, nothing is wider than the screen`, async () => {
      const { page, complaints } = await openPage(browser, options);
      await page.goto(`${url}/studio#${view}`);
      await complete(page);
      await expectAccessible(page);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        options.viewport.width,
      );
      if (FOLDER) await page.screenshot({ path: join(FOLDER, `${view}-${look}.png`) });
      expect(complaints).toEqual([]);
      await page.context().close();
    });
  }
}
