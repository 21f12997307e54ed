/** A typed client of the API: `connect({ baseUrl, key })`, and types made from its OpenAPI document. */

import createClient, { type Client } from "openapi-fetch";
import { ApiError, ConnectionError, type Problem } from "./errors";
import { type Patience, patient, retryAfter } from "./retrying";
import type { components, paths } from "./schema";

export type { Patience } from "./retrying";
export type { components, operations, paths } from "./schema";
export { ApiError, ConnectionError, type Problem };

export type Schemas = components["schemas"];

export interface Connection {
  /** Where the API answers, the stage or the base path included: `https://api.example.org/v1`. */
  baseUrl: string;
  /** The API key, or what returns it when a request is sent; none where the stack has no keys. */
  key?: string | (() => string | null | undefined);
  patience?: Patience;
  fetch?: (request: Request) => Promise<Response>;
}

export type Api = Client<paths>;

/** Updates and corrections: what an idempotency key makes harmless to send again. */
const KEYED: readonly (readonly [method: string, path: RegExp])[] = [
  ["POST", /\/ml\/update_model\/?$/],
  ["PATCH", /\/ml\/history\/[^/]+\/?$/],
  ["DELETE", /\/ml\/history\/[^/]+\/?$/],
];

/** Connects to the API. Nothing is sent yet. */
export function connect({ baseUrl, key, patience, fetch = (request) => globalThis.fetch(request) }: Connection): Api {
  const api = createClient<paths>({ baseUrl: baseUrl.replace(/\/+$/, ""), fetch: patient(fetch, patience) });
  api.use({
    onRequest({ request }) {
      const given = typeof key === "function" ? key() : key;
      if (given) request.headers.set("x-api-key", given);
      const path = new URL(request.url).pathname;
      const keyed = KEYED.some(([method, pattern]) => method === request.method && pattern.test(path));
      if (keyed && !request.headers.has("Idempotency-Key")) {
        request.headers.set("Idempotency-Key", crypto.randomUUID());
      }
      return request;
    },
  });
  return api;
}

/**
 * The body of a successful answer.
 *
 * @throws ApiError where the API answered with an error.
 * @throws ConnectionError where no answer arrived.
 */
export async function answered<T>(
  sent: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await sent;
  if (response.ok && data !== undefined && data !== null) return data as NonNullable<T>;
  throw refusal(error, response);
}

/** The error that an answer without success stands for. */
export function refusal(error: unknown, response: Response): ApiError {
  return new ApiError(response.status, asProblem(error, response), retryAfter(response.headers));
}

function asProblem(error: unknown, response: Response): Problem {
  if (typeof error === "object" && error !== null && "detail" in error) return error as Problem;
  const title = response.statusText || `status ${response.status}`;
  return { type: "about:blank", title, status: response.status, detail: title };
}
