import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, openBrowser, openPage } from "./browser";
import { Stack } from "./stack";
import { Stage } from "./stage";

let stack: Stack;
let stage: Stage;
let browser: Browser;

beforeAll(async () => {
  [stack, browser] = await Promise.all([Stack.start({ API_KEY: "right" }), openBrowser()]);
  stage = await Stage.before(stack.url, "/v1");
});
afterAll(async () => {
  await browser?.close();
  await stage?.stop();
  await stack?.stop();
});

test("behind a stage and a key: asks for it once, says that a wrong one is wrong, keeps it for the tab", async () => {
  const { page, complaints } = await openPage(browser);
  await page.goto(`${stage.url}/studio#history`);
  await page.getByLabel("API key").fill("wrong");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page
    .locator("dialog.key")
    .getByText(/does not know this key/)
    .waitFor();
  await expectAccessible(page);
  await page.getByLabel("API key").fill("right");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("Nothing has been rated in this study and mode yet.").waitFor();
  await page.reload();
  await page.getByText("Nothing has been rated in this study and mode yet.").waitFor();
  expect(await page.getByLabel("API key").isVisible()).toBe(false);
  expect(await page.getByRole("link", { name: "docs" }).getAttribute("href")).toBe(`${stage.url}/docs`);

  const other = await page.context().newPage();
  await other.goto(`${stage.url}/studio#history`);
  await other.getByLabel("API key").waitFor();
  expect(complaints).toEqual([]);
});
