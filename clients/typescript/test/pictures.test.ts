import { expect, test } from "vitest";
import {
  captionOf,
  captionOfUpload,
  connect,
  LARGEST_REQUEST,
  PendingError,
  UploadError,
  uploadPicture,
} from "../src/index.js";

const KEY = "uploads/5f0c/dog.jpg";
const FORM = {
  key: KEY,
  url: "https://bucket.example/",
  fields: { key: KEY, policy: "p" },
  max_bytes: 10,
  caption_url: "",
};

function json(body: object, status = 200, headers: Record<string, string> = {}) {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

/** An API that presigns uploads and has a caption after it was asked so often. */
function api(pendings = 0, asks = "3") {
  const asked: Request[] = [];
  let left = pendings;
  const fetch = async (request: Request) => {
    asked.push(request.clone());
    const path = new URL(request.url).pathname;
    if (path === "/uploads") return json(FORM);
    if (path === "/generate-caption/") return json({ filename: "dog.jpg", caption: "a dog", confidence: 1 });
    if (left-- > 0) return json({ key: KEY, status: "pending" }, 202, { "Retry-After": asks });
    return json({ key: KEY, status: "captioned", caption: "a large dog", confidence: 1, model_version: "m" });
  };
  return { asked, api: connect({ baseUrl: "https://api.example", fetch }) };
}

const picture = (bytes: number) => new File([new Uint8Array(bytes)], "dog.jpg", { type: "image/jpeg" });

test("a small picture is sent as the part `file`, with its name", async () => {
  const given = api();
  expect((await captionOf(given.api, picture(9))).caption).toBe("a dog");
  const [request] = given.asked;
  expect(request?.headers.get("Content-Type")).toMatch(/^multipart\/form-data; boundary=/);
  const file = (await request?.formData())?.get("file") as File;
  expect([file.name, file.size]).toEqual(["dog.jpg", 9]);
});

test("a large one goes to the storage: the fields, after them the file, no API key", async () => {
  const given = api();
  const sent: [string, RequestInit][] = [];
  const fetch = async (address: string, how: RequestInit) => {
    sent.push([address, how]);
    return new Response(null, { status: 204 });
  };
  expect(await uploadPicture(given.api, picture(LARGEST_REQUEST + 1), { fetch })).toBe(KEY);
  expect(await given.asked[0]?.json()).toEqual({ content_type: "image/jpeg", filename: "dog.jpg" });
  expect(sent[0]?.[0]).toBe("https://bucket.example/");
  const posted = sent[0]?.[1].body;
  expect(posted instanceof FormData && [...posted.keys()]).toEqual(["key", "policy", "file"]);
  expect(sent[0]?.[1].headers).toBeUndefined();
});

test.each([
  ["dog.PNG", "", "image/png"],
  ["dog", "image/webp", "image/webp"],
  ["dog.heic", "image/heic", "image/jpeg"],
])("%s of type %j is uploaded as %s", async (name, type, taken) => {
  const given = api();
  await uploadPicture(given.api, new File(["x"], name, { type }), { fetch: async () => new Response() });
  expect(await given.asked[0]?.json()).toMatchObject({ content_type: taken });
});

test("what the storage refuses is said with its answer", async () => {
  const fetch = async () => new Response("<Error>EntityTooLarge</Error>", { status: 400 });
  const sent = uploadPicture(api().api, picture(1), { fetch });
  await expect(sent).rejects.toBeInstanceOf(UploadError);
  await expect(sent).rejects.toThrow("EntityTooLarge");
});

test("a caption to come is asked for as rarely as Retry-After wishes", async () => {
  const given = api(2);
  const waits: number[] = [];
  const found = await captionOfUpload(given.api, KEY, { wait: async (ms) => void waits.push(ms) });
  expect(found.caption).toBe("a large dog");
  expect(waits).toEqual([3000, 3000]);
  expect(new URL(given.asked[0]?.url ?? "").pathname).toBe(`/captions/${KEY}`);
});

test("after a while it says that the picture still waits, and by which key to ask", async () => {
  const sent = captionOfUpload(api(1000).api, KEY, { wait: async () => {}, atMost: 10 });
  await expect(sent).rejects.toMatchObject({ name: "PendingError", key: KEY });
  await expect(sent).rejects.toBeInstanceOf(PendingError);
});

test.each(["0", "", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"])(
  "Retry-After: %s makes no endless loop of it: a second is waited, and not for ever",
  async (asks) => {
    const given = api(1000, asks);
    const waits: number[] = [];
    const found = captionOfUpload(given.api, KEY, { wait: async (ms) => void waits.push(ms), atMost: 20 });
    await expect(found).rejects.toBeInstanceOf(PendingError);
    expect(waits).toEqual(Array(20).fill(1000));
  },
);

test("Retry-After as a date is waited for", async () => {
  const given = api(1, new Date(Date.now() + 100_000).toUTCString());
  const waits: number[] = [];
  await captionOfUpload(given.api, KEY, { wait: async (ms) => void waits.push(ms) });
  expect(waits[0]).toBeGreaterThan(90_000);
  expect(waits[0]).toBeLessThanOrEqual(100_000);
});
