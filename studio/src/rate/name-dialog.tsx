/** Asking who rates, once per visit: it is better to know, and nobody has to say. */

import { useId, useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { Modal } from "../modal";

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
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isUnnamed, setIsUnnamed] = useState(false);
  const answer = (name: string) => {
    try {
      sessionStorage.setItem(ASKED, "yes");
    } catch {
      wasAnswered = true;
    }
    onAnswer(name);
  };
  return (
    <Modal kind="name" title={words.rate.whoRates} close={() => onAnswer(null)}>
      {/* What is wrong is said by the page, in its own language, and not by the browser in another. */}
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const name = field.current?.value.trim() ?? "";
          if (name !== "") return answer(name);
          setIsUnnamed(true);
          field.current?.focus();
        }}
      >
        <p>{words.rate.whyName}</p>
        <label>
          {words.shell.rater}
          <input
            ref={field}
            required
            maxLength={64}
            autocomplete="nickname"
            placeholder={words.shell.raterPlaceholder}
            aria-invalid={isUnnamed}
            aria-describedby={isUnnamed ? id : undefined}
          />
        </label>
        {isUnnamed ? (
          <p id={id} role="alert" class="error">
            {words.rate.nameMissing}
          </p>
        ) : null}
        <p class="actions">
          <button type="submit">{words.rate.saveWithName}</button>
          <button type="button" class="quiet" onClick={() => answer("")}>
            {words.rate.saveWithoutName}
          </button>
        </p>
      </form>
    </Modal>
  );
}
