/** A curve for every parameter. */

import { useMemo } from "preact/hooks";
import type { Loaded } from "../../loading";
import { alongParameter, type Curve } from "../charts/curve";
import { ChartFigure } from "../figure/chart-figure";
import { type Shown, useWriting } from "../shown";
import { Section } from "./section";

export function AlongParameters({ stats, curves }: Shown & { curves: Loaded<Curve[][]> }) {
  const { words, formats } = useWriting();
  const charts = useMemo(() => {
    const recommended = String(stats.recommended_parameters?.api);
    const apis = Object.keys(stats.apis);
    return (curves.data ?? []).map((group) => alongParameter(group, recommended, apis, words, formats));
  }, [curves.data, stats, words, formats]);
  return (
    <Section name="along" title={words.along.section} lead={words.along.lead} reading={[curves]}>
      <div class="charts three">
        {charts.map((chart) => (
          <ChartFigure key={chart.name} chart={chart} />
        ))}
      </div>
      <p class="note">{words.along.note}</p>
    </Section>
  );
}
