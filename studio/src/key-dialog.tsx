/** Asking for the API key, once for all requests that wait for it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { isSendable, key } from "./api";
import { useChoice } from "./choice";

interface Asking {
  /** Whether a key was sent, and refused. */
  refused: boolean;
  answer(given: boolean): void;
}

let current: { asking: Asking; given: Promise<boolean> } | null = null;
let show: ((asking: Asking | null) => void) | null = null;

/** Asks for a key; true once there is one, false if the person declined. */
export function askForKey(_error: unknown): Promise<boolean> {
  if (current === null) {
    let answer = (_given: boolean) => {};
    const given = new Promise<boolean>((resolve) => {
      answer = (yes) => {
        current = null;
        show?.(null);
        resolve(yes);
      };
    });
    current = { asking: { refused: key.get() !== null, answer }, given };
    show?.(current.asking);
  }
  return current.given;
}

/** The dialog; stands once, in the page's frame. */
export function KeyDialog() {
  const { words } = useChoice();
  const [asking, setAsking] = useState<Asking | null>(current?.asking ?? null);
  const [value, setValue] = useState("");
  const [isUnsendable, setIsUnsendable] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);

  useEffect(() => {
    show = setAsking;
    return () => {
      show = null;
    };
  }, []);
  useEffect(() => {
    if (asking !== null) dialog.current?.showModal?.();
    else dialog.current?.close?.();
  }, [asking]);

  return (
    <dialog ref={dialog} class="key" aria-labelledby="key-title" onCancel={() => asking?.answer(false)}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (value.trim() === "") return;
          setIsUnsendable(!isSendable(value.trim()));
          if (!isSendable(value.trim())) return;
          key.set(value.trim());
          setValue("");
          asking?.answer(true);
        }}
      >
        <h2 id="key-title">{words.key.title}</h2>
        {asking?.refused || isUnsendable ? (
          <p role="alert" class="error">
            {words.key.wrong}
          </p>
        ) : null}
        <p>{words.key.text}</p>
        <label>
          {words.key.label}
          <input
            type="password"
            autocomplete="off"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        <p class="actions">
          <button type="submit">{words.key.send}</button>
          <button type="button" class="quiet" onClick={() => asking?.answer(false)}>
            {words.shell.cancel}
          </button>
        </p>
      </form>
    </dialog>
  );
}
