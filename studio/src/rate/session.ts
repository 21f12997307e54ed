/**
 * Rating in one study and mode: what lies on the desk, and what happens to it. Everything that the person has said is
 * in the browser's storage before anything is sent.
 */

import { ApiError, answered, ConnectionError, newKey, type Schemas } from "@picture-tuning/client";
import { api } from "../api";
import { withKey } from "../loading";
import { mayBeUnsaved } from "../unsaved";
import {
  type Card,
  cardOf,
  type Desk,
  type DeskName,
  type Fixed,
  fixedOf,
  isDone,
  isTouched,
  nameOf,
  type Original,
  type RatingSet,
  RESERVED_MS,
  readDesk,
  setOf,
  writeDesk,
} from "./desk";
import { exclusively } from "./exclusively";
import { Outbox } from "./outbox";
import { withdraw } from "./withdrawal";

/** Of a mode: the first settings are spread over the space, then the model chooses. */
export const INITIAL_RATINGS = 6;

const SAVED_WITHIN_MS = 3_000;
const FIRST_WAIT_MS = 3_000;
const LONGEST_WAIT_MS = 60_000;
/** However long a server asks to wait. */
const LONGEST_ASKED_MS = 3600_000;

/** What keeps suggestions from coming. */
export type Trouble =
  | { kind: "error"; error: unknown }
  | { kind: "archived" }
  /** Every setting is with somebody; these are, the oldest first. */
  | { kind: "pending"; pending: Schemas["Outstanding"][]; detail: string };

/** What undoing came to; whatever it is, nothing was lost. */
export type Undone =
  /** The set is back on the desk; `kept` is what stays recorded because it had been corrected since. */
  | { kind: "back"; kept: string[] }
  /** All of it had been corrected since. */
  | { kind: "kept"; kept: string[] }
  | { kind: "nothing" }
  | { kind: "failed"; error: unknown };

export interface State {
  desk: Desk;
  busy: "suggesting" | "saving" | "undoing" | null;
  trouble: Trouble | null;
  /** The ratings of the mode that the API has; null while unknown. */
  counted: number | null;
  /** What was fixed has been rated: nothing further is asked for. */
  isOver: boolean;
  /** The browser does not keep what is rated. */
  isVolatile: boolean;
  /** Suggestions of the set that nobody reserves for this person any more. */
  freed: readonly string[];
}

/** Ratings that wait, of all studies. */
export const outbox = new Outbox(
  ({ set, body }) =>
    withKey(() => answered(api.POST("/ml/update_model", { body, headers: { "Idempotency-Key": set.key } }))),
  withdraw,
);

mayBeUnsaved(() => outbox.isVolatile);

export class Session {
  private readonly name: string;
  private readonly fixed: Fixed | null;
  private readonly listeners = new Set<() => void>();
  private readonly stopping = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait = FIRST_WAIT_MS;
  state: State;

