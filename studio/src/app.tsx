/** The page's frame: what is chosen, the tabs, the view. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { apiAddress } from "./api";
import { type Mode, useChoice } from "./choice";
import { KeyDialog } from "./key-dialog";
import { useLoaded } from "./loading";
import { NotFetched } from "./not-fetched";
import { addressOf, usePlace, VIEWS, type View } from "./place";
import { ProblemNote } from "./problem";
import RateView from "./rate/rate-view";
import { allStudies, STUDIES_CHANGED } from "./studies";
import type { Language } from "./words";

/** As long as the API has not said which modes there are. */
const MODES: readonly Mode[] = ["structure", "surfaces"];

/** The views that a visit may do without are fetched when they are opened. */
const LATER: Record<Exclude<View, "rate">, () => Promise<{ default: ComponentType }>> = {
  progress: () => import("./progress/progress-view"),
  history: () => import("./history/history-view"),
  captions: () => import("./captions/captions-view"),
};

export function App() {
  const { study, mode, rater, language, words, choose } = useChoice();
  const { view } = usePlace();
  const studies = useLoaded(allStudies, []);
  const shell = words.shell;

  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `${shell.tabs[view]} · ${shell.title}`;
  }, [language, shell, view]);

  // Views tell by this event that studies were begun, archived or restored.
  useEffect(() => {
    addEventListener(STUDIES_CHANGED, studies.reload);
    return () => removeEventListener(STUDIES_CHANGED, studies.reload);
  }, [studies.reload]);

  const known = studies.data ?? [];
  // Every study has the search space's modes.
  const counted = Object.keys(known[0]?.counts ?? {}) as Mode[];
  const modes = counted.length > 0 ? counted : MODES;
  const [first] = modes;
  const isMode = modes.includes(mode);
  useEffect(() => {
    if (counted.length > 0 && !isMode && first !== undefined) choose({ mode: first });
  }, [counted.length, isMode, first, choose]);
  const names = known.some((one) => one.name === study) ? known : [{ name: study, archived_at: null }, ...known];
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("content")?.focus()}>
        {shell.skip}
      </button>
      <header>
        <strong class="brand">{shell.title}</strong>
        <label>
          {shell.study}
          <select value={study} onChange={(event) => choose({ study: event.currentTarget.value })}>
            {names.map((one) => (
              <option key={one.name} value={one.name}>
                {one.archived_at ? `${one.name} (${shell.archived})` : one.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {shell.mode}
          <select value={mode} onChange={(event) => choose({ mode: event.currentTarget.value as Mode })}>
            {modes.map((one) => (
              <option key={one} value={one}>
                {shell.modes[one] ?? one}
              </option>
            ))}
          </select>
        </label>
        <label title={shell.raterHint}>
          {shell.rater}
          <input
            value={rater}
            maxLength={64}
            placeholder={shell.raterPlaceholder}
            autocomplete="nickname"
            onChange={(event) => choose({ rater: event.currentTarget.value.trim() })}
          />
        </label>
        <span class="space" />
        <fieldset class="languages" aria-label={shell.language}>
          {(["es", "en"] as Language[]).map((one) => (
            <button
              key={one}
              type="button"
              lang={one}
              aria-pressed={one === language}
              onClick={() => choose({ language: one })}
            >
              {one.toUpperCase()}
            </button>
          ))}
        </fieldset>
        <a href={`${apiAddress(location.href)}/docs`}>{shell.docs}</a>
      </header>
      <nav aria-label={shell.title}>
        {VIEWS.map((one) => (
          <a key={one} href={addressOf(one)} aria-current={one === view ? "page" : undefined}>
            {shell.tabs[one]}
          </a>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        <ProblemNote error={studies.error} retry={studies.reload} />
        <CurrentView view={view} />
      </main>
      <KeyDialog />
    </>
  );
}

function CurrentView({ view }: { view: View }) {
  const { words } = useChoice();
  const [loaded, setLoaded] = useState<{ view: View; Body: ComponentType } | null>(null);
  const [isLost, setIsLost] = useState(false);

  useEffect(() => {
    setIsLost(false);
    if (view === "rate") return;
    let current = true;
    LATER[view]().then(
      (module) => current && setLoaded({ view, Body: module.default }),
      () => current && setIsLost(true),
    );
    return () => {
      current = false;
    };
  }, [view]);

  if (view === "rate") return <RateView />;
  if (isLost) return <NotFetched />;
  if (loaded?.view !== view) return <p role="status">{words.shell.loading}</p>;
  return <loaded.Body />;
}
