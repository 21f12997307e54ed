/** The page's one connection to the API that serves it. */

import { type Api, connect } from "@picture-tuning/client";

/** Where the API answers: the page's own address less `/studio`, so that a stage's or a domain's prefix stays. */
export function apiAddress(page: string): string {
  const { origin, pathname } = new URL(page);
  return origin + pathname.replace(/\/studio\/?$/, "").replace(/\/$/, "");
}

const KEY = "studio.key";

/** The API key, which a tab keeps until it is closed and which no other tab sees. */
export const key = {
  get: (): string | null => sessionStorage.getItem(KEY),
  set: (value: string): void => sessionStorage.setItem(KEY, value),
  forget: (): void => sessionStorage.removeItem(KEY),
};

export const api: Api = connect({ baseUrl: apiAddress(location.href), key: key.get });