  constructor(
    readonly of: DeskName,
    /** How many cards a new set has. */
    private wanted: number,
  ) {
    this.name = nameOf(of);
    this.fixed = of.fixed === null ? null : fixedOf(of.fixed);
    const desk = readDesk(this.name);
    this.state = {
      desk,
      busy: null,
      trouble: null,
      counted: null,
      isOver: this.fixed !== null && desk.current === null && desk.last !== null,
      isVolatile: false,
      freed: [],
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    const { signal } = this.stopping;
    // Another tab has rated, saved or undone: this one shows the same.
    const changed = (event: StorageEvent) => {
      if (event.key === null || event.key === this.name) this.set({ desk: readDesk(this.name) });
    };
    addEventListener("storage", changed, { signal });
    addEventListener("online", () => this.state.trouble?.kind === "error" && void this.next(), { signal });
    let waiting = outbox.entries().length;
    const sent = outbox.subscribe(() => {
      const now = outbox.entries().length;
      if (now < waiting) {
        void this.count();
        // The API answers again, or the study takes ratings again.
        if (this.state.trouble !== null) void this.next();
      }
      waiting = now;
      this.set({ isVolatile: this.state.isVolatile || outbox.isVolatile });
    });
    signal.addEventListener("abort", sent);
    void this.next();
    void this.count();
  }

  stop(): void {
    this.stopping.abort();
    clearTimeout(this.timer);
    this.listeners.clear();
  }

  /** Shows the set that is there, or asks for one. */
  next(): Promise<void> {
    clearTimeout(this.timer);
    return this.alone(async () => {
      const desk = this.withoutSaved(readDesk(this.name));
      if (desk.current !== null) {
        this.put(desk);
        this.set({ trouble: null, busy: null });
        void this.seeWhatIsFreed(desk.current);
        return;
      }
      this.put(desk);
      if (this.state.isOver) return;
      this.set({ busy: "suggesting", trouble: null, freed: [] });
      try {
        const given = await this.suggest(this.fixed === null ? this.wanted : 1);
        this.put({ ...desk, current: setOf(this.of, given, this.goesOn(desk)) });
        this.set({ busy: null });
        this.wait = FIRST_WAIT_MS;
      } catch (error) {
        this.set({ busy: null, trouble: await this.troubleOf(error) });
        this.tryLater(error);
      }
    });
  }

  /** Asks once more for what was fixed and has been rated. */
  again(): Promise<void> {
    this.set({ isOver: false });
    return this.next();
  }

  /** Takes suggestions that are with somebody else, or were; whoever has them may still rate them too. */
  takeOver(pending: readonly Schemas["Outstanding"][]): Promise<void> {
    return this.alone(async () => {
      const given = pending.slice(0, this.fixed === null ? this.wanted : 1);
      const cards = given.map((one) => ({ id: one.suggestion_id, parameters: one.parameters }));
      const desk = readDesk(this.name);
      if (desk.current === null) this.put({ ...desk, current: setOf(this.of, cards, this.goesOn(desk)) });
      this.set({ trouble: null });
    });
  }

  change(card: string, change: Partial<Omit<Card, "id" | "parameters">>): void {
    const current = this.state.desk.current;
    if (current === null) return;
    const cards = current.cards.map((one) => (one.id === card ? { ...one, ...change } : one));
    this.put({ ...this.state.desk, current: { ...current, cards } });
  }

  setOriginal(original: Original | null): void {
    const current = this.state.desk.current;
    if (current !== null) this.put({ ...this.state.desk, current: { ...current, original } });
  }

  /** Puts another suggestion in a card's place and gives the card's back; what was fixed is given back alone. */
  async skip(id: string): Promise<void> {
    await this.alone(async () => {
      const instead = this.fixed === null ? await this.suggest(1) : [];
      this.edit((cards) => cards.flatMap((card) => (card.id === id ? instead.map(cardOf) : [card])));
      if (this.fixed !== null) {
        this.put({ ...this.state.desk, current: null });
        this.set({ isOver: true });
      }
      await this.giveBack(id);
    });
  }

  /** Asks for more cards, or gives back those that nobody has touched; the next sets have as many. */
  async resize(wanted: number): Promise<void> {
    this.wanted = wanted;
    await this.alone(async () => {
      const cards = this.state.desk.current?.cards ?? [];
      if (cards.length === 0) return;
      if (cards.length < wanted) {
        const more = await this.suggest(wanted - cards.length);
        this.edit((before) => [...before, ...more.map(cardOf)]);
        return;
      }
      const spare = cards.slice(wanted).filter((card) => !isTouched(card));
      this.edit((before) => before.filter((card) => !spare.some((one) => one.id === card.id)));
      await Promise.all(spare.map((card) => this.giveBack(card.id)));
    });
  }

  /** Takes the set to be sent, sends it if that can be, and goes on to the next. */
  async save(rater: string): Promise<void> {
    const shown = this.state.desk.current;
    if (shown === null || !shown.cards.every(isDone)) return;
    let isKept = true;
    this.set({ busy: "saving" });
    await exclusively(this.name, async () => {
      const desk = readDesk(this.name);
      const current = desk.current ?? shown;
      if (current.key !== shown.key) return;
      // Into the outbox before it leaves the desk: a crash in between leaves it in both, and it is sent once.
      isKept = outbox.add(shown, rater);
      const [next = null, ...waiting] = desk.waiting;
      this.put({ current: next, waiting, last: shown });
    });
    this.set({ busy: "saving", isOver: this.fixed !== null, isVolatile: !isKept });
    // What is suggested next knows of these ratings, if they arrive soon; nobody waits for a server that is away.
    await Promise.race([outbox.flush(), new Promise((late) => setTimeout(late, SAVED_WITHIN_MS))]);
    this.set({ busy: null });
    void this.count();
    await this.next();
  }

  /** Takes back what was saved last: out of the outbox, or by withdrawing what was recorded. */
  async undo(rater: string): Promise<Undone> {
    const last = this.state.desk.last;
    if (last === null) return { kind: "nothing" };
    this.set({ busy: "undoing" });
    try {
      let kept: string[] = [];
      if (!(await outbox.take(last.key, rater))) {
        const sent = outbox.sent(last.key);
        if (sent === null) return { kind: "nothing" };
        kept = await withdraw(sent, rater);
        if (kept.length > 0 && kept.length === sent.ids.length) {
          this.put({ ...readDesk(this.name), last: null });
          return { kind: "kept", kept };
        }
      }
      // Another tab may have undone the same in the meantime.
      const desk = readDesk(this.name);
      const isBack = [desk.current, ...desk.waiting].some((set) => set !== null && hasCardOf(set, last));
      if (isBack) this.set({ desk });
      else this.bringBack(last);
      void this.count();
      return { kind: "back", kept };
    } catch (error) {
      return { kind: "failed", error };
    } finally {
      this.set({ busy: null });
    }
  }

  /** Puts a set of the outbox on the desk again, to be corrected; it is a new one to the API. */
  async correct(key: string): Promise<boolean> {
    const entry = outbox.find(key);
    if (entry === null || !(await outbox.take(key, ""))) return false;
    this.bringBack(entry.set);
    return true;
  }

  private bringBack(set: RatingSet): void {
    const { current, waiting, last } = readDesk(this.name);
    const again = { ...set, key: newKey() };
    const after = current === null ? waiting : [current, ...waiting];
    this.put({ current: again, waiting: after, last: last?.key === set.key ? null : last });
    this.set({ trouble: null, isOver: false });
    clearTimeout(this.timer);
  }

  /** What a set that was saved leaves behind if the page ended before it left the desk. */
  private withoutSaved(desk: Desk): Desk {
    const isSaved = (set: RatingSet) => outbox.find(set.key) !== null || outbox.sent(set.key) !== null;
    if (desk.current === null || !isSaved(desk.current)) return desk;
    const [next = null, ...waiting] = desk.waiting;
    return { current: next, waiting, last: desk.current };
  }

  /** The original of the set before, if it is to be that of the next ones too. */
  private goesOn(desk: Desk): Original | null {
    return desk.last?.original?.goesOn ? desk.last.original : null;
  }

  private async suggest(count: number): Promise<{ id: string; parameters: Card["parameters"] }[]> {
    const { study, mode } = this.of;
    const asked = { study, mode, num_suggestions: count, ...(this.fixed === null ? {} : { fixed: this.fixed }) };
    const { suggestions, suggestion_ids } = await withKey(() =>
      answered(api.POST("/ml/suggest_parameters", { body: asked })),
    );
    return suggestions.map((parameters, index) => ({ id: suggestion_ids[index] ?? "", parameters }));
  }

  /** Whoever is told that nothing is free wants to know what is not. */
  private async troubleOf(error: unknown): Promise<Trouble> {
    if (!(error instanceof ApiError) || error.status !== 409) return { kind: "error", error };
    const { study, mode } = this.of;
    try {
      const described = await answered(api.GET("/ml/studies/{name}", { params: { path: { name: study } } }));
      if (described.archived_at) return { kind: "archived" };
      const listed = await answered(api.GET("/ml/suggestions", { params: { query: { study, mode } } }));
      const meant = Object.entries(this.fixed ?? {});
      const pending = listed.suggestions.filter(({ parameters }) => {
        const given = new Map<string, unknown>(Object.entries(parameters));
        return meant.every(([name, value]) => given.get(name) === value);
      });
      return { kind: "pending", pending, detail: error.problem.detail };
    } catch (reason) {
      return { kind: "error", error: reason };
    }
  }

  private tryLater(error: unknown): void {
    const isPassing =
      error instanceof ConnectionError || (error instanceof ApiError && [429, 502, 503, 504].includes(error.status));
    if (!isPassing || this.stopping.signal.aborted) return;
    const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
    this.timer = setTimeout(() => void this.next(), Math.max(this.wait, Math.min(asked, LONGEST_ASKED_MS)));
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  /** Sees which suggestions of a set that lay here have expired or were given back by somebody else. */
  private async seeWhatIsFreed(set: RatingSet): Promise<void> {
    const { study, mode } = this.of;
    try {
      const { suggestions } = await answered(api.GET("/ml/suggestions", { params: { query: { study, mode } } }));
      const pending = new Set(suggestions.map((one) => one.suggestion_id));
      const freed = set.cards.map((card) => card.id).filter((id) => !pending.has(id));
      const isUntouched = !set.cards.some(isTouched) && set.original === null;
      if (freed.length > 0 && isUntouched && Date.now() - set.asked > RESERVED_MS) {
        if (this.state.desk.current?.key === set.key) {
          this.put({ ...this.state.desk, current: null });
          await this.next();
        }
        return;
      }
      this.set({ freed });
    } catch {
      // It can be rated all the same; what is in the way shows when something is sent.
    }
  }

  private async count(): Promise<void> {
    const { study, mode } = this.of;
    try {
      const { counts } = await answered(api.GET("/ml/studies/{name}", { params: { path: { name: study } } }));
      this.set({ counted: counts[mode] ?? 0 });
    } catch {
      this.set({ counted: null });
    }
  }

  /** A suggestion that cannot be given back now becomes free by itself in 24 hours. */
  private async giveBack(id: string): Promise<void> {
    try {
      await answered(api.DELETE("/ml/suggestions/{id}", { params: { path: { id } } }));
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof ConnectionError)) throw error;
    }
  }

  private edit(change: (cards: Card[]) => Card[]): void {
    const current = this.state.desk.current;
    if (current !== null) this.put({ ...this.state.desk, current: { ...current, cards: change(current.cards) } });
  }

  private alone(work: () => Promise<void>): Promise<void> {
    return exclusively(this.name, work);
  }

  private put(desk: Desk): void {
    const isKept = writeDesk(this.name, desk);
    this.set({ desk, isVolatile: !isKept || outbox.isVolatile });
  }

  private set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

/** Whether two sets have a suggestion in common: a set that was brought back has another key, and its cards. */
function hasCardOf(set: RatingSet, other: RatingSet): boolean {
  return set.cards.some(({ id }) => other.cards.some((card) => card.id === id));
}
