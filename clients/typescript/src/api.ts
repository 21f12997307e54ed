/** The connection: `connect` sends what the document has, and `answered` gives the answer or throws its problem. */

import createClient, {
  type Client,
  type ClientPathsWithMethod,
  type FetchResponse,
  type MaybeOptionalInit,
  type ParseAs,
} from "openapi-fetch";
import { ApiError, ConnectionError, type Problem } from "./errors.js";
import { newKey } from "./keys.js";
import { type Fetch, type Patience, patient, retryAfter } from "./retrying.js";
import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];

export interface Connection {
  /** Where the API answers, the stage or the base path included: `https://api.example.org/v1`. */
  baseUrl: string;
  /** The API key, or what returns it when a request is sent; none where the stack has no keys. */
  key?: string | null | (() => string | null | undefined);
  patience?: Patience;
  fetch?: Fetch;
}

type Spoken = "application/json" | "application/problem+json";
type Method = "get" | "post" | "patch" | "delete";
type PathOf<M extends Method> = ClientPathsWithMethod<Client<paths, Spoken>, M>;
type How<M extends Method, P extends PathOf<M>, As extends ParseAs> = MaybeOptionalInit<paths[P], M> & { parseAs?: As };

/**
 * Sends a request of a method. openapi-fetch infers what is sent, by which any field may be misspelt that may be left
 * out; here what is sent is given by the path, so that a field that the API does not know does not compile.
 */
type Send<M extends Method> = <P extends PathOf<M>, As extends ParseAs = "json">(
  path: P,
  ...how: undefined extends MaybeOptionalInit<paths[P], M> ? [How<M, P, As>?] : [How<M, P, As>]
) => Promise<FetchResponse<paths[P][M] & Record<string | number, unknown>, { parseAs: As }, Spoken>>;

export interface Api {
  GET: Send<"get">;
  POST: Send<"post">;
  PATCH: Send<"patch">;
  DELETE: Send<"delete">;
}

/** Updates and corrections: what an idempotency key makes harmless to send again. */
const KEYED: readonly (readonly [method: string, path: RegExp])[] = [
  ["POST", /\/ml\/update_model\/?$/],
  ["PATCH", /\/ml\/history\/[^/]+\/?$/],
  ["DELETE", /\/ml\/history\/[^/]+\/?$/],
];

/** Connects to the API. Nothing is sent yet. */
export function connect({ baseUrl, key, patience, fetch = (request) => globalThis.fetch(request) }: Connection): Api {
  const api = createClient<paths, Spoken>({
    baseUrl: baseUrl.replace(/\/+$/, ""),
    fetch: patient(fetch, patience),
    pathSerializer: filled,
  });
  api.use({
    onRequest({ request }) {
      const given = typeof key === "function" ? key() : key;
      if (given) request.headers.set("x-api-key", given);
      const path = new URL(request.url).pathname;
      const keyed = KEYED.some(([method, pattern]) => method === request.method && pattern.test(path));
      if (keyed && !request.headers.has("Idempotency-Key")) {
        request.headers.set("Idempotency-Key", newKey());
      }
      return request;
    },
  });
  // The same functions: that the narrower type fits them the compiler cannot see while the path is open.
  return api as unknown as Api;
}

/**
 * The body of a successful answer.
 *
 * @throws ApiError where the API answered with an error.
 * @throws ConnectionError where no answer arrived, or one that is no JSON, as of a network that wants a login first.
 */
export async function answered<T>(
  sent: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await sent.catch((reason: unknown) => {
    if (!(reason instanceof SyntaxError)) throw reason;
    throw new ConnectionError("an answer that is not the API's", { cause: reason });
  });
  if (response.ok && data !== undefined && data !== null) return data as NonNullable<T>;
  throw refusal(error, response);
}

/** The error that an answer without success stands for. */
export function refusal(error: unknown, response: Response): ApiError {
  return new ApiError(response.status, asProblem(error, response), retryAfter(response.headers));
}

/**
 * The path with what stands in its braces, encoded.
 *
 * @throws RangeError for what no address can have: the request would reach another path, and its answer be another's.
 */
function filled(path: string, given: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(given[name] ?? "");
    // An upload's key has slashes, which are the path's.
    const segments = name === "key" ? value.split("/") : [value];
    const wrong = value === "" ? "it is empty" : segments.map(unfit).find((one) => one !== null);
    if (wrong) throw new RangeError(`${name} ${JSON.stringify(value)} fits into no address: ${wrong}`);
    return segments.map(encodeURIComponent).join("/");
  });
}

function unfit(segment: string): string | null {
  // Encoded or not, the address would be one without them.
  if (segment === "." || segment === "..") return `a part of it is ${JSON.stringify(segment)}`;
  return /\p{Surrogate}/u.test(segment) ? "it has half of a character" : null;
}

function asProblem(error: unknown, response: Response): Problem {
  if (typeof error === "object" && error !== null && "detail" in error) return error as Problem;
  const title = response.statusText || `status ${response.status}`;
  return { type: "about:blank", title, status: response.status, detail: title };
}
