/**
 * Ratings on their way to the API. What was saved is kept in the browser until the API has answered: in order, each
 * set with the idempotency key that it was given once, so that it is recorded once however often it is sent. What the
 * API refuses stays, with the reason, until the person has corrected or discarded it.
 *
 * Every set is an entry of its own in the storage: two tabs that save at once overwrite nothing.
 */

import { ApiError, type Schemas } from "@picture-tuning/client";
import { isAboutKey } from "../loading";
import { isRatingSet, outcomeOf, type RatingSet } from "./desk";
import { exclusively } from "./exclusively";
import { forget, isObject, keep, kept, keptNames } from "./kept";

export interface Entry {
  set: RatingSet;
  body: Schemas["UpdateRequest"];
  /** When it was first sent, in ms since 1970; null while it never was, and so cannot have been recorded. */
  tried: number | null;
  refused: Refusal | null;
  /** Who took it back after it was sent and before it was known whether it arrived; it is withdrawn once it has. */
  undoneBy: string | null;
}

export interface Refusal {
  /** The answer's status; null where the key is too old to be sent again. */
  status: number | null;
  /** What the API says of it. */
  reasons: string[];
}

/** What became of a set that was sent. */
export interface Sent {
  key: string;
  /** The entries of the history; empty where an earlier release had recorded them. */
  ids: string[];
  /** Those of them that were there before. */
  replaced: string[];
}

export type Send = (entry: Entry) => Promise<Schemas["Updated"]>;
export type Withdraw = (sent: Sent, rater: string) => Promise<unknown>;

const ENTRY = "studio.rate.outbox/";
const SENT = "studio.rate.sent";
const REMEMBERED = 20;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;
/** However long a server asks to wait; beyond 24 days a browser's timer would not wait at all. */
const LONGEST_ASKED_MS = 3600_000;
const LATER = new Set([401, 403, 408, 429, 502, 503, 504]);
/** A server that fails so often at one set would fail for ever, and hold up those behind it. */
const FAILURES = 3;
/** The API remembers a key for 30 days: after that, sending again might record again. */
const KEY_GOOD_MS = 29 * 24 * 3600 * 1000;

export class Outbox {
  /** Entries that the browser did not keep: they last as long as the page. */
  private readonly unkept = new Map<string, Entry>();
  private readonly failures = new Map<string, number>();
  private readonly listeners = new Set<() => void>();
  private sending: Promise<void> | null = null;
  private isAskedAgain = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait = FIRST_WAIT_MS;
  /** What stopped the last attempt; null where nothing did. */
  trouble: unknown = null;

  constructor(
    private readonly send: Send,
    private readonly withdraw: Withdraw,
  ) {}

  /** Sends what was left, now and whenever the network is back, until it is told to stop. */
  start(signal?: AbortSignal): void {
    const options = signal === undefined ? {} : { signal };
    addEventListener("online", () => void this.flush(), options);
    const changed = (event: StorageEvent) => (event.key === null || event.key.startsWith(ENTRY)) && this.tell();
    addEventListener("storage", changed, options);
    void this.flush();
  }

  /** Takes a set to be sent; false if the browser did not keep it, so that it is lost with the page. */
  add(set: RatingSet, rater: string): boolean {
    const entry: Entry = { set, body: bodyOf(set, rater), tried: null, refused: null, undoneBy: null };
    const isKept = this.put(entry);
    this.tell();
    return isKept;
  }

