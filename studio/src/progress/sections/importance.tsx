/** Which parameters matter. */

import { useMemo } from "preact/hooks";
import { importanceOf } from "../charts/importance";
import { ChartFigure } from "../figure/chart-figure";
import { type Shown, useWriting } from "../shown";
import { Section } from "./section";

export function Importance({ stats }: Shown) {
  const { words, formats } = useWriting();
  const charts = useMemo(() => {
    const apis = Object.keys(stats.apis);
    const all = Object.entries(stats.importance);
    const reach = Math.max(...all.flatMap(([, shares]) => Object.values(shares.parameters).map(({ total }) => total)));
    const counts: Partial<Record<string, { count: number }>> = stats.apis;
    return all.map(([api, shares]) => importanceOf(api, shares, reach, counts[api]?.count ?? 0, apis, words, formats));
  }, [stats, words, formats]);
  if (charts.length === 0) return null;
  return (
    <Section name="importance" title={words.importance.section} lead={words.importance.lead}>
      <div class="charts two">
        {charts.map((chart) => (
          <ChartFigure key={chart.name} chart={chart} />
        ))}
      </div>
    </Section>
  );
}
