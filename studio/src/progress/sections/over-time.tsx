/** How the recommendation came about: the ratings one by one. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Loaded } from "../../loading";
import { useLoaded } from "../../loading";
import { overTime } from "../charts/over-time";
import { ChartFigure } from "../figure/chart-figure";
import { type Ratings, readProgress } from "../reading";
import { useRefreshed } from "../refreshing";
import { type Shown, useWriting } from "../shown";
import { Section } from "./section";

/** The server works out what it can within its time, and remembers it; so often it is asked for the rest. */
const ASKED_AGAIN = 30;
const PAUSE_MS = 1000;

export function OverTime({ study, mode, stats, round, ratings }: Shown & { ratings: Loaded<Ratings> }) {
  const { words, formats } = useWriting();
  const steps = useRefreshed(
    useLoaded((signal) => readProgress(study, mode, signal), [study, mode]),
    round,
  );
  const { data, busy, error, reload } = steps;
  const asked = useRef(0);
  const partial = data !== null && !data.complete && error === null;

  // Another study or a new round counts anew.
  useEffect(() => {
    asked.current = 0;
  }, [study, mode, round]);
  useEffect(() => {
    if (!partial || busy || asked.current >= ASKED_AGAIN) return;
    asked.current += 1;
    const timer = setTimeout(reload, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [partial, busy, reload]);

  const apis = useMemo(() => Object.keys(stats.apis), [stats]);
  const chart = useMemo(
    () => data && ratings.data && overTime(ratings.data.ratings, data.steps, apis, words, formats),
    [data, ratings.data, apis, words, formats],
  );
  return (
    <Section name="over-time" title={words.overTime.section} reading={[steps, ratings]}>
      {chart === null ? null : <ChartFigure chart={chart} />}
      {partial ? <p role="status">{words.overTime.working}</p> : null}
      {ratings.data === null || ratings.data.whole ? null : (
        <p class="note">
          {words.overTime.latest(formats.count(ratings.data.ratings.length), formats.count(stats.samples_seen))}
        </p>
      )}
    </Section>
  );
}
