import { ApiError } from "@picture-tuning/client";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import type { Captioning, Found } from "../../src/captions/captioning";
import { CaptionsOf } from "../../src/captions/captions-view";
import { TooLargeError } from "../../src/captions/failures";
import { Work } from "../../src/captions/work";
import { ChoiceOf } from "../../src/choice";
import type { Language } from "../../src/words";

afterEach(() => {
  cleanup();
  localStorage.clear();
});

const FOUND: Found = {
  caption: 'a dog & a "ball"',
  confidence: 0.91,
  sure: null,
  modelVersion: "flickr8k-1",
  others: [{ caption: "a brown dog", confidence: 0.4, sure: null }],
  beamWidth: 5,
  uploaded: false,
};
const dog = new File(["a"], "dog.jpg", { type: "image/jpeg" });

const json = (body: unknown) => new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
const upload = (name: string, change: object = {}) => ({
  key: `uploads/0f/${name}`,
  status: "captioned",
  caption: `a picture of ${name}`,
  confidence: 0.6,
  model_version: "v1",
  reason: null,
  size: 1_234_567,
  uploaded_at: "2026-11-22T09:01:00Z",
  ...change,
});

/** An API with these pages of uploads; the queries that it had. */
function uploads(pages: Record<string, { uploads: object[]; next_cursor: string | null }>) {
  const asked: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (given) => {
    const query = new URL((given as Request).url).searchParams;
    asked.push(query.toString());
    return json(pages[query.get("cursor") ?? query.get("status") ?? ""] ?? { uploads: [], next_cursor: null });
  });
  return asked;
}

function show(caption: Captioning = async () => FOUND, language: Language = "en") {
  const work = new Work(caption);
  render(
    <ChoiceOf initial={{ language }}>
      <CaptionsOf work={work} />
    </ChoiceOf>,
  );
  return work;
}

test("a chosen picture gets its caption, how sure it is, others, and what to copy", async () => {
  uploads({});
  const copied: string[] = [];
  const user = userEvent.setup();
  vi.spyOn(navigator.clipboard, "writeText").mockImplementation(async (text) => void copied.push(text));
  show();
  await user.upload(screen.getByLabelText("Choose pictures"), [dog]);
  const card = within(await screen.findByRole("list", { name: "Your pictures" }));
  await card.findByText(FOUND.caption);
  expect(card.getByText("sure")).toBeTruthy();
  expect(card.getByText("confidence 0.91")).toBeTruthy();
  expect(card.getByText("a brown dog")).toBeTruthy();
  expect(card.getByText("not sure: look at it")).toBeTruthy();
  expect(card.getByText(/flickr8k-1.*beam width 5/)).toBeTruthy();
  await user.click(card.getByRole("button", { name: "Copy text" }));
  await user.click(card.getByRole("button", { name: "Copy as alt" }));
  expect(copied).toEqual([FOUND.caption, 'alt="a dog &amp; a &quot;ball&quot;"']);
  await vi.waitFor(() => expect(screen.getByTestId("news").textContent).toBe(`dog.jpg: ${FOUND.caption}. sure`));
  expect(screen.getByTestId("news").getAttribute("aria-live")).toBe("polite");
});

test("a failure has its reason and what to do, and that picture alone is captioned again as the options are now", async () => {
  uploads({});
  const refusal = new ApiError(
    404,
    { type: "", title: "", status: 404, detail: "nothing was uploaded; upload it" },
    null,
  );
  const widths: (number | null)[] = [];
  show(async (_file, { beamWidth }) => {
    widths.push(beamWidth);
    if (beamWidth === null) throw refusal;
    return FOUND;
  }, "es");
  await userEvent.upload(screen.getByLabelText("Elegir imágenes"), [dog]);
  await screen.findByText("nothing was uploaded");
  const advice = "La imagen se borró antes de describirla. Descríbala de nuevo.";
  expect(screen.getByText(advice)).toBeTruthy();
  await vi.waitFor(() => expect(screen.getByTestId("news").textContent).toBe(`dog.jpg: ${advice}`));
  await userEvent.selectOptions(screen.getByLabelText("ancho del haz"), "5");
  await userEvent.click(screen.getByRole("button", { name: "Describir de nuevo: dog.jpg" }));
  await screen.findByText(FOUND.caption);
  expect(widths).toEqual([null, 5]);
});

test("a name that turns the direction of writing turns nothing but itself", async () => {
  const name = "\u202Egpj.dog.jpg";
  uploads({ "": { uploads: [upload(name)], next_cursor: null } });
  show();
  await userEvent.upload(screen.getByLabelText("Choose pictures"), [new File(["a"], name, { type: "image/jpeg" })]);
  await vi.waitFor(() => expect(screen.getAllByText(name)).toHaveLength(2));
  expect(screen.getAllByText(name).map((one) => one.localName)).toEqual(["bdi", "bdi"]);
});

