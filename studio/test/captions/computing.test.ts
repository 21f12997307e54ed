import { ApiError, ConnectionError, PendingError, UploadError } from "@picture-tuning/client";
import { describe, expect, test } from "vitest";
import { altAttribute } from "../../src/captions/alt-attribute";
import { nameInKey } from "../../src/captions/captioning";
import { certaintyOf } from "../../src/captions/certainty";
import { failureOf, TooLargeError, UnreadableError } from "../../src/captions/failures";
import { WORDS } from "../../src/words";

describe("certainty", () => {
  test.each([
    [1, "sure"],
    [0.8, "sure"],
    [0.7999, "fairly"],
    [0.5, "fairly"],
    [0.4999, "unsure"],
    [0, "unsure"],
  ])("a confidence of %d is called %s where the bundle says nothing", (confidence, word) => {
    expect(certaintyOf(confidence)).toBe(word);
    expect(certaintyOf(confidence, null)).toBe(word);
  });

  test("what the bundle says of a caption counts", () => {
    expect(certaintyOf(0.99, false)).toBe("unsure");
    expect(certaintyOf(0.3, true)).toBe("fairly");
    expect(certaintyOf(0.4999, true)).toBe("fairly");
    expect(certaintyOf(0.5, true)).toBe("sure");
  });
});

test("a caption becomes an alt attribute that a browser reads back", () => {
  for (const caption of ['two dogs & a "ball" <b>', "a dog's\n  ball", "&amp; says the sign", "ñandú 🐶", ""]) {
    const made = altAttribute(caption);
    expect(made).toMatch(/^alt="[^"<>\n]*"$/);
    const place = document.createElement("div");
    place.innerHTML = `<img ${made}>`;
    expect(place.querySelector("img")?.getAttribute("alt")).toBe(caption.replace(/\s+/g, " ").trim());
  }
  expect(altAttribute('a "b" & <c>')).toBe('alt="a &quot;b&quot; &amp; &lt;c&gt;"');
});

test("a name that a key cannot end in is left out of it", () => {
  expect(nameInKey("two dogs + été 🐶.jpg")).toBe("two dogs + été 🐶.jpg");
  for (const name of [".hidden", "a/b", "a\\b", "a\nb", `a${"$"}{filename}`, "é".repeat(101), ""])
    expect(nameInKey(name)).toBe(name === ".hidden" ? "picture.hidden" : "picture");
  expect(nameInKey(`${"é".repeat(101)}.JPG`)).toBe("picture.jpg");
});

test("each failure says what to do in the page's language, and beside it what the API found", () => {
  const problem = (status: number) =>
    new ApiError(status, { type: "about:blank", title: "", status, detail: "what; was found; what to do" }, null);
  for (const words of [WORDS.en, WORDS.es]) {
    const said = words.captions.failures;
    expect(failureOf(problem(415), words)).toEqual({ advice: said.noPicture, reason: "what; was found" });
    expect(failureOf(problem(422), words)).toEqual({ advice: said.damaged, reason: "what; was found" });
    expect(failureOf(problem(413), words).advice).toBe(said.tooMuch);
    expect(failureOf(problem(503), words)).toEqual({ advice: words.problem.unavailable, reason: null });
    expect(failureOf(new ConnectionError(""), words).advice).toBe(said.offline);
    expect(failureOf(new UnreadableError(), words).advice).toBe(said.unreadable);
    expect(failureOf(new TooLargeError(10 * 2 ** 20), words).advice).toBe(said.tooLarge(10));
    expect(failureOf(new PendingError("uploads/a"), words).advice).toBe(said.stillPending);
    const expired = "<Error><Code>AccessDenied</Code><Message>Policy expired</Message></Error>";
    expect(failureOf(new UploadError(403, expired), words)).toEqual({
      advice: said.expired,
      reason: "AccessDenied: Policy expired",
    });
    expect(failureOf(new UploadError(502, "bad gateway"), words)).toEqual({
      advice: said.bucket,
      reason: "status 502",
    });
  }
});
