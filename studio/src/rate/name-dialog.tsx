/** Asking who rates, once per visit: it is better to know, and nobody has to say. */

import { useEffect, useRef } from "preact/hooks";
import { useChoice } from "../choice";

const ASKED = "studio.rate.asked";

/** Whether a page was answered whose browser keeps nothing. */
let wasAnswered = false;

export function wasAsked(): boolean {
  try {
    return wasAnswered || sessionStorage.getItem(ASKED) !== null;
  } catch {
    return wasAnswered;
  }
}

interface Props {
  /** The name, empty for none; null if the person does not want to save yet. */
  onAnswer(name: string | null): void;
}

export function NameDialog({ onAnswer }: Props) {
  const { words } = useChoice();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal?.(), []);
  const answer = (name: string) => {
    try {
      sessionStorage.setItem(ASKED, "yes");
    } catch {
      wasAnswered = true;
    }
    onAnswer(name);
  };
  return (
    <dialog ref={dialog} aria-labelledby="name-title" onCancel={() => onAnswer(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer(String(new FormData(event.currentTarget).get("name") ?? "").trim());
        }}
      >
        <h2 id="name-title">{words.rate.whoRates}</h2>
        <p>{words.rate.whyName}</p>
        <label>
          {words.shell.rater}
          <input
            name="name"
            required
            maxLength={64}
            autocomplete="nickname"
            placeholder={words.shell.raterPlaceholder}
          />
        </label>
        <p class="actions">
          <button type="submit">{words.rate.saveWithName}</button>
          <button type="button" class="quiet" onClick={() => answer("")}>
            {words.rate.saveWithoutName}
          </button>
        </p>
      </form>
    </dialog>
  );
}
