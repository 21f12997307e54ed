/** The page's one connection to the API that serves it. */

import { type Api, connect } from "@picture-tuning/client";

/** Where the API answers: the page's own address less `/studio`, so that a stage's or a domain's prefix stays. */
export function apiAddress(page: string): string {
  const { origin, pathname } = new URL(page);
  return origin + pathname.replace(/\/studio\/?$/, "").replace(/\/$/, "");
}

const KEY = "studio.key";

/** The key where the browser keeps nothing: it lasts as long as the page. */
let unkept: string | null = null;

/** The API key, which a tab keeps until it is closed and which no other tab sees. */
export const key = {
  get(): string | null {
    const value = unkept ?? storedKey();
    return value !== null && isSendable(value) ? value : null;
  },
  set(value: string): void {
    try {
      sessionStorage.setItem(KEY, value);
      unkept = null;
    } catch {
      unkept = value;
    }
  },
};

/** Whether a key can stand in a header. One that cannot, such as a text with a line break, is nobody's. */
export function isSendable(value: string): boolean {
  return /^[\x20-\x7e\xa0-\xff]+$/.test(value);
}

function storedKey(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const api: Api = connect({ baseUrl: apiAddress(location.href), key: key.get });
