import { answered, connect } from "@picture-tuning/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type RatingSet, setOf } from "../../src/rate/desk";
import { isRefusedByApi, Outbox, type Sent } from "../../src/rate/outbox";
import { fillStorage } from "./full-storage";

let page: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  page = new AbortController();
});
afterEach(() => {
  page.abort();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  localStorage.clear();
});

/** An API that records by key, and whose answers may get lost, be refusals, or not come at all. */
class Server {
  readonly recorded = new Map<string, string>();
  readonly asked: string[] = [];
  readonly withdrawn: Sent[] = [];
  /** What becomes of the next requests; when none is left, they are answered. */
  fates: ("unreachable" | "answer lost" | Response)[] = [];

  readonly fetch = async (request: Request): Promise<Response> => {
    const key = request.headers.get("Idempotency-Key") ?? "";
    this.asked.push(key);
    const fate = this.fates.shift();
    if (fate === "unreachable") throw new TypeError("connection refused");
    if (fate instanceof Response) return fate;
    const body = await request.text();
    if (this.recorded.has(key) && this.recorded.get(key) !== body) return problem(422, "the key was used before");
    this.recorded.set(key, body);
    if (fate === "answer lost") throw new TypeError("connection reset");
    const ids = [...this.recorded.keys()].indexOf(key);
    return json({ updated: true, samples_seen: 1, observation_ids: [`default-${ids + 1}`], replaced: [], ignored: [] });
  };

  /** A page that is opened anew, with what the browser has kept. */
  openOutbox(): Outbox {
    const api = connect({ baseUrl: "http://api.example", fetch: this.fetch, patience: { attempts: 1 } });
    return new Outbox(
      ({ set, body }) => answered(api.POST("/ml/update_model", { body, headers: { "Idempotency-Key": set.key } })),
      async (sent) => void this.withdrawn.push(sent),
    );
  }
}

const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const problem = (status: number, detail: string, headers = {}) =>
  json({ type: "about:blank", title: "", status, detail }, status, headers);

const SETTING = { api: "leonardo", init_strength: 0.3, guidance_scale: 7, controlnet_weight: 0.9 } as const;

function ratedSet(rating: number): RatingSet {
  const set = setOf({ study: "default", mode: "structure" }, [{ id: `s${rating}`, parameters: SETTING }], null);
  return { ...set, cards: set.cards.map((card) => ({ ...card, rating })) };
}

const recordedRatings = (server: Server) =>
  [...server.recorded.values()].map((body) => JSON.parse(body).results[0].rating);

test("what was saved is sent, and what was recorded can be looked up by its key", async () => {
  const server = new Server();
  const outbox = server.openOutbox();
  const set = ratedSet(4.5);
  outbox.add(set, "ana");
  await outbox.flush();
  expect(outbox.entries()).toEqual([]);
  expect(outbox.sent(set.key)?.ids).toEqual(["default-1"]);
  expect(JSON.parse(server.recorded.get(set.key) ?? "")).toMatchObject({
    study: "default",
    mode: "structure",
    rater: "ana",
    results: [{ suggestion_id: "s4.5", rating: 4.5 }],
  });
});

test("a lost connection keeps what was rated and sends it later, in the order in which it was saved", async () => {
  const server = new Server();
  const outbox = server.openOutbox();
  server.fates = ["unreachable", "unreachable"];
  outbox.add(ratedSet(1), "");
  await outbox.flush();
  outbox.add(ratedSet(2), "");
  await outbox.flush();
  expect(outbox.entries()).toHaveLength(2);
  expect(outbox.trouble).not.toBeNull();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(recordedRatings(server)).toEqual([1, 2]);
  expect(outbox.entries()).toEqual([]);
  expect(outbox.trouble).toBeNull();
});

test("an answer that is lost does not record twice: the same key goes with the same ratings", async () => {
  const server = new Server();
  server.fates = ["answer lost"];
  const outbox = server.openOutbox();
  outbox.add(ratedSet(3), "ana");
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(new Set(server.asked).size).toBe(1);
  expect(server.asked).toHaveLength(2);
  expect(recordedRatings(server)).toEqual([3]);
});

