import { ApiError, ConnectionError, PendingError, UploadError } from "@picture-tuning/client";
import { describe, expect, test } from "vitest";
import { altAttribute } from "../../src/captions/alt-attribute";
import { nameInKey } from "../../src/captions/captioning";
import { certaintyOf } from "../../src/captions/certainty";
import { pictureFailureOf, TooLargeError, UnreadableError } from "../../src/captions/failures";
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

test("each failure says what to do in the page's language, what was found, and whether to try again may help", () => {
  const problem = (status: number) =>
    new ApiError(status, { type: "about:blank", title: "", status, detail: "what; was found; what to do" }, null);
  const refusal = (code: string) => `<Error><Code>${code}</Code><Message>Said so</Message></Error>`;
  for (const words of [WORDS.en, WORDS.es]) {
    const said = words.captions.failures;
    const [lasting, passing] = [{ mayPass: false }, { mayPass: true }];
    for (const [error, failure] of [
      [problem(413), { advice: said.tooMuch, reason: "what; was found", ...lasting }],
      [problem(415), { advice: said.noPicture, reason: "what; was found", ...lasting }],
      [problem(422), { advice: said.damaged, reason: "what; was found", ...lasting }],
      [problem(400), { advice: words.problem.refusals[400], reason: "what; was found; what to do", ...lasting }],
      [problem(404), { advice: said.gone, reason: "what; was found", ...passing }],
      [problem(503), { advice: words.problem.unavailable, reason: null, ...passing }],
      [new ConnectionError(""), { advice: said.offline, reason: null, ...passing }],
      [new PendingError("uploads/a"), { advice: said.stillPending, reason: null, ...passing }],
      [new UnreadableError(), { advice: words.problem.unreadable, reason: null, ...lasting }],
      [new TooLargeError(10 * 2 ** 20), { advice: said.tooLarge(10), reason: null, ...lasting }],
      [
        new UploadError(403, refusal("AccessDenied")),
        { advice: said.expired, reason: "AccessDenied: Said so", ...passing },
      ],
      [
        new UploadError(400, refusal("EntityTooLarge")),
        { advice: said.tooMuch, reason: "EntityTooLarge: Said so", ...lasting },
      ],
      [new UploadError(502, "bad gateway"), { advice: said.bucket, reason: "status 502", ...passing }],
    ] as const) {
      expect(pictureFailureOf(error, words)).toEqual(failure);
    }
  }
});
