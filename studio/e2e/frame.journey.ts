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

test("a part that another version of the page has makes the page load itself again, once, and then say so", async () => {
  const { page, complaints } = await openPage(browser);
  let loads = 0;
  // A view may be shown before its page has loaded in full.
  page.on("load", () => loads++);
  // The page may ask for a part more than once: it is missing until the page has loaded so often.
  let missing = 1;
  await page.route(/\/studio\/history-view-[^/]*\.js$/, (route) =>
    loads <= missing ? route.fulfill({ status: 404, body: "" }) : route.continue(),
  );
  await page.goto(`${stack.url}/studio`);
  await page.getByRole("link", { name: "History" }).click();
  await page.getByRole("heading", { name: "History" }).waitFor();
  await expect.poll(() => loads, { timeout: 5_000 }).toBe(2);

  missing = 3;
  await page.reload();
  const said = page.getByText("The server has a newer version of this page. Load it again: what you rated is kept.");
  await said.waitFor();
  await expect.poll(() => loads, { timeout: 5_000 }).toBe(3);
  await expectAccessible(page);
  missing = 0;
  await page.getByRole("button", { name: "Load the page again" }).click();
  await page.getByRole("heading", { name: "History" }).waitFor();
  await expect.poll(() => loads, { timeout: 5_000 }).toBe(4);
  expect(complaints).toEqual([]);
});

test("a page that has pictures which a reload would lose does not load itself again", async () => {
  const { page, complaints } = await openPage(browser);
  let loads = 0;
  page.on("load", () => loads++);
  await page.route(/\/studio\/history-view-[^/]*\.js$/, (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto(`${stack.url}/studio#captions`);
  const file = { name: "paper.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n") };
  await page.locator(".chooser input").setInputFiles([file]);
  await page.getByText("1 of 1 done").waitFor();
  await page.getByRole("link", { name: "History" }).click();
  await page.getByText(/the list of pictures in Captions, and what the browser could not keep, are lost/).waitFor();
  await expect.poll(() => loads, { timeout: 5_000 }).toBe(1);
  await page.getByRole("link", { name: "Captions" }).click();
  await page.getByText("paper.pdf").waitFor();
  expect(await page.getByRole("button", { name: /^Caption again/ }).count()).toBe(0);
  expect(complaints).toEqual([]);
});
