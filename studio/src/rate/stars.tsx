/** Five stars with halves: a slider to keyboards and screen readers, stars to click for pointers. */

import { useState } from "preact/hooks";
import { useChoice } from "../choice";

const WHOLE = "M12 2.4l2.95 6.2 6.8.86-5 4.7 1.28 6.74L12 17.6l-6.03 3.3 1.28-6.74-5-4.7 6.8-.86z";
const LEFT = "M12 2.4V17.6l-6.03 3.3 1.28-6.74-5-4.7 6.8-.86z";

interface Props {
  /** The slider's id, by which keys find it. */
  id: string;
  /** The card's letter. */
  letter: string;
  value: number | null;
  onRate(value: number | null): void;
}

export function Stars({ id, letter, value, onRate }: Props) {
  const { words, locale } = useChoice();
  const [hovered, setHovered] = useState<number | null>(null);
  const drawn = hovered ?? value ?? 0;
  return (
    <div class="stars">
      <span class={hovered === null ? "row" : "row hovered"}>
        {[1, 2, 3, 4, 5].map((star) => (
          <svg key={star} viewBox="0 0 24 24" aria-hidden="true">
            <path class="empty" d={WHOLE} />
            {drawn >= star - 0.5 ? <path class="full" d={drawn >= star ? WHOLE : LEFT} /> : null}
          </svg>
        ))}
        <input
          id={id}
          type="range"
          min={0}
          max={5}
          step={0.5}
          value={value ?? 0}
          aria-label={words.rate.starsOf(letter)}
          aria-valuetext={value === null ? words.rate.notRated : words.rate.stars(value.toLocaleString(locale))}
          onInput={(event) => onRate(ratingOf(Number(event.currentTarget.value), value))}
          onMouseDown={(event) => {
            // The browser would go by the thumb, which does not lie where the stars do.
            event.preventDefault();
            event.currentTarget.focus();
          }}
          onClick={(event) => onRate(pointedAt(event))}
          onPointerMove={(event) => event.pointerType !== "touch" && setHovered(pointedAt(event))}
          onPointerLeave={() => setHovered(null)}
        />
      </span>
      <output for={id}>
        {drawn === 0 ? words.rate.notRated : words.rate.starsShort(drawn.toLocaleString(locale))}
      </output>
    </div>
  );
}

/** The lowest rating is 1: from none the slider goes there, and from there back to none. */
function ratingOf(given: number, before: number | null): number | null {
  if (given >= 1) return given;
  return before === null && given > 0 ? 1 : null;
}

/** The left half of a star is a half, but of the first: there is no rating below 1. */
function pointedAt(event: { currentTarget: HTMLElement; clientX: number }): number {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  const share = width === 0 ? 1 : (event.clientX - left) / width;
  return Math.min(5, Math.max(1, Math.ceil(share * 10) / 2));
}
