import { ApiError, connect, LARGEST_REQUEST, PendingError } from "@picture-tuning/client";
import { expect, test, vi } from "vitest";
import { captioningBy, LARGEST_UPLOAD, PATIENCE_S, type Step } from "../../src/captions/captioning";
import { TooLargeError, UnreadableError } from "../../src/captions/failures";

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const problem = (status: number) => json({ type: "about:blank", title: "", status, detail: "because" }, status);

/** An API that answers one request after the other; the requests, the waits and the forms that it has seen. */
function api(...answers: Response[]) {
  const sent: Request[] = [];
  const waits: number[] = [];
  const posted: [string, string[]][] = [];
  const caption = captioningBy({
    api: connect({
      baseUrl: "http://api.example/v1",
      fetch: async (request) => {
        sent.push(request);
        return answers.shift() ?? problem(500);
      },
    }),
    sending: (tell) => async (address, how) => {
      posted.push([address, [...(how.body as FormData).keys()]]);
      tell(0.5);
      return new Response(null, { status: 204 });
    },
    wait: async (milliseconds) => void waits.push(milliseconds / 1000),
  });
  const steps: Step[] = [];
  const run = (file: File, beamWidth: number | null = null) =>
    caption(file, { beamWidth }, (step) => steps.push(step), new AbortController().signal);
  return { run, sent, waits, posted, steps };
}

const small = new File(["a"], "dog.jpg", { type: "image/jpeg" });
const large = new File([new Uint8Array(LARGEST_REQUEST + 1)], "two dogs.jpg", { type: "image/jpeg" });
const ANSWER = {
  filename: "dog.jpg",
  caption: "a dog",
  confidence: 0.9,
  model_version: "v1",
  cached: false,
  alternatives: [
    { caption: "a dog", confidence: 0.9 },
    { caption: "a brown dog", confidence: 0.7, sure: false },
  ],
};
const FORM = {
  key: "uploads/0f/two dogs + 1.jpg",
  url: "http://bucket.example/",
  fields: { key: "k" },
  max_bytes: 10_485_760,
  expires_at: "2026-11-22T09:10:00Z",
  caption_url: "",
};

test("a picture goes in a request, with the alternatives that its beam has", async () => {
  const { run, sent, steps } = api(json(ANSWER), json({ ...ANSWER, sure: true }));
  expect(await run(small)).toEqual({
    caption: "a dog",
    confidence: 0.9,
    sure: null,
    modelVersion: "v1",
    others: [{ caption: "a brown dog", confidence: 0.7, sure: false }],
    beamWidth: null,
    uploaded: false,
  });
  expect(await run(small, 2)).toMatchObject({ sure: true, beamWidth: 2 });
  const queries = sent.map((one) => Object.fromEntries(new URL(one.url).searchParams));
  expect(queries).toEqual([{ alternatives: "3" }, { alternatives: "2", beam_width: "2" }]);
  expect(sent[0]?.headers.get("content-type")).toMatch(/^multipart\/form-data/);
  expect(steps[0]).toEqual({ at: "captioning" });
});

test("a picture that the API refuses is not sent again", async () => {
  const { run, sent } = api(problem(422));
  await expect(run(small)).rejects.toBeInstanceOf(ApiError);
  expect(sent.length).toBe(1);
});

test("a picture too large for a request is uploaded, and asked for as Retry-After says", async () => {
  const { run, sent, waits, posted, steps } = api(
    json(FORM),
    json({ key: FORM.key, status: "pending" }, 202, { "Retry-After": "3" }),
    json({ key: FORM.key, status: "captioned", caption: "two dogs", confidence: 0.6, model_version: "v1" }),
  );
  expect(await run(large, 5)).toMatchObject({ caption: "two dogs", uploaded: true, others: [], beamWidth: null });
  expect(await sent[0]?.json()).toEqual({ content_type: "image/jpeg", filename: "two dogs.jpg" });
  expect(posted).toEqual([["http://bucket.example/", ["key", "file"]]]);
  expect(sent[2]?.url).toBe("http://api.example/v1/captions/uploads/0f/two%20dogs%20%2B%201.jpg");
  expect(waits).toEqual([3]);
  expect(steps).toEqual([{ at: "uploading", share: 0 }, { at: "uploading", share: 0.5 }, { at: "pending" }]);
});

test("an upload that stays pending is given up after a quarter of an hour", async () => {
  const pending = Array.from({ length: 40 }, () => json({ status: "pending" }, 202, { "Retry-After": "60" }));
  const { run, waits } = api(json(FORM), ...pending);
  await expect(run(large)).rejects.toBeInstanceOf(PendingError);
  expect(waits.reduce((sum, one) => sum + one, 0)).toBe(PATIENCE_S);
});

test("a picture too large for an upload is refused before a byte is sent", async () => {
  const { run, sent } = api(json(FORM));
  await expect(run(new File([new Uint8Array(LARGEST_UPLOAD + 1)], "a.jpg"))).rejects.toBeInstanceOf(TooLargeError);
  expect(sent).toEqual([]);
});

test("a file that the browser cannot read is said to be so", async () => {
  const folder = new File([], "folder");
  vi.spyOn(folder, "slice").mockReturnValue({ arrayBuffer: () => Promise.reject(new Error("no")) } as unknown as Blob);
  await expect(api().run(folder)).rejects.toBeInstanceOf(UnreadableError);
});
