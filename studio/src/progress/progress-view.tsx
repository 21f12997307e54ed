/** The view Progress: which setting to use, how sure that is, and everything that it rests on. */

import type { ComponentType } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { useLoaded } from "../loading";
import { NotFetched } from "../not-fetched";
import { ProblemNote } from "../problem";
import type { EvidenceProps } from "./evidence";
import { readStats, readStudy, statsOf } from "./reading";
import { useLookedAtAgain, useRefreshed } from "./refreshing";
import { type Shown, useWriting } from "./shown";
import { VerdictCard } from "./verdict-card";
import "../style/progress.css";

export default function ProgressView() {
  const { study } = useChoice();
  // Another study begins anew: nothing of one is shown, for a moment, under the name of the other.
  return <ProgressOf key={study} study={study} />;
}

function ProgressOf({ study }: { study: string }) {
  const { mode, words: every } = useChoice();
  const { words, formats } = useWriting();
  const [round, setRound] = useState(0);
  /** Rounds that were asked for by the button: what costs the server most is read anew with these alone. */
  const [asked, setAsked] = useState(0);
  const refresh = useCallback(() => setRound((one) => one + 1), []);
  useLookedAtAgain(refresh);

  const all = useRefreshed(
    useLoaded((signal) => readStats(study, signal), [study]),
    round,
  );
  const described = useRefreshed(
    useLoaded((signal) => readStudy(study, signal), [study]),
    round,
  );
  const [readAt, setReadAt] = useState<Date | null>(null);
  useEffect(() => setReadAt(all.data === null ? null : new Date()), [all.data]);

  const stats = all.data === null ? null : statsOf(all.data, mode);
  const archivedAt = described.data?.archived_at ?? null;
  const basedOn = described.data?.based_on ?? null;
  const shown: Shown | null = stats === null ? null : { study, mode, stats, round };
  return (
    <section class="progress" aria-labelledby="view-title" aria-busy={all.busy}>
      <div class="top">
        <h1 id="view-title">{every.shell.tabs.progress}</h1>
        <p class="actions">
          <span class="as-of">{readAt === null ? null : words.asOf(formats.clock(readAt))}</span>
          <button
            type="button"
            class="quiet"
            disabled={all.busy}
            onClick={() => {
              setAsked(asked + 1);
              refresh();
            }}
          >
            {words.refresh}
          </button>
        </p>
      </div>
      {archivedAt === null ? null : <p class="remark">{words.study.archived(formats.moment(archivedAt))}</p>}
      {basedOn === null ? null : <p class="remark">{words.study.basedOn(basedOn)}</p>}
      <ProblemNote error={all.error} retry={refresh} />
      {all.data === null && all.error === null ? <p role="status">{words.reading}</p> : null}
      {all.data !== null && stats === null ? <p>{words.study.noMode}</p> : null}
      {shown === null ? null : <VerdictCard stats={shown.stats} archived={archivedAt !== null} />}
      {shown?.stats.recommended_parameters == null || all.data === null ? null : (
        <LaterEvidence key={mode} shown={shown} all={all.data} asked={asked} />
      )}
    </section>
  );
}

/** The charts, which come after the verdict: their library is most of what this page weighs. */
function LaterEvidence(props: EvidenceProps) {
  const { words } = useWriting();
  const [Evidence, setEvidence] = useState<ComponentType<EvidenceProps> | null>(null);
  const [isLost, setIsLost] = useState(false);
  useEffect(() => {
    import("./evidence").then(
      (module) => setEvidence(() => module.default),
      () => setIsLost(true),
    );
  }, []);
  if (isLost) return <NotFetched />;
  return Evidence === null ? <p class="waiting">{words.reading}</p> : <Evidence {...props} />;
}
