import { vi } from "vitest";

interface Asked {
  method: string;
  path: string;
  body: unknown;
  headers: Headers;
}

/** The API as the view sees it: suggestions without end, and ratings by their key. Tests say what goes wrong. */
export class FakeApi {
  readonly asked: Asked[] = [];
  readonly pending = new Map<string, object>();
  readonly recorded: { key: string; body: { results: object[] } & Record<string, unknown> }[] = [];
  /** What a path answers in place of the usual, by "METHOD /path". */
  readonly instead = new Map<string, () => Response>();
  isDown = false;
  archived = false;
  private suggested = 0;

  constructor() {
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      const request = input as Request;
      if (this.isDown) throw new TypeError("connection refused");
      const path = new URL(request.url).pathname;
      const text = await request.text();
      const body = text === "" ? null : JSON.parse(text);
      this.asked.push({ method: request.method, path, body, headers: request.headers });
      const instead = [...this.instead].find(([which]) => `${request.method} ${path}`.startsWith(which));
      return instead === undefined ? this.answer(request.method, path, body, request.headers) : instead[1]();
    });
  }

  calls(which: string): Asked[] {
    return this.asked.filter((one) => `${one.method} ${one.path}`.startsWith(which));
  }

  // biome-ignore lint/suspicious/noExplicitAny: a body is whatever the view sends
  private answer(method: string, path: string, body: any, headers: Headers): Response {
    if (path === "/ml/suggest_parameters") {
      const given = Array.from({ length: body.num_suggestions }, () => {
        const number = ++this.suggested;
        const parameters = {
          api: number % 2 ? "leonardo" : "stablediffusion",
          guidance_scale: 5 + number / 10,
          ...body.fixed,
        };
        this.pending.set(`s${number}`, parameters);
        return [`s${number}`, parameters] as const;
      });
      return json({ suggestions: given.map((one) => one[1]), suggestion_ids: given.map((one) => one[0]), ignored: [] });
    }
    if (path === "/ml/update_model") {
      const key = headers.get("Idempotency-Key") ?? "";
      if (!this.recorded.some((one) => one.key === key)) this.recorded.push({ key, body });
      const ids = body.results.map((_: object, index: number) => `default-${this.recorded.length}${index}`);
      return json({ updated: true, samples_seen: 1, observation_ids: ids, replaced: [], ignored: [] });
    }
    if (path === "/ml/suggestions") {
      const suggestions = [...this.pending].map(([id, parameters]) => ({ suggestion_id: id, parameters }));
      return json({ suggestions });
    }
    if (path.startsWith("/ml/studies/")) {
      return json({ counts: { structure: this.recorded.length }, archived_at: this.archived ? "2026-11-26" : null });
    }
    if (method === "DELETE" && path.startsWith("/ml/suggestions/")) {
      return json({ freed: this.pending.delete(path.split("/").at(-1) ?? "") });
    }
    if (method === "DELETE" && path.startsWith("/ml/history/")) return json({ observation: {} });
    return problem(404, `nothing at ${path}`);
  }
}

export const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

export const problem = (status: number, detail: string) =>
  json({ type: "about:blank", title: "", status, detail }, status);
