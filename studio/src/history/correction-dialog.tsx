/** Correcting an entry: its stars, its comment, withdrawing and restoring it; and what it was before. */

import { ApiError, answered } from "@picture-tuning/client";
import { useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { withKey } from "../loading";
import { Modal } from "../modal";
import { moment } from "../moments";
import { written } from "../numbers";
import { ProblemNote } from "../problem";
import type { Entry } from "./entries";
import { apiOf, parametersOf } from "./order";
import { RATINGS, starsOf } from "./stars";

interface Props {
  entry: Entry;
  archived: boolean;
  /** What the API made of it. */
  done(entry: Entry): void;
  /** Somebody else was faster: the history is to be read again. */
  outdated(): void;
  close(): void;
}

interface Change {
  rating?: number;
  comment?: string | null;
  withdrawn?: boolean;
}

export function CorrectionDialog({ entry, archived, done, outdated, close }: Props) {
  const { words, locale, rater } = useChoice();
  const said = words.history.correction;
  const [rating, setRating] = useState(entry.rating);
  const [comment, setComment] = useState(entry.comment ?? "");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [conflict, setConflict] = useState(false);

  // The entry as it stands after somebody else's correction.
  useEffect(() => {
    setRating(entry.rating);
    setComment(entry.comment ?? "");
  }, [entry.revision, entry.rating, entry.comment]);

  const send = async (change: Change) => {
    setBusy(true);
    setError(null);
    setConflict(false);
    const params = { path: { id: entry.id }, header: { "If-Match": String(entry.revision) } };
    const body = { ...change, ...(rater ? { reviser: rater } : {}) };
    try {
      const answer = await withKey(() => answered(api.PATCH("/ml/history/{id}", { params, body })));
      done(answer.observation);
      close();
    } catch (reason) {
      if (reason instanceof ApiError && reason.status === 412) {
        setConflict(true);
        outdated();
      } else setError(reason);
    } finally {
      setBusy(false);
    }
  };

  const change: Change = {};
  if (rating !== entry.rating && rating !== null) change.rating = rating;
  if (comment !== (entry.comment ?? "")) change.comment = comment === "" ? null : comment;
  const fixed = archived || entry.withdrawn;

  return (
    <Modal kind="correction" title={said.title} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (Object.keys(change).length > 0) void send(change);
          else close();
        }}
      >
        <p class="what">
          {apiOf(entry)}
          <br />
          {parametersOf(entry)
            .map(([name, value]) => `${name} ${written(value, locale)}`)
            .join(" · ")}
        </p>
        {archived ? <p class="hint">{said.archivedHint}</p> : null}
        {entry.withdrawn && !archived ? <p class="hint">{said.withdrawnHint}</p> : null}
        {entry.rating === null ? (
          <p class="hint">
            {said.failedHint} ({entry.failed})
          </p>
        ) : (
          <label>
            {said.rating}
            <select
              value={String(rating)}
              disabled={fixed}
              onChange={(event) => setRating(Number(event.currentTarget.value))}
            >
              {[...new Set([...RATINGS, entry.rating])]
                .sort((one, other) => one - other)
                .map((one) => (
                  <option key={one} value={String(one)}>
                    {starsOf(one, locale)}
                  </option>
                ))}
            </select>
          </label>
        )}
        <label>
          {said.comment}
          <textarea
            maxLength={500}
            rows={3}
            value={comment}
            disabled={fixed}
            onInput={(event) => setComment(event.currentTarget.value)}
          />
        </label>
        {conflict ? (
          <p role="alert" class="error">
            {said.conflict}
          </p>
        ) : null}
        <ProblemNote error={error} />
        <p class="actions">
          {fixed ? null : (
            <button type="submit" disabled={busy || Object.keys(change).length === 0}>
              {said.save}
            </button>
          )}
          {archived ? null : (
            <button
              type="button"
              class={entry.withdrawn ? undefined : "quiet"}
              disabled={busy}
              onClick={() => void send({ withdrawn: !entry.withdrawn })}
            >
              {entry.withdrawn ? said.restore : said.withdraw}
            </button>
          )}
          <button type="button" class="quiet" onClick={close}>
            {words.shell.close}
          </button>
        </p>
        {entry.earlier?.length ? (
          <details>
            <summary>{said.earlier}</summary>
            <ol>
              {entry.earlier.map((one) => (
                <li key={one.revision}>
                  {said.revision(one.revision)}, {moment(one.made_at, locale)}
                  {one.reviser ? `, ${said.by(one.reviser)}` : ""}:{" "}
                  {one.rating === null ? words.history.failed : starsOf(one.rating, locale)}
                  {one.withdrawn ? ` (${words.history.withdrawn})` : ""}
                  {one.comment ? `: ${one.comment}` : ""}
                </li>
              ))}
            </ol>
          </details>
        ) : null}
      </form>
    </Modal>
  );
}
