import { ApiError, ConnectionError } from "@picture-tuning/client";
import { cleanup, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { ChoiceOf } from "../src/choice";
import { NotFetchedError } from "../src/parts";
import { failureOf, ProblemNote } from "../src/problem";
import { WORDS } from "../src/words";

afterEach(() => {
  cleanup();
  sessionStorage.clear();
});

const problem = (status: number, detail = "study x is archived and takes nothing") =>
  new ApiError(status, { type: "about:blank", title: "", status, detail, instance: "r-1" }, status === 429 ? 7 : null);

test("what the API refuses is said as what to do, in the reader's language, before its own English reason", () => {
  const { container } = render(
    <ChoiceOf initial={{ language: "es" }}>
      <ProblemNote error={problem(409)} />
    </ChoiceOf>,
  );
  const [advice, reason] = [...container.querySelectorAll("p")];
  expect(advice?.textContent).toMatch(/^Tal como están las cosas, no se puede hacer\./);
  expect(advice?.lang).toBe("");
  expect(reason?.textContent).toBe("study x is archived and takes nothing");
  expect(reason?.lang).toBe("en");
  expect(screen.getByRole("alert").contains(reason ?? null)).toBe(true);
});

test.each([400, 404, 405, 409, 412, 413, 415, 422])(
  "%d has an advice and the API's reason, in both languages",
  (status) => {
    const [en, es] = [failureOf(problem(status), WORDS.en), failureOf(problem(status), WORDS.es)];
    expect(en.reason).toBe("study x is archived and takes nothing");
    expect(es.reason).toBe(en.reason);
    expect(es.advice).not.toBe(en.advice);
    expect([en.advice, es.advice]).not.toContain(en.reason);
    // Only what has no advice of its own has the general one.
    expect(en.advice === WORDS.en.problem.refused).toBe(status === 405);
  },
);

test("where the advice says all, there is no reason beneath it", () => {
  const { problem: said, key } = WORDS.es;
  const advice = (error: unknown) => {
    const found = failureOf(error, WORDS.es);
    expect(found.reason).toBeNull();
    return found.advice;
  };
  expect(advice(problem(429))).toBe(said.throttled(7));
  expect(advice(problem(502))).toBe(said.offline);
  expect(advice(problem(503))).toBe(said.unavailable);
  expect(advice(problem(500))).toBe(`${said.failed} r-1`);
  expect(advice(problem(403))).toBe(key.title);
  expect(advice(new ConnectionError("no answer"))).toBe(said.offline);
  expect(advice(new NotFetchedError("gone"))).toBe(said.notFetched);
  expect(advice(new DOMException("", "NotReadableError"))).toBe(said.unreadable);
});

test("an error that nobody expected is the reason, and no advice", () => {
  expect(failureOf(new Error("x is undefined"), WORDS.es)).toEqual({
    advice: WORDS.es.problem.unexpected,
    reason: "x is undefined",
  });
});
