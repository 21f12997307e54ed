import { ApiError, ConnectionError } from "@picture-tuning/client";
import { describe, expect, test } from "vitest";
import { altAttribute } from "../../src/captions/alt-attribute";
import { mediaTypeOf, nameInKey } from "../../src/captions/captioning";
import { certaintyOf } from "../../src/captions/certainty";
import { BucketError, failureOf, TooLargeError, UnreadableError } from "../../src/captions/failures";
import { refusal } from "../../src/captions/upload-form";
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
    expect(certaintyOf(0.9, true)).toBe("sure");
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

test("an upload's media type is the browser's, or that of the name's ending", () => {
  expect(mediaTypeOf({ name: "a", type: "image/png" })).toBe("image/png");
  expect(mediaTypeOf({ name: "a.b.TIF", type: "" })).toBe("image/tiff");
  expect(mediaTypeOf({ name: "a.avif", type: "application/octet-stream" })).toBe("image/avif");
  expect(mediaTypeOf({ name: "a.heic", type: "image/heic" })).toBeNull();
  expect(mediaTypeOf({ name: "toString", type: "" })).toBeNull();
});

test("a name that a key cannot end in is left out of it", () => {
  expect(nameInKey("two dogs + été 🐶.jpg")).toBe("two dogs + été 🐶.jpg");
  for (const name of ["", ".hidden", "a/b", "a\\b", "a\nb", `a${"$"}{filename}`, "é".repeat(101)])
    expect(nameInKey(name)).toBeNull();
});

test("what S3 says of a form is read from its XML", () => {
  const answer = "<Error><Code>AccessDenied</Code><Message>Invalid according to Policy</Message></Error>";
  expect(refusal(403, answer)).toMatchObject({ code: "AccessDenied", message: "Invalid according to Policy" });
  expect(refusal(502, "bad gateway")).toMatchObject({ code: "status 502", message: "" });
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
    expect(failureOf(new BucketError(403, "AccessDenied", "expired"), words)).toEqual({
      advice: said.expired,
      reason: "AccessDenied: expired",
    });
  }
});
