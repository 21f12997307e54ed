import { expect, test } from "vitest";
import { ApiError, answered, ConnectionError, connect } from "../src/index.js";
import { patient, retryAfter, waited } from "../src/retrying.js";

const URL_ = "http://api.example/v1";
const RESULT = {
  parameters: { api: "leonardo", init_strength: 0.28, guidance_scale: 7.2, controlnet_weight: 0.89 },
  rating: 4,
} as const;

function answers(...given: (Response | Error)[]) {
  const sent: Request[] = [];
  const waits: number[] = [];
  const fetch = async (request: Request) => {
    sent.push(request);
    const next = given[Math.min(sent.length, given.length) - 1];
    if (next === undefined || next instanceof Error) throw next;
    return next.clone();
  };
  const patience = { wait: async (ms: number) => void waits.push(ms), chance: () => 0 };
  return { fetch, sent, waits, patience };
}

const busy = (status: number, seconds?: number) =>
  new Response(null, { status, headers: seconds === undefined ? {} : { "Retry-After": String(seconds) } });

function json(body: object, status = 200) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type } });
}

test.each([429, 503, 504])(
  "after a %i it waits as long as Retry-After asks, and then returns the answer",
  async (status) => {
    const { fetch, sent, waits, patience } = answers(busy(status, 2), new Response("{}"));
    const answer = await patient(fetch, patience)(new Request(URL_));
    expect(answer.status).toBe(200);
    expect(waits).toEqual([2000]);
    expect(sent).toHaveLength(2);
  },
);

test("chance makes a wait longer than Retry-After, and never shorter", async () => {
  const { fetch, waits, patience } = answers(busy(503, 4), new Response("{}"));
  await patient(fetch, { ...patience, chance: () => 1 })(new Request(URL_));
  expect(waits).toEqual([5000]);
});

test("without Retry-After the waits double, less what is left to chance", async () => {
  const slow = answers(busy(502));
  await patient(slow.fetch, slow.patience)(new Request(URL_));
  expect(slow.waits).toEqual([1000, 2000, 4000]);
  const quick = answers(busy(502));
  await patient(quick.fetch, { ...quick.patience, chance: () => 1 })(new Request(URL_));
  expect(quick.waits).toEqual([500, 1000, 2000]);
});

test("it gives up after four attempts, with the last answer", async () => {
  const { fetch, sent, patience } = answers(busy(503, 1));
  const answer = await patient(fetch, patience)(new Request(URL_));
  expect(answer.status).toBe(503);
  expect(sent).toHaveLength(4);
});

test("a wait longer than the longest is left to the caller: a day's quota is used up", async () => {
  const { fetch, sent, waits, patience } = answers(busy(429, 3600));
  const answer = await patient(fetch, patience)(new Request(URL_));
  expect(answer.status).toBe(429);
  expect([sent.length, waits.length]).toEqual([1, 0]);
});

test.each([400, 403, 404, 409, 413, 415, 422, 500])("a %i is not sent again", async (status) => {
  const { fetch, sent, patience } = answers(busy(status, 1));
  await patient(fetch, patience)(new Request(URL_));
  expect(sent).toHaveLength(1);
});

test("an update is sent again with the same key, which was made for it", async () => {
  const { fetch, sent, patience } = answers(new TypeError("connection lost"), busy(504, 5), json({ updated: true }));
  const api = connect({ baseUrl: URL_, key: "secret", patience, fetch });
  await answered(api.POST("/ml/update_model", { body: { results: [RESULT] } }));
  const keys = sent.map((request) => request.headers.get("Idempotency-Key"));
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(keys).size).toBe(1);
  expect(sent).toHaveLength(3);
  expect(await sent[2]?.json()).toEqual({ results: [RESULT] });
  expect(sent[0]?.headers.get("x-api-key")).toBe("secret");
});

test("every update has a key of its own, and one that the caller gives stays", async () => {
  const { fetch, sent, patience } = answers(json({ updated: true }));
  const api = connect({ baseUrl: URL_, patience, fetch });
  const body = { results: [RESULT] };
  await api.POST("/ml/update_model", { body });
  await api.POST("/ml/update_model", { body });
  await api.POST("/ml/update_model", { body, params: { header: { "Idempotency-Key": "mine" } } });
  await api.PATCH("/ml/history/{id}", { params: { path: { id: "default-17" } }, body: { rating: 5 } });
  await api.DELETE("/ml/history/{id}", { params: { path: { id: "default-17" } } });
  const keys = sent.map((request) => request.headers.get("Idempotency-Key"));
  expect(keys[2]).toBe("mine");
  expect(keys.every(Boolean)).toBe(true);
  expect(new Set(keys).size).toBe(5);
});

