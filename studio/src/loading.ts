/** Reading from the API in a view: what there is, what went wrong, and reading anew. */

import { ApiError } from "@picture-tuning/client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { askForKey } from "./key-dialog";

export interface Loaded<T> {
  /** What was read last; kept while it is read anew. Null before the first answer and after other inputs. */
  data: T | null;
  error: unknown;
  busy: boolean;
  reload(): void;
}

/** Reads by `read` now and whenever `inputs` change; an answer that comes too late is dropped. */
export function useLoaded<T>(read: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ of: string; data: T | null; error: unknown; busy: boolean }>({
    of: "",
    data: null,
    error: null,
    busy: true,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(read);
  latest.current = read;
  const of = JSON.stringify(inputs);

  // A new round reads the same inputs anew.
  useEffect(() => {
    const aborting = new AbortController();
    setState((before) => ({ of, data: before.of === of ? before.data : null, error: null, busy: true }));
    latest.current(aborting.signal).then(
      (data) => aborting.signal.aborted || setState({ of, data, error: null, busy: false }),
      (error: unknown) => {
        if (aborting.signal.aborted) return;
        setState((before) => ({ ...before, error, busy: false }));
        if (isAboutKey(error)) void askForKey(error).then((given) => given && setRound((one) => one + 1));
      },
    );
    return () => aborting.abort();
  }, [of, round]);

  const reload = useCallback(() => setRound((one) => one + 1), []);
  // Between other inputs and their effect the state is still that of the former ones.
  return state.of === of ? { ...state, reload } : { data: null, error: null, busy: true, reload };
}

/** Sends by `send`; where the stack asks for a key, asks the person for it and sends once more. */
export async function withKey<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (isAboutKey(error) && (await askForKey(error))) return withKey(send);
    throw error;
  }
}

export function isAboutKey(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}
