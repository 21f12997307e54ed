/**
 * The pictures that a person gives: shown from this browser, sent nowhere. IndexedDB keeps them over a reload, each up
 * to 20 MiB and the latest 24; what is larger, or what the browser does not keep, lasts as long as the page.
 */

import { useEffect, useState } from "preact/hooks";
import { mayBeUnsaved } from "../unsaved";
import { shownPictures } from "./desk";

export const LARGEST_KEPT = 20 * 2 ** 20;
const MOST_KEPT = 24;
const STORE = "pictures";

interface Kept {
  file: Blob;
  at: number;
}

interface Shown {
  url: string;
  isKept: boolean;
}

const shown = new Map<string, Shown>();
mayBeUnsaved(() => [...shown.values()].some((one) => !one.isKept));
const listeners = new Set<() => void>();

/** Shows a picture under an id, and keeps it if the browser does. */
export async function givePicture(id: string, file: Blob): Promise<void> {
  show(id, file, true);
  const isKept = file.size <= LARGEST_KEPT && (await put(id, file));
  const now = shown.get(id);
  if (!isKept && now !== undefined) {
    shown.set(id, { ...now, isKept });
    tell();
  }
}

export async function removePicture(id: string): Promise<void> {
  hide(id);
  await change((store) => store.delete(id));
}

/** Forgets what no desk can show any more, and of the rest what is too much. */
export async function tidyPictures(): Promise<void> {
  const wanted = shownPictures();
  for (const id of [...shown.keys()]) if (!wanted.has(id)) hide(id);
  const ages = await query<[string, number][]>("readonly", (store, answer) => {
    const found: [string, number][] = [];
    const cursor = store.openCursor();
    cursor.onsuccess = () => {
      const at = cursor.result;
      if (at === null) return answer(found);
      found.push([String(at.key), (at.value as Kept).at]);
      at.continue();
    };
  });
  const latest = (ages ?? []).sort((one, other) => other[1] - one[1]).map(([id]) => id);
  const spare = [...latest.filter((id) => !wanted.has(id)), ...latest.filter((id) => wanted.has(id)).slice(MOST_KEPT)];
  if (spare.length > 0) await change((store) => spare.forEach((id) => void store.delete(id)));
}

/** The picture of an id: where it is shown from, and whether a reload keeps it. Null while there is none. */
export function usePicture(id: string): Shown | null {
  const [, redraw] = useState(0);
  useEffect(() => {
    const changed = () => redraw((one) => one + 1);
    listeners.add(changed);
    if (!shown.has(id)) {
      void query<Kept | undefined>("readonly", (store, answer) => {
        const asked = store.get(id);
        asked.onsuccess = () => answer(asked.result as Kept | undefined);
      }).then((found) => found?.file && !shown.has(id) && show(id, found.file, true));
    }
    return () => void listeners.delete(changed);
  }, [id]);
  return shown.get(id) ?? null;
}

/** Where a picture is shown from, if it is there by now. */
export const shownAt = (id: string): string | null => shown.get(id)?.url ?? null;

function show(id: string, file: Blob, isKept: boolean): void {
  hide(id);
  shown.set(id, { url: URL.createObjectURL(file), isKept });
  tell();
}

function hide(id: string): void {
  const before = shown.get(id);
  if (before === undefined) return;
  URL.revokeObjectURL(before.url);
  shown.delete(id);
  tell();
}

function tell(): void {
  for (const listener of listeners) listener();
}

function put(id: string, file: Blob): Promise<boolean> {
  return change((store) => store.put({ file, at: Date.now() } satisfies Kept, id));
}

/** Carries out `work` in a transaction; false if the browser does not keep the change. */
async function change(work: (store: IDBObjectStore) => void): Promise<boolean> {
  return (
    (await query<boolean>("readwrite", (store, answer) => {
      store.transaction.oncomplete = () => answer(true);
      work(store);
    })) === true
  );
}

let opened: Promise<IDBDatabase | null> | null = null;

/** Asks the database; null where there is none, as in some private windows, or where it fails. */
async function query<T>(
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore, answer: (given: T) => void) => void,
): Promise<T | null> {
  opened ??= open();
  const database = await opened;
  if (database === null) return null;
  return new Promise((answer) => {
    try {
      const transaction = database.transaction(STORE, mode);
      transaction.onabort = () => answer(null);
      transaction.onerror = () => answer(null);
      ask(transaction.objectStore(STORE), answer);
    } catch {
      answer(null);
    }
  });
}

function open(): Promise<IDBDatabase | null> {
  return new Promise((answer) => {
    try {
      const request = indexedDB.open("studio", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => answer(request.result);
      request.onerror = () => answer(null);
      request.onblocked = () => answer(null);
    } catch {
      answer(null);
    }
  });
}
