import { afterEach, expect, test, vi } from "vitest";
import type { Captioning, Found } from "../../src/captions/captioning";
import { AT_ONCE, Work } from "../../src/captions/work";

const OPTIONS = { beamWidth: null };
const FOUND: Found = {
  caption: "a dog",
  confidence: 0.9,
  sure: null,
  modelVersion: "v1",
  others: [],
  beamWidth: null,
  uploaded: false,
};

const files = (...names: string[]) => names.map((name) => new File(["a"], name));
const settle = () => new Promise((done) => setTimeout(done));

/** Captions that end when the test says so. */
function held() {
  const open = new Map<string, { done(): void; fail(error: unknown): void; signal: AbortSignal }>();
  const begun: string[] = [];
  const caption: Captioning = (file, _options, tell, signal) => {
    begun.push(file.name);
    tell({ at: "captioning" });
    return new Promise((done, fail) => {
      open.set(file.name, { done: () => done(FOUND), fail, signal });
      signal.addEventListener("abort", () => fail(signal.reason));
    });
  };
  return { caption, open, begun };
}

afterEach(() => vi.restoreAllMocks());

test("few are captioned at a time, in the order in which they came, and a failure holds up none", async () => {
  const { caption, open, begun } = held();
  const work = new Work(caption);
  work.add(files("1", "2", "3"), OPTIONS);
  work.add(files("4"), OPTIONS);
  expect(begun).toEqual(["1", "2"]);
  expect(AT_ONCE).toBe(2);
  open.get("2")?.fail(new Error("no"));
  await settle();
  expect(begun).toEqual(["1", "2", "3"]);
  open.get("1")?.done();
  open.get("3")?.done();
  await settle();
  open.get("4")?.done();
  await settle();
  expect(work.pictures.map((one) => [one.file.name, one.stage.at])).toEqual([
    ["4", "captioned"],
    ["3", "captioned"],
    ["2", "failed"],
    ["1", "captioned"],
  ]);
});

test("one that failed is captioned again, with the options of now", async () => {
  const { caption, open, begun } = held();
  const work = new Work(caption);
  work.add(files("1"), OPTIONS);
  open.get("1")?.fail(new Error("no"));
  await settle();
  const id = work.pictures[0]?.id ?? 0;
  work.again(id, { beamWidth: 5 });
  // While it is under way, it is not begun twice.
  work.again(id, { beamWidth: 6 });
  open.get("1")?.done();
  await settle();
  expect(begun).toEqual(["1", "1"]);
  expect(work.pictures[0]).toMatchObject({ options: { beamWidth: 5 }, stage: { at: "captioned" } });
});

test("one that is removed is stopped, its place is free, and its address is given back", async () => {
  const revoked = vi.spyOn(URL, "revokeObjectURL");
  const { caption, open, begun } = held();
  const work = new Work(caption, 1);
  work.add(files("1", "2"), OPTIONS);
  const first = work.pictures.find((one) => one.file.name === "1");
  work.remove(first?.id ?? 0);
  await settle();
  expect(open.get("1")?.signal.aborted).toBe(true);
  expect(begun).toEqual(["1", "2"]);
  expect(work.pictures.map((one) => one.file.name)).toEqual(["2"]);
  expect(revoked).toHaveBeenCalledExactlyOnceWith(first?.address);
  work.clear();
  await settle();
  expect(work.pictures).toEqual([]);
});
