import { expect, test } from "vitest";
import { answered, connect } from "../src/index";
import { patient, retryAfter } from "../src/retrying";

const URL_ = "http://api.example/v1";

function answers(...given: (Response | Error)[]) {
  const sent: Request[] = [];
  const waits: number[] = [];
  const fetch = async (request: Request) => {
    sent.push(request);
    const next = given[Math.min(sent.length, given.length) - 1];
    if (next === undefined || next instanceof Error) throw next;
    return next.clone();
  };
  const patience = { wait: async (ms: number) => void waits.push(ms), chance: () => 1 };
  return { fetch, sent, waits, patience };
}

test("waits as long as Retry-After asks, and then returns the answer", async () => {
  const { fetch, sent, waits, patience } = answers(
    new Response(null, { status: 503, headers: { "Retry-After": "2" } }),
    new Response("{}"),
  );
  const answer = await patient(fetch, patience)(new Request(URL_));
  expect(answer.status).toBe(200);
  expect(waits).toEqual([2000]);
  expect(sent).toHaveLength(2);
});

test("an update is sent again with the same key", async () => {
  const { fetch, sent, patience } = answers(
    new TypeError("connection lost"),
    new Response(JSON.stringify({ updated: true }), { headers: { "Content-Type": "application/json" } }),
  );
  const api = connect({ baseUrl: URL_, key: "secret", patience, fetch });
  await answered(api.POST("/ml/update_model", { body: { results: [] } as never }));
  const keys = sent.map((request) => request.headers.get("Idempotency-Key"));
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
  expect(sent[0]?.headers.get("x-api-key")).toBe("secret");
});

test("what has no key is sent once", async () => {
  const { fetch, sent, patience } = answers(new TypeError("connection lost"));
  const api = connect({ baseUrl: URL_, patience, fetch });
  await expect(api.POST("/ml/studies", { body: { name: "a" } as never })).rejects.toThrow("no answer");
  expect(sent).toHaveLength(1);
});

test("Retry-After may be a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfter(new Headers({ "Retry-After": "Thu, 01 Jan 2026 00:00:05 GMT" }), now)).toBe(5);
  expect(retryAfter(new Headers({ "Retry-After": "soon" }), now)).toBeNull();
});