test("a page that ends between sending and the answer sends again under the same key when it is opened", async () => {
  const server = new Server();
  const ended = server.openOutbox();
  server.fates = ["answer lost"];
  ended.add(ratedSet(2), "");
  ended.add(ratedSet(5), "");
  await ended.flush();
  vi.clearAllTimers();

  const opened = server.openOutbox();
  opened.start(page.signal);
  await vi.advanceTimersByTimeAsync(1);
  expect(recordedRatings(server)).toEqual([2, 5]);
  expect(opened.entries()).toEqual([]);
});

test("waits as long as the API asks", async () => {
  const server = new Server();
  server.fates = [problem(503, "later", { "Retry-After": "45" })];
  const outbox = server.openOutbox();
  outbox.add(ratedSet(4), "");
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(44_000);
  expect(server.asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(recordedRatings(server)).toEqual([4]);
});

test("goes at once when the network is back", async () => {
  const server = new Server();
  server.fates = ["unreachable"];
  const outbox = server.openOutbox();
  outbox.add(ratedSet(4), "");
  outbox.start(page.signal);
  await vi.advanceTimersByTimeAsync(1);
  expect(server.recorded.size).toBe(0);
  dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(1);
  expect(recordedRatings(server)).toEqual([4]);
});

test("what the API refuses stays with its reason, and those behind it are sent", async () => {
  const server = new Server();
  server.fates = [problem(409, "study default is archived")];
  const outbox = server.openOutbox();
  const refused = ratedSet(1);
  outbox.add(refused, "");
  outbox.add(ratedSet(2), "");
  await outbox.flush();
  expect(recordedRatings(server)).toEqual([2]);
  expect(outbox.entries().map((entry) => entry.refused)).toEqual([
    { status: 409, reasons: ["study default is archived"] },
  ]);

  // It survives the page, and can be sent again, corrected or discarded.
  const opened = server.openOutbox();
  await opened.flush();
  expect(opened.entries()).toHaveLength(1);
  await opened.retry(refused.key);
  expect(recordedRatings(server)).toEqual([2, 1]);
});

test("a refused set is discarded when it is told to, and one that waits is not", async () => {
  const server = new Server();
  server.fates = [problem(422, "results.0.rating: must be 1 to 5"), "unreachable"];
  const outbox = server.openOutbox();
  const refused = ratedSet(1);
  const waiting = ratedSet(2);
  outbox.add(refused, "");
  outbox.add(waiting, "");
  await outbox.flush();
  outbox.discard(waiting.key);
  outbox.discard(refused.key);
  expect(outbox.entries().map((entry) => entry.set.key)).toEqual([waiting.key]);
});

test("a server that fails again and again at one set does not hold up the others for ever", async () => {
  const server = new Server();
  server.fates = [1, 2, 3].map(() => problem(500, "a defect"));
  const outbox = server.openOutbox();
  outbox.add(ratedSet(1), "");
  outbox.add(ratedSet(2), "");
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(recordedRatings(server)).toEqual([2]);
  expect(outbox.entries()[0]?.refused?.status).toBe(500);
});

test("what was never sent is taken back without a trace", async () => {
  const server = new Server();
  const outbox = server.openOutbox();
  const set = ratedSet(3);
  outbox.add(set, "");
  expect(await outbox.take(set.key, "")).toBe(true);
  await outbox.flush();
  expect(server.asked).toEqual([]);
  expect(await outbox.take(set.key, "")).toBe(false);
});

test("what may have arrived is withdrawn once it is known", async () => {
  const server = new Server();
  server.fates = ["answer lost"];
  const outbox = server.openOutbox();
  const set = ratedSet(3);
  outbox.add(set, "ana");
  await outbox.flush();
  expect(await outbox.take(set.key, "ana")).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.withdrawn.map((sent) => sent.ids)).toEqual([["default-1"]]);
  expect(outbox.entries()).toEqual([]);
});

test("two pages that send at once record once", async () => {
  const server = new Server();
  const outboxes = [server.openOutbox(), server.openOutbox()];
  outboxes[0]?.add(ratedSet(3), "");
  await Promise.all(outboxes.map((outbox) => outbox.flush()));
  expect(server.asked).toHaveLength(1);
  expect(recordedRatings(server)).toEqual([3]);
});

test("what is saved while the last of the others is being settled is sent too", async () => {
  const server = new Server();
  const outbox = server.openOutbox();
  // It tells twice that it is empty: when the last set has left it, and when it has found no other to send.
  let empty = 0;
  outbox.subscribe(() => {
    if (outbox.entries().length > 0 || ++empty !== 2) return;
    outbox.add(ratedSet(5), "");
    void outbox.flush();
  });
  outbox.add(ratedSet(4), "");
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(1);
  expect(recordedRatings(server)).toEqual([4, 5]);
});

