/** The pictures of a set in full, one in the other's place, so that differences show as one goes from one to the next. */

import { useEffect, useRef } from "preact/hooks";
import { useChoice } from "../choice";

export interface Seen {
  label: string;
  source: string;
}

interface Props {
  pictures: readonly Seen[];
  at: number;
  onTurn(at: number): void;
  onClose(): void;
}

export function Look({ pictures, at, onTurn, onClose }: Props) {
  const { words } = useChoice();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal?.(), []);
  const picture = pictures[at];
  if (picture === undefined) return null;
  const turn = (by: number) => onTurn((at + by + pictures.length) % pictures.length);
  return (
    <dialog
      ref={dialog}
      class="look"
      aria-label={picture.label}
      onClose={onClose}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") turn(1);
        if (event.key === "ArrowLeft") turn(-1);
      }}
    >
      <img src={picture.source} alt={picture.label} referrerpolicy="no-referrer" />
      <p class="actions">
        {pictures.map((one, index) => (
          <button
            key={one.label}
            type="button"
            class={index === at ? "" : "quiet"}
            aria-pressed={index === at}
            onClick={() => onTurn(index)}
          >
            {one.label}
          </button>
        ))}
        <button type="button" class="quiet" onClick={() => dialog.current?.close?.()}>
          {words.shell.close}
        </button>
      </p>
    </dialog>
  );
}
