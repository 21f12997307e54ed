/** Reading what lies in uploads, page after page. */

import { answered, type Schemas } from "@picture-tuning/client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { withKey } from "../loading";

export type UploadStatus = Schemas["UploadStatus"];
export type ListedUpload = Schemas["ListedUpload"];

export const STATUSES: readonly UploadStatus[] = ["captioned", "pending", "failed"];

/** Pages that are read at most before a person is asked whether to go on; of a rare status many are empty. */
const PAGES = 5;
const LIMIT = 50;

export interface Uploads {
  rows: readonly ListedUpload[];
  /** Whether there are pages that are not read yet. */
  more: boolean;
  busy: boolean;
  error: unknown;
  reload(): void;
  readMore(): void;
}

interface Reading {
  rows: readonly ListedUpload[];
  cursor: string | null;
  busy: boolean;
  error: unknown;
}

const NOTHING: Reading = { rows: [], cursor: null, busy: true, error: null };

/** Reads the uploads of a status, all if it is null; anew when `round` changes. */
export function useUploads(status: UploadStatus | null, round: number): Uploads {
  const [reading, setReading] = useState<Reading>(NOTHING);
  const [again, setAgain] = useState(0);
  const current = useRef(new AbortController());

  const read = useCallback(
    async (before: readonly ListedUpload[], cursor: string | null) => {
      current.current.abort();
      const aborting = new AbortController();
      current.current = aborting;
      setReading((one) => ({ ...one, busy: true, error: null }));
      try {
        const found = await somePages(status, cursor, aborting.signal);
        if (!aborting.signal.aborted)
          setReading({ rows: [...before, ...found.rows], cursor: found.cursor, busy: false, error: null });
      } catch (error) {
        if (!aborting.signal.aborted) setReading((one) => ({ ...one, busy: false, error }));
      }
    },
    [status],
  );

  // Another round, and a reload, read the same anew.
  useEffect(() => {
    void read([], null);
    return () => current.current.abort();
  }, [read, round, again]);

  return {
    rows: reading.rows,
    more: reading.cursor !== null,
    busy: reading.busy,
    error: reading.error,
    reload: useCallback(() => setAgain((one) => one + 1), []),
    readMore: () => void read(reading.rows, reading.cursor),
  };
}

/** Reads a page, and as long as there is nothing on it, the next. */
async function somePages(
  status: UploadStatus | null,
  from: string | null,
  signal: AbortSignal,
): Promise<{ rows: ListedUpload[]; cursor: string | null }> {
  let cursor = from;
  for (let page = 1; ; page++) {
    const query = {
      limit: LIMIT,
      ...(status === null ? {} : { status }),
      ...(cursor === null ? {} : { cursor }),
    };
    const found = await withKey(() => answered(api.GET("/captions", { params: { query }, signal })));
    cursor = found.next_cursor;
    if (found.uploads.length > 0 || cursor === null || page === PAGES) return { rows: found.uploads, cursor };
  }
}
