/** The modes of the study, and the studies of the stack, side by side. */

import type { Schemas } from "@picture-tuning/client";
import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { type Mode, useChoice } from "../../choice";
import { useLoaded } from "../../loading";
import { allStudies } from "../../studies";
import { type Compared, compared } from "../charts/compared";
import { ChartFigure } from "../figure/chart-figure";
import { readModeStats, type Study } from "../reading";
import { useRefreshed, useSeen } from "../refreshing";
import { type Shown, useWriting } from "../shown";
import { INITIAL_RATINGS, type ModeStats } from "../verdict";
import { Body, Section } from "./section";

/** Statistics cost the server a moment each: so many studies at first, and with each request for more. */
const AT_ONCE = 20;
/** Asked for at the same time. */
const ABREAST = 2;

export function Comparisons({ study, mode, stats, all, round }: Shown & { all: Schemas["Stats"] }) {
  const { words: every } = useChoice();
  const { words, formats } = useWriting();
  const text = words.compared;
  const place = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  useSeen(
    place,
    useCallback(() => setSeen(true), []),
  );
  const modes = useMemo(
    () =>
      Object.entries(all.modes).map(
        ([name, one]): Compared => ({
          name: every.shell.modes[name] ?? name,
          remarks: [],
          ratings: one.samples_seen,
          stats: one,
          current: name === mode,
        }),
      ),
    [all, mode, every],
  );
  const chart = useMemo(
    () => compared(modes, { name: "modes", title: text.modes, column: text.mode }, words, formats),
    [modes, text, words, formats],
  );
  return (
    <Section name="comparisons" title={text.section} place={place}>
      <div class="charts two">
        {modes.length > 1 ? <ChartFigure chart={chart} /> : null}
        {seen ? <Studies study={study} mode={mode} stats={stats} round={round} /> : null}
      </div>
    </Section>
  );
}

function Studies({ study, mode, stats, round }: Shown) {
  const { words: every } = useChoice();
  const { words, formats } = useWriting();
  const text = words.compared;
  const wanted = useRef(AT_ONCE);
  const known = useRef({ of: round, stats: new Map<string, ModeStats | null>() });
  const keyOf = (one: Study) => `${one.name} ${mode}`;
  const reading = useLoaded(
    async (signal) => {
      if (known.current.of !== round) known.current = { of: round, stats: new Map() };
      const { stats: found } = known.current;
      const studies = await allStudies(signal);
      const first = inOrder(studies, study, mode).slice(0, wanted.current);
      const lacking = first.filter(
        (one) => one.name !== study && ratingsOf(one, mode) >= INITIAL_RATINGS && !found.has(keyOf(one)),
      );
      await abreast(ABREAST, lacking, async (one) => {
        found.set(keyOf(one), await readModeStats(one.name, mode, signal));
      });
      return { first, found, more: studies.length - first.length, total: studies.length };
    },
    [study, mode],
  );
  const { data } = useRefreshed(reading, round);
  const chart = useMemo(() => {
    if (data === null) return null;
    const things = data.first.map(
      (one): Compared => ({
        name: one.name,
        remarks: [
          ...(one.archived_at === null ? [] : [text.archived]),
          ...(one.based_on === null ? [] : [text.basedOn(one.based_on)]),
        ],
        ratings: ratingsOf(one, mode),
        stats: one.name === study ? stats : (data.found.get(`${one.name} ${mode}`) ?? null),
        current: one.name === study,
      }),
    );
    const title = text.studiesIn(every.shell.modes[mode] ?? mode);
    return compared(things, { name: "studies", title, column: text.study }, words, formats);
  }, [data, study, mode, stats, text, words, formats, every]);
  if (data !== null && data.total < 2) return null;
  return (
    <Body reading={[reading]}>
      {chart === null ? null : <ChartFigure chart={chart} />}
      {data !== null && data.more > 0 ? (
        <button
          type="button"
          class="quiet"
          disabled={reading.busy}
          onClick={() => {
            wanted.current += AT_ONCE;
            reading.reload();
          }}
        >
          {text.more(formats.count(Math.min(AT_ONCE, data.more)))}
        </button>
      ) : null}
    </Body>
  );
}

/** The one that is shown, then those of which something was heard most recently. */
export function inOrder(studies: readonly Study[], shown: string, mode: Mode): Study[] {
  const rank = (one: Study) => (one.name === shown ? 2 : ratingsOf(one, mode) > 0 ? 1 : 0);
  const at = (one: Study) => one.last_activity ?? one.created_at ?? "";
  return [...studies].sort((a, b) => rank(b) - rank(a) || (at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : 0));
}

function ratingsOf(study: Study, mode: Mode): number {
  const counts: Partial<Record<string, number>> = study.counts;
  return counts[mode] ?? 0;
}

/** Does `work` for every item, for so many at a time. */
async function abreast<T>(many: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const one = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: many }, one));
}
