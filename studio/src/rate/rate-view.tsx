/** The view Rate: see what the enhancers made of a picture, and say how good it is. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { addressOf, usePlace } from "../place";
import { ProblemNote, Reason } from "../problem";
import "../style/rate.css";
import { RatingCard, reasonId, starsId } from "./card";
import { type Card, type DeskName, fixedOf, isDone, nameOf, type RatingSet, tallyOf, tidyDesks } from "./desk";
import { keep, kept } from "./kept";
import { deedOf, type Pending, withHalf } from "./keys";
import { KeysHelp } from "./keys-help";
import { Look, type Seen } from "./look";
import { NameDialog, wasAsked } from "./name-dialog";
import { OriginalPicture, originalOfFile } from "./original";
import type { Entry } from "./outbox";
import { OutboxNote } from "./outbox-note";
import { givePicture, shownAt, tidyPictures } from "./pictures";
import { INITIAL_RATINGS, outbox, Session, type State, type Trouble } from "./session";

const LETTERS = ["A", "B", "C", "D"] as const;
const COUNT = "studio.rate.cards";
const KEYS = "studio.rate.keys";

// What an earlier visit left is sent whatever view this one opens with.
outbox.start();

export default function RateView() {
  const { study, mode, words } = useChoice();
  const asked = usePlace().query.get("fixed");
  const fixed = asked !== null && fixedOf(asked) !== null ? asked : null;
  return (
    <section class="rate" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.rate}</h1>
      {asked !== null && fixed === null ? <p class="problem">{words.rate.fixedWrong}</p> : null}
      <Desk key={JSON.stringify([study, mode, fixed])} of={{ study, mode, fixed }} />
    </section>
  );
}

function useSession(of: DeskName, wanted: number): [Session, State] {
  const session = useMemo(() => new Session(of, wanted), []);
  const [state, setState] = useState(session.state);
  useEffect(() => {
    const changed = () => setState(session.state);
    const unsubscribe = session.subscribe(changed);
    session.start();
    changed();
    return () => {
      unsubscribe();
      session.stop();
    };
  }, [session]);
  return [session, state];
}

function Desk({ of }: { of: DeskName }) {
  const { rater, words, choose, locale } = useChoice();
  const rate = words.rate;
  const [count, setCount] = useState(
    () => LETTERS.findIndex((_, index) => index + 1 === kept<unknown>(COUNT)) + 1 || 2,
  );
  const [session, state] = useSession(of, count);
  const [pending, setPending] = useState<Pending | null>(null);
  const [said, setSaid] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const [isMissing, setIsMissing] = useState(false);
  const [isNaming, setIsNaming] = useState(false);
  const [isHelpOpen, setIsHelpOpen] = useState(false);
  const [areKeysOn, setAreKeysOn] = useState(() => kept<boolean>(KEYS) ?? true);
  const [looking, setLooking] = useState<string | null>(null);
  const { desk, busy, trouble } = state;
  const set = desk.current;
  const cards = set?.cards ?? [];

  useEffect(() => {
    tidyDesks(nameOf(of));
    void tidyPictures();
  }, [set?.key]);

  /** Does what may fail, and says so. */
  const attempt = (work: Promise<unknown>) => {
    setFailed(null);
    work.catch(setFailed);
  };

  const save = async (name: string) => {
    setIsMissing(false);
    setPending(null);
    const tally = tallyOf(cards);
    await session.save(name);
    setSaid(outbox.entries().length === 0 ? rate.saved(tally) : "");
  };

  const trySaving = () => {
    if (set === null || busy !== null) return;
    const at = cards.findIndex((card) => !isDone(card));
    const card = cards[at];
    if (card !== undefined) {
      setIsMissing(true);
      const letter = LETTERS[at] ?? "";
      document.getElementById(card.failed === null ? starsId(letter) : reasonId(letter))?.focus();
      return;
    }
    if (rater === "" && !wasAsked()) setIsNaming(true);
    else attempt(save(rater));
  };

  const undo = async () => {
    setFailed(null);
    const undone = await session.undo(rater);
    if (undone.kind === "failed") setFailed(undone.error);
    if (undone.kind === "nothing") setSaid(rate.nothingToUndo);
    if (undone.kind === "kept") setSaid(rate.notUndone(undone.kept.join(", ")));
    if (undone.kind === "back")
      setSaid(undone.kept.length > 0 ? rate.undoneInPart(undone.kept.join(", ")) : rate.undone);
  };

  const correct = (entry: Entry) => {
    if (entry.set.study === of.study && entry.set.mode === of.mode && of.fixed === null) {
      attempt(session.correct(entry.set.key));
      return;
    }
    // The set belongs on the desk of its study and mode, which shows it when it is chosen.
    const other = new Session({ study: entry.set.study, mode: entry.set.mode, fixed: null }, count);
    attempt(
      other.correct(entry.set.key).then(() => {
        choose({ study: entry.set.study, mode: entry.set.mode });
        location.hash = addressOf("rate");
      }),
    );
  };

  const skip = (card: Card, letter: string) => attempt(session.skip(card.id).then(() => setSaid(rate.skipped(letter))));

  const fail = (card: Card, letter: string) => {
    session.change(card.id, { failed: card.failed ?? "" });
    requestAnimationFrame(() => document.getElementById(reasonId(letter))?.focus());
  };

  const stroke = (event: KeyboardEvent) => {
    const target = event.target;
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      trySaving();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target)) return;
    if (event.key === "Enter" ? isPressed(target) : !areKeysOn) return;
    const focused = LETTERS.findIndex((letter) => target instanceof HTMLElement && target.id === starsId(letter));
    const given = deedOf(event, { pending, cards: cards.length, focused: focused < 0 ? null : focused });
    if (given === null) return;
    event.preventDefault();
    setPending(given.pending);
    const deed = given.deed;
    if (deed === null) return;
    setSaid("");
    if (deed.kind === "save") return trySaving();
    if (deed.kind === "undo") return void undo();
    if (deed.kind === "help") return setIsHelpOpen(!isHelpOpen);
    if (!("card" in deed)) return;
    const card = cards[deed.card];
    const letter = LETTERS[deed.card];
    if (card === undefined || letter === undefined) return;
    if (deed.kind === "go") document.getElementById(starsId(letter))?.focus();
    if (deed.kind === "skip") skip(card, letter);
    if (deed.kind === "fail") fail(card, letter);
    if (deed.kind === "rate" || deed.kind === "half") {
      const value = deed.kind === "rate" ? deed.value : card.rating === null ? null : withHalf(card.rating);
      session.change(card.id, { rating: value, failed: null });
      setSaid(value === null ? "" : rate.given(letter, value.toLocaleString(locale)));
    }
  };

  const paste = (event: ClipboardEvent) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file === undefined || set === null || document.querySelector("dialog[open]") !== null) return;
    event.preventDefault();
    takePicture(file, event.target);
  };

  /** Gives a picture to the card that has the focus, else to the first that has none. */
  const takePicture = (file: File, target: EventTarget | null) => {
    if (set === null) return;
    const within = target instanceof Element ? target : null;
    if (within?.closest(".original")) {
      attempt(originalOfFile(file, set.original?.goesOn ?? false).then((original) => session.setOriginal(original)));
      return;
    }
    const at = LETTERS.findIndex((letter) => within?.closest(`[aria-labelledby="card-${letter}"]`));
    const card = cards[at] ?? cards.find((one) => one.address === null && shownAt(one.id) === null) ?? cards[0];
    if (card === undefined) return;
    session.change(card.id, { address: null });
    attempt(givePicture(card.id, file));
  };

  const handlers = useRef({ stroke, paste });
  handlers.current = { stroke, paste };
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    addEventListener("keydown", (event) => handlers.current.stroke(event), { signal });
    addEventListener("paste", (event) => handlers.current.paste(event), { signal });
    // A picture that is dropped beside a place would take the page's place.
    addEventListener("dragover", (event) => event.preventDefault(), { signal });
    addEventListener("drop", (event) => event.preventDefault(), { signal });
    return () => leaving.abort();
  }, []);

  const resize = (wanted: number) => {
    setCount(wanted);
    keep(COUNT, wanted);
    attempt(session.resize(wanted));
  };

  const seen = set === null ? [] : picturesOf(set, rate.enhanced, rate.originalPicture);
  const lookedAt = seen.findIndex((one) => one.id === looking);

  return (
    <>
      <div class="bar">
        <Standing counted={state.counted} />
        {of.fixed === null ? (
          <label>
            {rate.cards}
            <select value={count} onChange={(event) => resize(Number(event.currentTarget.value))}>
              {LETTERS.map((_, index) => (
                <option key={index + 1} value={index + 1}>
                  {index + 1}
                </option>
              ))}
            </select>
          </label>
        ) : null}
      </div>
      <OutboxNote outbox={outbox} onCorrect={correct} />
      <ProblemNote error={failed} />
      {state.isVolatile ? (
        <p role="alert" class="problem">
          {rate.isVolatile}
        </p>
      ) : null}
      <TroubleNote session={session} trouble={trouble} />
      {state.isOver && set === null && busy === null ? <Over session={session} /> : null}
      {set === null ? (
        <p role="status" class="note">
          {busy === "suggesting" ? rate.suggesting : busy === "saving" ? rate.saving : ""}
        </p>
      ) : (
        <>
          <OriginalPicture
            key={set.key}
            session={session}
            set={set}
            onLook={() => setLooking(set.original?.id ?? null)}
          />
          <div class={`cards of-${cards.length}`}>
            {cards.map((card, index) => {
              const letter = LETTERS[index] ?? "";
              return (
                <RatingCard
                  key={card.id}
                  session={session}
                  card={card}
                  letter={letter}
                  isFreed={state.freed.includes(card.id)}
                  isMissing={isMissing && !isDone(card)}
                  onLook={() => setLooking(card.id)}
                  onSkip={() => skip(card, letter)}
                />
              );
            })}
          </div>
        </>
      )}
      <div class="saving">
        <button type="button" aria-disabled={set === null || busy !== null} onClick={trySaving}>
          {of.fixed === null ? rate.save : rate.saveOnly}
        </button>
        <button
          type="button"
          class="quiet"
          aria-disabled={desk.last === null || busy !== null}
          onClick={() => desk.last !== null && busy === null && void undo()}
        >
          {rate.undo}
        </button>
        <p role="status">
          {pending === null
            ? said
            : rate.pending(
                pending.kind,
                pending.kind === "stars" ? pending.value.toLocaleString(locale) : "",
                LETTERS.slice(0, cards.length).join(", "),
              )}
        </p>
      </div>
      <KeysHelp
        isOpen={isHelpOpen}
        areOn={areKeysOn}
        onOpen={setIsHelpOpen}
        onSwitch={(areOn) => {
          setAreKeysOn(areOn);
          keep(KEYS, areOn);
        }}
      />
      <p class="note">{rate.privacy}</p>
      {isNaming ? (
        <NameDialog
          onAnswer={(name) => {
            setIsNaming(false);
            if (name === null) return;
            if (name !== "") choose({ rater: name });
            attempt(save(name));
          }}
        />
      ) : null}
      {lookedAt >= 0 ? (
        <Look
          pictures={seen}
          at={lookedAt}
          onTurn={(at) => setLooking(seen[at]?.id ?? null)}
          onClose={() => setLooking(null)}
        />
      ) : null}
    </>
  );
}

