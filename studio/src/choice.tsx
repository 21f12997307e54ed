/** What the header chooses, for every view: study, mode, rater, language. It survives a reload. */

import type { Schemas } from "@picture-tuning/client";
import { type ComponentChildren, createContext } from "preact";
import { useCallback, useContext, useMemo, useState } from "preact/hooks";
import { type Language, localeOf, preferred, WORDS, type Words } from "./words";

/** The modes of the shipped search space, which the API's document has; a space of one's own has others. */
export type Mode = Schemas["Mode"];

export interface Choice {
  study: string;
  mode: Mode;
  /** Who rates; empty while nobody has said. */
  rater: string;
  language: Language;
}

export interface Chosen extends Choice {
  words: Words;
  /** For numbers and dates. */
  locale: string;
  choose(change: Partial<Choice>): void;
}

const STORED = "studio.choice";
const Context = createContext<Chosen | null>(null);

export function useChoice(): Chosen {
  const chosen = useContext(Context);
  if (chosen === null) throw new Error("a view stands outside of <ChoiceOf>");
  return chosen;
}

/** Gives the choice to what stands within. `initial` overrides what was stored: tests and links. */
export function ChoiceOf({ initial, children }: { initial?: Partial<Choice>; children: ComponentChildren }) {
  const [choice, setChoice] = useState<Choice>(() => ({ ...stored(), ...initial }));
  const choose = useCallback((change: Partial<Choice>) => {
    setChoice((before) => {
      const after = { ...before, ...change };
      try {
        localStorage.setItem(STORED, JSON.stringify(after));
      } catch {
        // Where nothing can be kept, the choice holds as long as the page.
      }
      return after;
    });
  }, []);
  const value = useMemo(
    () => ({
      ...choice,
      words: WORDS[choice.language],
      locale: localeOf(choice.language, navigator.languages),
      choose,
    }),
    [choice, choose],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

function stored(): Choice {
  const standard: Choice = { study: "default", mode: "structure", rater: "", language: preferred(navigator.languages) };
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? "{}") as Partial<Record<keyof Choice, unknown>>;
    return {
      study: typeof kept.study === "string" && kept.study ? kept.study : standard.study,
      // The header chooses another where the search space has none of this name.
      mode: typeof kept.mode === "string" && kept.mode ? (kept.mode as Mode) : standard.mode,
      rater: typeof kept.rater === "string" ? kept.rater : "",
      language: kept.language === "en" || kept.language === "es" ? kept.language : standard.language,
    };
  } catch {
    return standard;
  }
}
