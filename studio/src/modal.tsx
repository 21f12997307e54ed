/** A dialog of the page: while it is open it holds the focus, Escape closes it, and the focus goes back to what had it. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  /** The dialog's name among the styles. */
  kind: string;
  title: string;
  close(): void;
  children: ComponentChildren;
}

export function Modal({ kind, title, close, children }: Props) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);

  useEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal?.();
    // A dialog that is taken out of the page does not give the focus back to what had it.
    return () => {
      shown?.close?.();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);

  return (
    <dialog ref={dialog} class={kind} aria-labelledby={id} onClose={close}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