test("what can never succeed is not offered to be tried again", async () => {
  uploads({});
  const detail = "the file is a PDF document; save it as an ordinary JPEG or PNG";
  show(async (file) => {
    if (file.name === "huge.jpg") throw new TooLargeError(10 * 2 ** 20);
    throw new ApiError(415, { type: "", title: "", status: 415, detail }, null);
  });
  const files = ["huge.jpg", "paper.pdf"].map((name) => new File(["a"], name));
  await userEvent.upload(screen.getByLabelText("Choose pictures"), files, { applyAccept: false });
  await screen.findByText("2 of 2 done");
  expect(screen.getByText("the file is a PDF document")).toBeTruthy();
  expect(screen.queryByRole("button", { name: /^Caption again/ })).toBeNull();
  expect(screen.getAllByRole("button", { name: /^Remove/ })).toHaveLength(2);
});

test("pictures are dropped and pasted anywhere on the page, and a text that is pasted is none", async () => {
  uploads({});
  const work = show();
  const drop = new Event("drop", { bubbles: true, cancelable: true });
  Object.assign(drop, { dataTransfer: { types: ["Files"], files: [dog] } });
  fireEvent(document.body, drop);
  expect(drop.defaultPrevented).toBe(true);
  const paste = new Event("paste", { bubbles: true });
  Object.assign(paste, { clipboardData: { files: [new File(["b"], "image.png")] } });
  fireEvent(document.body, paste);
  const text = new Event("paste", { bubbles: true });
  Object.assign(text, { clipboardData: { files: [] } });
  fireEvent(document.body, text);
  expect(work.pictures.map((one) => one.file.name)).toEqual(["image.png", "dog.jpg"]);
  await screen.findByText("2 of 2 done");
});

test("the keyboard stays where something is left when a picture is removed or captioned again", async () => {
  uploads({});
  show(async () => {
    throw new Error("no");
  });
  await userEvent.upload(screen.getByLabelText("Choose pictures"), [
    dog,
    new File(["b"], "cat.jpg", { type: "image/jpeg" }),
  ]);
  await screen.findByText("2 of 2 done");
  await userEvent.click(screen.getByRole("button", { name: "Caption again: cat.jpg" }));
  expect(document.activeElement?.getAttribute("aria-label")).toMatch(/: cat.jpg$/);
  await userEvent.click(await screen.findByRole("button", { name: "Remove: cat.jpg" }));
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Remove: dog.jpg");
  await userEvent.click(screen.getByRole("button", { name: "Remove: dog.jpg" }));
  expect(document.activeElement).toBe(screen.getByLabelText("Choose pictures"));
});

test("an upload shows how far it is, and then that it waits for its caption", async () => {
  uploads({});
  let tell: Parameters<Captioning>[2] = () => {};
  show((_file, _options, telling) => {
    tell = telling;
    return new Promise(() => {});
  });
  await userEvent.upload(screen.getByLabelText("Choose pictures"), [dog]);
  tell({ at: "uploading", share: 0.42 });
  const bar = await screen.findByRole("progressbar", { name: "Uploads: dog.jpg" });
  expect(bar.getAttribute("value")).toBe("42");
  tell({ at: "pending" });
  await screen.findByText("Uploaded; captioning…");
});

test("what lies in uploads is listed page by page, by status, and anew", async () => {
  const failed = upload("b.jpg", {
    status: "failed",
    caption: null,
    confidence: null,
    model_version: null,
    reason: "the picture is empty",
  });
  const asked = uploads({
    "": { uploads: [upload("a.jpg")], next_cursor: "two" },
    two: { uploads: [failed], next_cursor: null },
    // Of a status that few have, pages may be empty before the end.
    failed: { uploads: [], next_cursor: "later" },
    later: { uploads: [failed], next_cursor: null },
  });
  show();
  await screen.findByText("1 pictures so far; there are more");
  await userEvent.click(screen.getByRole("button", { name: "Show more" }));
  await screen.findByText("2 pictures");
  expect(screen.getAllByRole("rowheader").map((one) => one.textContent)).toEqual(["a.jpg", "b.jpg"]);
  const reason = screen.getByText("the picture is empty");
  expect(reason.lang).toBe("en");
  expect(reason.previousElementSibling?.textContent).toMatch(/^It cannot be captioned as it is\./);
  await userEvent.selectOptions(screen.getByLabelText("status"), "failed");
  await screen.findByText("1 picture");
  expect(asked).toEqual([
    "limit=50",
    "limit=50&cursor=two",
    "limit=50&status=failed",
    "limit=50&status=failed&cursor=later",
  ]);
  await userEvent.click(screen.getByRole("button", { name: "Refresh" }));
  await vi.waitFor(() => expect(asked.length).toBe(6));
});

test("a picture that was uploaded appears in the list by itself", async () => {
  const asked = uploads({});
  show(async () => ({ ...FOUND, uploaded: true, others: [] }));
  await screen.findByText("0 pictures");
  await userEvent.upload(screen.getByLabelText("Choose pictures"), [dog]);
  await screen.findByText(/uploaded: the model's own beam width/);
  await vi.waitFor(() => expect(asked.length).toBe(2));
});
