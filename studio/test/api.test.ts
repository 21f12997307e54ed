import { afterEach, expect, test, vi } from "vitest";
import { isSendable, key } from "../src/api";

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
});

test("a key is kept for the tab", () => {
  expect(key.get()).toBeNull();
  key.set("s3cret");
  expect(sessionStorage.getItem("studio.key")).toBe("s3cret");
  expect(key.get()).toBe("s3cret");
});

test.each(["a\nb", "clave\u201d", "\u043a\u043b\u044e\u0447"])("a key that no header can have (%j) is none", (text) => {
  sessionStorage.setItem("studio.key", text);
  expect(isSendable(text)).toBe(false);
  expect(key.get()).toBeNull();
});

test("where the browser keeps nothing, a key lasts as long as the page", () => {
  const refuse = () => {
    throw new DOMException("denied", "SecurityError");
  };
  vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse, clear: () => {} });
  expect(key.get()).toBeNull();
  key.set("s3cret");
  expect(key.get()).toBe("s3cret");
  vi.unstubAllGlobals();
  key.set("other");
  expect(key.get()).toBe("other");
});
