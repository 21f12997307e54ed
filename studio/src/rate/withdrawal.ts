/** Withdrawing what was just recorded, as it was recorded. */

import { ApiError, answered } from "@picture-tuning/client";
import { api } from "../api";
import { withKey } from "../loading";
import type { Sent } from "./outbox";

/**
 * Withdraws the entries of a set; returns the ids of those that stay, because somebody has corrected them since or
 * because they were corrections of earlier ratings themselves. Once more after a lost answer is the same withdrawal.
 */
export async function withdraw({ key, ids, replaced }: Sent, rater: string): Promise<string[]> {
  const stayed: string[] = [];
  for (const [index, id] of ids.entries()) {
    if (replaced.includes(id)) {
      stayed.push(id);
      continue;
    }
    const headers = { "If-Match": "1", "Idempotency-Key": `${key}-undo-${index}` };
    const params = { path: { id }, query: rater === "" ? {} : { reviser: rater } };
    try {
      await withKey(() => answered(api.DELETE("/ml/history/{id}", { params, headers })));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 412) throw error;
      stayed.push(id);
    }
  }
  return stayed;
}