  /** What is not recorded yet, in the order in which it was saved. */
  entries(): Entry[] {
    const all = new Map<string, Entry>();
    for (const name of keptNames(ENTRY)) {
      const entry = kept<unknown>(name);
      if (isEntry(entry)) all.set(name, entry);
    }
    for (const [name, entry] of this.unkept) all.set(name, entry);
    return [...all].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, entry]) => entry);
  }

  find(key: string): Entry | null {
    return this.entries().find((entry) => entry.set.key === key) ?? null;
  }

  /** What became of a set that was sent; null of one that was not, or long ago. */
  sent(key: string): Sent | null {
    return outcomes().find((one) => one.key === key) ?? null;
  }

  /** Whether some entries would be lost with the page. */
  get isVolatile(): boolean {
    return this.unkept.size > 0;
  }

  /** Sends what waits, until all is sent or something stops it. */
  flush(): Promise<void> {
    // What came while the last one was being sent may have been missed by it.
    this.isAskedAgain = this.sending !== null;
    this.sending ??= this.sendWhileAsked();
    return this.sending;
  }

  /**
   * Takes back a set that is not known to be recorded: out of the storage if it cannot have been, else by withdrawing
   * it as soon as it is. False if it was recorded, or is not here.
   */
  take(key: string, rater: string): Promise<boolean> {
    return exclusively("studio.rate.outbox", async () => {
      const entry = this.find(key);
      if (entry === null || entry.undoneBy !== null) return false;
      if (entry.tried === null || isRefusedByApi(entry)) this.remove(entry);
      else {
        this.failures.delete(key);
        this.put({ ...entry, refused: null, undoneBy: rater });
      }
      this.tell();
      return true;
    });
  }

  /** Drops a refused set for good. */
  discard(key: string): void {
    const entry = this.find(key);
    if (entry !== null && entry.refused !== null) this.remove(entry);
  }

  /** Sends a refused set once more, unchanged. */
  retry(key: string): Promise<void> {
    const entry = this.find(key);
    if (entry !== null) {
      this.failures.delete(key);
      // The person has been told that it may be recorded twice, if its key is too old.
      const tried = entry.refused?.status === null ? Date.now() : entry.tried;
      this.put({ ...entry, tried, refused: null });
    }
    return this.flush();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async sendWhileAsked(): Promise<void> {
    try {
      do {
        this.isAskedAgain = false;
        await exclusively("studio.rate.outbox", () => this.sendAll());
      } while (this.isAskedAgain);
    } finally {
      this.sending = null;
    }
  }

  private async sendAll(): Promise<void> {
    clearTimeout(this.timer);
    for (;;) {
      const entry = this.entries().find((one) => one.refused === null);
      if (entry === undefined) {
        this.trouble = null;
        break;
      }
      try {
        await this.sendOne(entry);
        this.wait = FIRST_WAIT_MS;
      } catch (error) {
        this.trouble = error;
        // A key was asked for and not given: the next saving, or the person, asks anew.
        if (isAboutKey(error)) break;
        const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
        this.timer = setTimeout(() => void this.flush(), Math.max(this.wait, Math.min(asked, LONGEST_ASKED_MS)));
        this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
        break;
      }
    }
    this.tell();
  }

  /**
   * Sends one entry, and settles it if the API did.
   *
   * @throws what stands in the way for now; the entry stays.
   */
  private async sendOne(entry: Entry): Promise<void> {
    const key = entry.set.key;
    if (entry.tried !== null && Date.now() - entry.tried > KEY_GOOD_MS) {
      this.put({ ...entry, refused: { status: null, reasons: [] } });
      return;
    }
    const tried = { ...entry, tried: entry.tried ?? Date.now() };
    // Before it is sent: from here on it may have been recorded, whatever happens to this page.
    this.put(tried);
    this.tell();
    try {
      const answer = await this.send(tried);
      const outcome: Sent = { key, ids: answer.observation_ids ?? [], replaced: answer.replaced };
      if (entry.undoneBy !== null) await this.withdraw(outcome, entry.undoneBy);
      else keep(SENT, [outcome, ...outcomes()].slice(0, REMEMBERED));
      this.remove(tried);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (LATER.has(error.status)) {
        this.failures.delete(key);
        throw error;
      }
      const failures = (this.failures.get(key) ?? 0) + 1;
      this.failures.set(key, failures);
      if (!isRefusal(error.status) && failures < FAILURES) throw error;
      if (entry.undoneBy !== null && isRefusal(error.status)) {
        this.remove(entry);
        return;
      }
      const named = (error.problem.errors ?? []).map((one) => [one.pointer, one.detail].filter(Boolean).join(": "));
      this.put({
        ...tried,
        refused: { status: error.status, reasons: named.length > 0 ? named : [error.problem.detail] },
      });
    }
  }

  private put(entry: Entry): boolean {
    const name = this.nameOf(entry);
    if (keep(name, entry)) {
      this.unkept.delete(name);
      return true;
    }
    // An older state of it may be there; that the new one is not kept is said, and the page has it.
    this.unkept.set(name, entry);
    return false;
  }

  private remove(entry: Entry): void {
    const name = this.nameOf(entry);
    forget(name);
    this.unkept.delete(name);
    this.failures.delete(entry.set.key);
    this.tell();
  }

  /** Entries sort by when their sets were saved first. */
  private nameOf({ set }: Entry): string {
    const known = [...keptNames(ENTRY), ...this.unkept.keys()].find((name) => name.endsWith(`/${set.key}`));
    return known ?? `${ENTRY}${nextTick()}/${set.key}`;
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

/** The body of the update that records a set. It is made once: a retry with the same key must say the same. */
export function bodyOf(set: RatingSet, rater: string): Schemas["UpdateRequest"] {
  const results = set.cards.flatMap((card) => {
    const outcome = outcomeOf(card);
    const comment = card.comment.trim();
    const given = { suggestion_id: card.id, parameters: card.parameters, ...(comment === "" ? {} : { comment }) };
    return outcome === null ? [] : [{ ...given, ...outcome }];
  });
  return {
    study: set.study,
    mode: set.mode,
    ...(rater === "" ? {} : { rater }),
    ...(set.original === null ? {} : { picture: set.original.id }),
    results,
  };
}

/** Whether an answer says that nothing was recorded: an error of the server, and an empty answer, leave it open. */
const isRefusal = (status: number): boolean => status >= 400 && status < 500;

/** Whether the API has said of an entry that it recorded nothing, so that it can be sent again as another one. */
export const isRefusedByApi = ({ refused }: Entry): boolean =>
  refused !== null && refused.status !== null && isRefusal(refused.status);

/** Whether the storage has an entry there, and not what another page or another release has left. */
function isEntry(value: unknown): value is Entry {
  if (!isObject(value) || !isRatingSet(value.set) || !isObject(value.body)) return false;
  const { body, tried, refused, undoneBy } = value;
  return (
    Array.isArray(body.results) &&
    (tried === null || typeof tried === "number") &&
    (refused === null || (isObject(refused) && Array.isArray(refused.reasons))) &&
    (undoneBy === null || typeof undoneBy === "string")
  );
}

function outcomes(): Sent[] {
  const found = kept<unknown>(SENT);
  if (!Array.isArray(found)) return [];
  return found.filter((one) => isObject(one) && Array.isArray(one.ids) && Array.isArray(one.replaced)) as Sent[];
}

let latest = 0;

/** A text that sorts after all those of this tab before, and after those of other tabs by the clock. */
function nextTick(): string {
  latest = Math.max(latest + 1, Date.now());
  return String(latest).padStart(15, "0");
}
