/** The entries of a history: read page by page, shown from the first page on. */

import { answered, type Schemas } from "@picture-tuning/client";
import { useCallback, useEffect, useState } from "preact/hooks";
import { api } from "../api";
import type { Mode } from "../choice";
import { withKey } from "../loading";

export type Entry = Schemas["Rated"];

const PAGE = 200;

export interface Entries {
  entries: readonly Entry[];
  /** Whether the last page was read. */
  complete: boolean;
  error: unknown;
  reload(): void;
  /** Puts an entry as it was answered in the place of what was shown of it. */
  replace(entry: Entry): void;
}

/** The pages of a history, newest entries first, with what is withdrawn and with earlier states. */
export async function* pages(study: string, mode: Mode, signal: AbortSignal): AsyncGenerator<Entry[]> {
  let cursor: string | null = null;
  do {
    const query = { study, mode, include: "withdrawn" as const, limit: PAGE, ...(cursor === null ? {} : { cursor }) };
    const answer = await withKey(() => answered(api.GET("/ml/history", { params: { query }, signal })));
    // The document says JSON or CSV; CSV was not asked for.
    const page = answer as Schemas["History"];
    yield page.observations;
    cursor = page.next_cursor ?? null;
  } while (cursor !== null);
}

/** What an entry's corrections made of it, kept as the API would give it when asked again. */
export function corrected(before: Entry, after: Entry): Entry {
  if (after.revision === before.revision) return before;
  const { revision, rating, comment, withdrawn, reviser } = before;
  const made_at = before.revised_at ?? before.recorded_at;
  return { ...after, earlier: [...(before.earlier ?? []), { revision, rating, comment, withdrawn, made_at, reviser }] };
}

export function useEntries(study: string, mode: Mode): Entries {
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ of: string; entries: readonly Entry[]; complete: boolean; error: unknown }>({
    of: "",
    entries: [],
    complete: false,
    error: null,
  });

  // A new round reads the same history anew.
  useEffect(() => {
    const aborting = new AbortController();
    const of = `${study} ${mode} ${round}`;
    // While it is read anew, what was read stays; another history begins empty.
    const [shownStudy, shownMode] = state.of.split(" ");
    if (shownStudy !== study || shownMode !== mode) setState({ of, entries: [], complete: false, error: null });
    void (async () => {
      const read: Entry[] = [];
      try {
        for await (const page of pages(study, mode, aborting.signal)) {
          read.push(...page);
          const entries = [...read];
          setState((before) =>
            before.of === of || before.entries.length <= entries.length
              ? { of, entries, complete: false, error: null }
              : before,
          );
        }
        setState({ of, entries: read, complete: true, error: null });
      } catch (error) {
        if (!aborting.signal.aborted) setState((before) => ({ ...before, of, error }));
      }
    })();
    return () => aborting.abort();
  }, [study, mode, round]);

  const reload = useCallback(() => setRound((one) => one + 1), []);
  const replace = useCallback((entry: Entry) => {
    setState((before) => ({
      ...before,
      entries: before.entries.map((one) => (one.id === entry.id ? corrected(one, entry) : one)),
    }));
  }, []);
  return { ...state, reload, replace };
}
