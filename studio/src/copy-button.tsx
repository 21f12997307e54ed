/** A button that copies a text and says so. */

import { useState } from "preact/hooks";
import { useChoice } from "./choice";

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { words } = useChoice();
  const [outcome, setOutcome] = useState<string | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome(words.shell.copied);
    } catch {
      setOutcome(words.shell.notCopied);
    }
    setTimeout(() => setOutcome(null), 2500);
  };
  return (
    <span class="copy">
      <button type="button" class="quiet" onClick={copy}>
        {label ?? words.shell.copy}
      </button>
      <span role="status">{outcome}</span>
    </span>
  );
}