test("an update without a key is never sent again", async () => {
  const update = new Request(`${URL_}/ml/update_model`, { method: "POST", body: "{}" });
  const failing = answers(busy(503, 1));
  expect((await patient(failing.fetch, failing.patience)(update)).status).toBe(503);
  expect(failing.sent).toHaveLength(1);
  const lost = answers(new TypeError("connection lost"));
  await expect(patient(lost.fetch, lost.patience)(update)).rejects.toThrow("no answer");
  expect(lost.sent).toHaveLength(1);
});

test("what begins a study is sent once, unless it was throttled and nothing was done", async () => {
  const lost = answers(new TypeError("connection lost"));
  const api = connect({ baseUrl: URL_, patience: lost.patience, fetch: lost.fetch });
  await expect(api.POST("/ml/studies", { body: { name: "a" } })).rejects.toThrow("no answer");
  expect(lost.sent).toHaveLength(1);
  const throttled = answers(busy(429, 1), json({ name: "a" }, 201));
  const again = connect({ baseUrl: URL_, patience: throttled.patience, fetch: throttled.fetch });
  await answered(again.POST("/ml/studies", { body: { name: "a" } }));
  expect(throttled.sent).toHaveLength(2);
});

test("asking for suggestions is repeated, with its body", async () => {
  const { fetch, sent, patience } = answers(busy(503, 1), json({ suggestions: [] }));
  await answered(
    connect({ baseUrl: URL_, patience, fetch }).POST("/ml/suggest_parameters", { body: { num_suggestions: 3 } }),
  );
  expect(await sent[1]?.json()).toEqual({ num_suggestions: 3 });
});

test("who gives up waits no longer", async () => {
  const given = answers(busy(503, 20));
  const leaving = new AbortController();
  const asked = patient(given.fetch, { chance: () => 0 })(new Request(URL_, { signal: leaving.signal }));
  setTimeout(() => leaving.abort(new Error("left")), 20);
  await expect(asked).rejects.toThrow();
  expect(given.sent).toHaveLength(1);
  await expect(waited(60_000, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
});

test("an error is the API's problem, typed, with the seconds to wait", async () => {
  const problem = { type: "about:blank", title: "Conflict", status: 409, detail: "study a is archived" };
  const { fetch, patience } = answers(json(problem, 409));
  const sent = answered(connect({ baseUrl: URL_, patience, fetch }).POST("/ml/suggest_parameters", { body: {} }));
  const error = await sent.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  expect((error as ApiError).problem).toEqual(problem);
  expect((error as ApiError).message).toBe("study a is archived");
  expect((error as ApiError).retryAfter).toBeNull();
});

test("an answer that is no problem, of a proxy's say, is made one", async () => {
  const { fetch, patience } = answers(new Response("<html>", { status: 403, statusText: "Forbidden" }));
  const sent = answered(connect({ baseUrl: URL_, patience, fetch }).GET("/ml/stats"));
  await expect(sent).rejects.toMatchObject({ status: 403, problem: { title: "Forbidden", status: 403 } });
});

test("a good status with what is no JSON is no answer of the API", async () => {
  const { fetch, patience } = answers(
    new Response("<html>Log in</html>", { headers: { "Content-Type": "text/html" } }),
  );
  const sent = answered(connect({ baseUrl: URL_, patience, fetch }).GET("/ml/stats"));
  await expect(sent).rejects.toBeInstanceOf(ConnectionError);
});

test("Retry-After may be a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfter(new Headers({ "Retry-After": "Thu, 01 Jan 2026 00:00:05 GMT" }), now)).toBe(5);
  expect(retryAfter(new Headers({ "Retry-After": "soon" }), now)).toBeNull();
});

test.each(["http://api.example/v1", "http://api.example/v1/"])("paths follow the stage of %s", async (baseUrl) => {
  const { fetch, sent, patience } = answers(json({}));
  const api = connect({ baseUrl, patience, fetch });
  await api.GET("/ml/stats", { params: { query: { mode: "surfaces" } } });
  await api.GET("/captions/{key}", { params: { path: { key: "uploads/5f0c/a dog.jpg" } } });
  expect(sent.map((request) => request.url)).toEqual([
    "http://api.example/v1/ml/stats?mode=surfaces",
    "http://api.example/v1/captions/uploads/5f0c/a%20dog.jpg",
  ]);
});

test("the key may be known later, and is asked for each time", async () => {
  const { fetch, sent, patience } = answers(json({}));
  let key: string | null = null;
  const api = connect({ baseUrl: URL_, patience, fetch, key: () => key });
  await api.GET("/ml/stats");
  key = "secret";
  await api.GET("/ml/stats");
  expect(sent.map((request) => request.headers.get("x-api-key"))).toEqual([null, "secret"]);
});
