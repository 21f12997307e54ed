/** How people rate. */

import { useMemo } from "preact/hooks";
import { lenience, reliability } from "../charts/raters";
import { ChartFigure } from "../figure/chart-figure";
import { type Shown, useWriting } from "../shown";
import { Section } from "./section";

export function Raters({ stats }: Shown) {
  const { words, formats } = useWriting();
  const text = words.raters;
  const { raters, raters_total: total } = stats;
  const charts = useMemo(
    () => (raters.length === 0 ? [] : [lenience(raters, words, formats), reliability(raters, words, formats)]),
    [raters, words, formats],
  );
  return (
    <Section name="raters" title={text.section}>
      {charts.length === 0 ? <p>{text.nobody}</p> : null}
      <div class="charts two">
        {charts.map((chart) => (
          <ChartFigure key={chart.name} chart={chart} />
        ))}
      </div>
      {total > raters.length ? (
        <p class="note">{text.listed(formats.count(raters.length), formats.count(total))}</p>
      ) : null}
    </Section>
  );
}
