/** What is not recorded yet: what waits to be sent, and what the API refused, to be corrected or discarded. */

import { useEffect, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { isAboutKey } from "../loading";
import { adviceOn, Reason } from "../problem";
import { type Card, tallyOf } from "./desk";
import { type Entry, isRefusedByApi, type Outbox } from "./outbox";

interface Props {
  outbox: Outbox;
  onCorrect(entry: Entry): void;
}

export function useEntries(outbox: Outbox): Entry[] {
  const [entries, setEntries] = useState(() => outbox.entries());
  useEffect(() => {
    setEntries(outbox.entries());
    return outbox.subscribe(() => setEntries(outbox.entries()));
  }, [outbox]);
  return entries;
}

export function OutboxNote({ outbox, onCorrect }: Props) {
  const { words } = useChoice();
  const entries = useEntries(outbox);
  const waiting = entries.filter((entry) => entry.refused === null && entry.undoneBy === null);
  const refused = entries.filter((entry) => entry.refused !== null);
  const tally = tallyOf(waiting.flatMap((entry) => entry.set.cards));
  // What is on its way is no news; what could not be sent is.
  const isStuck = waiting.length > 0 && outbox.trouble !== null;
  return (
    <>
      <div role="status">
        {isStuck ? (
          <div class="waiting">
            <p>
              <strong>{words.rate.waiting(tally)}</strong>{" "}
              {isAboutKey(outbox.trouble) ? words.key.wrong : words.rate.waitingHow}
            </p>
            <button type="button" class="quiet small" onClick={() => void outbox.flush()}>
              {words.rate.sendNow}
            </button>
          </div>
        ) : null}
      </div>
      {refused.map((entry) => (
        <Refused key={entry.set.key} entry={entry} outbox={outbox} onCorrect={onCorrect} />
      ))}
    </>
  );
}

function Refused({ entry, outbox, onCorrect }: { entry: Entry; outbox: Outbox; onCorrect(entry: Entry): void }) {
  const { words, locale } = useChoice();
  const [isSure, setIsSure] = useState(false);
  const { set, refused } = entry;
  const rate = words.rate;
  const said = (card: Card) => (card.rating === null ? rate.itFailed : `${card.rating.toLocaleString(locale)} ★`);
  // Correcting makes a new set of it, which is safe only where the API has said that it recorded nothing.
  const isCorrectable = isRefusedByApi(entry);
  const status = refused?.status ?? null;
  const advice = status === null ? null : isCorrectable ? adviceOn(status, words) : rate.notTaken;
  return (
    <div role="alert" class="problem refused">
      <p>
        <strong>{refused?.status === null ? rate.tooOld : rate.refused(tallyOf(set.cards))}</strong> {set.study},{" "}
        {words.shell.modes[set.mode] ?? set.mode}
      </p>
      <ul>
        {set.cards.map((card) => (
          <li key={card.id}>
            {String(card.parameters.api)}: {said(card)}
          </li>
        ))}
      </ul>
      {advice === null ? null : <p>{advice}</p>}
      {refused?.reasons.map((reason) => (
        <Reason key={reason} text={reason} />
      ))}
      <p class="actions">
        {isCorrectable ? (
          <button type="button" class="small" onClick={() => onCorrect(entry)}>
            {rate.correct}
          </button>
        ) : null}
        <button type="button" class="quiet small" onClick={() => void outbox.retry(set.key)}>
          {words.problem.again}
        </button>
        <button
          type="button"
          class="quiet small"
          onClick={() => (isSure ? outbox.discard(set.key) : setIsSure(true))}
          onBlur={() => setIsSure(false)}
        >
          {isSure ? rate.discardSure(tallyOf(set.cards)) : rate.discard}
        </button>
      </p>
    </div>
  );
}
