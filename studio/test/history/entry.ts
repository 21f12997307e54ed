/** An entry of a history as the API gives it, but for what a test changes. */

import type { Entry } from "../../src/history/entries";

export function entry(change: Partial<Entry> & { id: string }): Entry {
  return {
    study: "default",
    mode: "structure",
    parameters: { api: "leonardo", init_strength: 0.3, guidance_scale: 7, controlnet_weight: 0.8 },
    rating: 3,
    failed: null,
    recorded_at: "2026-11-26T10:00:00Z",
    suggestion_id: null,
    rater: null,
    picture: null,
    comment: null,
    revision: 1,
    withdrawn: false,
    revised_at: null,
    reviser: null,
    earlier: [],
    ...change,
  } as Entry;
}