/** How far the mode is, as it matters to whoever rates. */
function Standing({ counted }: { counted: number | null }) {
  const { words } = useChoice();
  if (counted === null) return <p />;
  const missing = INITIAL_RATINGS - counted;
  return <p>{missing > 0 ? words.rate.untilModel(counted, missing) : words.rate.counted(counted)}</p>;
}

function TroubleNote({ session, trouble }: { session: Session; trouble: Trouble | null }) {
  const { words } = useChoice();
  const rate = words.rate;
  if (trouble === null) return null;
  const again = () => void session.next();
  if (trouble.kind === "error") return <ProblemNote error={trouble.error} retry={again} />;
  if (trouble.kind === "archived") {
    return (
      <p role="alert" class="problem">
        {rate.archived} <a href={addressOf("history")}>{words.shell.tabs.history}</a>
      </p>
    );
  }
  const { pending } = trouble;
  return (
    <div role="alert" class="problem">
      <p>{rate.allPending(pending.length)}</p>
      <Reason text={trouble.detail} />
      <p class="actions">
        <button type="button" onClick={again}>
          {words.problem.again}
        </button>
        {pending.length > 0 ? (
          <button type="button" class="quiet" onClick={() => void session.takeOver(pending)}>
            {rate.takeOver}
          </button>
        ) : null}
      </p>
    </div>
  );
}

function Over({ session }: { session: Session }) {
  const { words } = useChoice();
  return (
    <div class="card">
      <p>{words.rate.over}</p>
      <p class="actions">
        <a href={addressOf("progress")}>{words.shell.tabs.progress}</a>
        <a href={addressOf("rate")}>{words.rate.goOn}</a>
        <button type="button" class="quiet small" onClick={() => void session.again()}>
          {words.rate.rateAgain}
        </button>
      </p>
    </div>
  );
}

function picturesOf(set: RatingSet, enhanced: (letter: string) => string, original: string): (Seen & { id: string })[] {
  const all = [
    ...(set.original === null ? [] : [{ ...set.original, label: original }]),
    ...set.cards.map((card, index) => ({ ...card, label: enhanced(LETTERS[index] ?? "") })),
  ];
  return all.flatMap(({ id, address, label }) => {
    const source = address ?? shownAt(id);
    return source === null ? [] : [{ id, label, source }];
  });
}

/** Whether keys are text there. */
function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["range", "checkbox", "file"].includes(target.type);
}

/** Whether Enter presses what has the focus. */
const isPressed = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest("button, a, summary, label") !== null;