test("ratings whose key the API may have forgotten are not sent before the person has decided", async () => {
  const server = new Server();
  server.fates = ["answer lost"];
  const outbox = server.openOutbox();
  const set = ratedSet(3);
  outbox.add(set, "");
  await outbox.flush();
  vi.clearAllTimers();
  vi.setSystemTime(Date.now() + 30 * 24 * 3600 * 1000);
  await outbox.flush();
  expect(server.asked).toHaveLength(1);
  expect(outbox.entries()[0]?.refused?.status).toBeNull();
});

test("a browser that keeps nothing is said to, and the ratings are sent all the same", async () => {
  const server = new Server();
  fillStorage();
  const outbox = server.openOutbox();
  expect(outbox.add(ratedSet(5), "")).toBe(false);
  expect(outbox.isVolatile).toBe(true);
  await outbox.flush();
  expect(recordedRatings(server)).toEqual([5]);
  expect(outbox.isVolatile).toBe(false);
});

test.each(["99999999999", new Date(Date.now() + 40 * 365 * 86400_000).toUTCString()])(
  "a server that asks to wait for ever (%s) is not asked at once again, and is asked again",
  async (asked) => {
    const server = new Server();
    server.fates = [problem(503, "later", { "Retry-After": asked })];
    const outbox = server.openOutbox();
    outbox.add(ratedSet(4), "");
    await outbox.flush();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3600_000);
    expect(recordedRatings(server)).toEqual([4]);
  },
);

test.each([
  ["an empty answer", () => new Response(null, { status: 200, headers: { "Content-Length": "0" } })],
  ["an error of what stands between", () => new Response("<h1>timeout</h1>", { status: 524 })],
  ["a defect", () => problem(500, "a defect")],
])("%s does not say that nothing was recorded: it is sent again, and corrected under no other key", async (_, made) => {
  const server = new Server();
  server.fates = [1, 2, 3].map(made);
  const outbox = server.openOutbox();
  const set = ratedSet(4);
  outbox.add(set, "");
  await outbox.flush();
  expect(outbox.entries()[0]?.refused).toBeNull();
  await vi.advanceTimersByTimeAsync(60_000);
  const [refused] = outbox.entries();
  expect(refused?.refused).not.toBeNull();
  expect(refused && isRefusedByApi(refused)).toBe(false);

  // Taken back, it is withdrawn if it was recorded: it stays until that is known.
  expect(await outbox.take(set.key, "ana")).toBe(true);
  server.fates = [1, 2, 3].map(made);
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(outbox.entries()).toHaveLength(1);
  await outbox.retry(set.key);
  expect(server.withdrawn.map((sent) => sent.ids)).toEqual([["default-1"]]);
  expect(new Set(server.asked).size).toBe(1);
});

test("a page of a proxy in place of the answer loses nothing and records nothing twice", async () => {
  const server = new Server();
  const page = () => new Response("<h1>Sign in</h1>", { status: 200, headers: { "Content-Type": "text/html" } });
  server.fates = [1, 2, 3, 4].map(page);
  const outbox = server.openOutbox();
  outbox.add(ratedSet(4), "");
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(recordedRatings(server)).toEqual([4]);
  expect(server.asked).toHaveLength(5);
});

test("what something else has left in the storage is passed over, and kept", async () => {
  const rubbish = [5, "x", [], {}, { set: {} }, { set: { cards: [{}] }, body: {}, refused: null }, null];
  for (const [index, value] of rubbish.entries())
    localStorage.setItem(`studio.rate.outbox/00000000000000${index}/k`, JSON.stringify(value));
  localStorage.setItem("studio.rate.sent", JSON.stringify({ key: "x" }));
  const server = new Server();
  const outbox = server.openOutbox();
  const set = ratedSet(5);
  outbox.add(set, "");
  await outbox.flush();
  expect(recordedRatings(server)).toEqual([5]);
  expect(outbox.entries()).toEqual([]);
  expect(outbox.sent(set.key)?.ids).toEqual(["default-1"]);
  expect(localStorage.length).toBe(rubbish.length + 1);
});
