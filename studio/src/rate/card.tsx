/** A suggestion to rate: its picture, its parameters, and what the person says of it. */

import { useState } from "preact/hooks";
import { useChoice } from "../choice";
import { CopyButton } from "../copy-button";
import { written } from "../numbers";
import type { Card } from "./desk";
import { PicturePlace } from "./picture-place";
import { givePicture, removePicture } from "./pictures";
import type { Session } from "./session";
import { Stars } from "./stars";

const LONGEST_TEXT = 500;

interface Props {
  session: Session;
  card: Card;
  letter: string;
  /** Whether nobody reserves the suggestion for this person any more. */
  isFreed: boolean;
  /** Whether the set is to be saved and this card says nothing yet. */
  isMissing: boolean;
  onLook(): void;
  onSkip(): void;
}

export const starsId = (letter: string) => `stars-${letter}`;
export const reasonId = (letter: string) => `reason-${letter}`;

export function RatingCard({ session, card, letter, isFreed, isMissing, onLook, onSkip }: Props) {
  const { words, locale } = useChoice();
  const [isCommenting, setIsCommenting] = useState(card.comment !== "");
  const rate = words.rate;
  const change = (what: Parameters<Session["change"]>[1]) => session.change(card.id, what);
  const { api, ...rest } = card.parameters;
  return (
    <section class={isMissing ? "card rating missing" : "card rating"} aria-labelledby={`card-${letter}`}>
      <h2 id={`card-${letter}`}>
        <span class="letter">{letter}</span> {String(api)}
      </h2>
      <PicturePlace
        id={card.id}
        label={rate.enhanced(letter)}
        address={card.address}
        onFile={(file) => {
          change({ address: null });
          void givePicture(card.id, file);
        }}
        onAddress={(address) => change({ address })}
        onRemove={() => {
          change({ address: null });
          void removePicture(card.id);
        }}
        onLook={onLook}
      />
      {card.failed === null ? (
        <Stars id={starsId(letter)} letter={letter} value={card.rating} onRate={(rating) => change({ rating })} />
      ) : (
        <label class="reason">
          {rate.reason}
          <input
            id={reasonId(letter)}
            value={card.failed}
            maxLength={LONGEST_TEXT}
            placeholder={rate.reasonExample}
            onInput={(event) => change({ failed: event.currentTarget.value })}
          />
        </label>
      )}
      {isMissing ? (
        <p class="error" role="alert">
          {card.failed === null ? rate.missing(letter) : rate.missingReason(letter)}
        </p>
      ) : null}
      <dl class="parameters">
        {Object.entries(rest).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{written(value, locale)}</dd>
          </div>
        ))}
      </dl>
      {isFreed ? <p class="note">{rate.freed}</p> : null}
      {isCommenting ? (
        <label class="comment">
          {rate.comment}
          <textarea
            rows={2}
            value={card.comment}
            maxLength={LONGEST_TEXT}
            onInput={(event) => change({ comment: event.currentTarget.value })}
          />
        </label>
      ) : null}
      <p class="actions">
        <CopyButton text={JSON.stringify(card.parameters, null, 2)} label={rate.copyJson} />
        {isCommenting ? null : (
          <button type="button" class="quiet small" onClick={() => setIsCommenting(true)}>
            {rate.addComment}
          </button>
        )}
        <button
          type="button"
          class="quiet small"
          aria-pressed={card.failed !== null}
          onClick={() => change({ failed: card.failed === null ? "" : null })}
        >
          {rate.itFailed}
        </button>
        <button type="button" class="quiet small" title={rate.skipHint} onClick={onSkip}>
          {rate.skip}
        </button>
      </p>
      {card.failed !== null ? <p class="note">{rate.failedHint}</p> : null}
    </section>
  );
}
