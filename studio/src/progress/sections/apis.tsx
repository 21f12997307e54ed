/** The APIs of the mode side by side. */

import { useMemo } from "preact/hooks";
import type { Loaded } from "../../loading";
import { apisCompared, bestOfEach, chancesOf } from "../charts/apis";
import type { Curve } from "../charts/curve";
import { ChartFigure } from "../figure/chart-figure";
import type { Ratings } from "../reading";
import { apiOf } from "../setting";
import { type Shown, useWriting } from "../shown";
import { Section } from "./section";

export function Apis({ stats, ratings, curves }: Shown & { ratings: Loaded<Ratings>; curves: Loaded<Curve[][]> }) {
  const { words, formats } = useWriting();
  const chances = useMemo(
    () => chancesOf(stats.chances, Object.keys(stats.apis), words, formats),
    [stats, words, formats],
  );
  const reached = useMemo(() => {
    const best = bestOfEach(stats, (curves.data ?? []).flat());
    return apisCompared(stats, best, ratingsByApi(ratings.data), words, formats);
  }, [stats, ratings.data, curves.data, words, formats]);
  return (
    <Section name="apis" title={words.apis.section}>
      <div class="charts two">
        {Object.keys(stats.chances).length > 1 ? <ChartFigure chart={chances} /> : null}
        <ChartFigure chart={reached} />
      </div>
    </Section>
  );
}

/** Every rating of each API; none where not all were read, since the latest alone would mislead. */
export function ratingsByApi(read: Ratings | null): Map<string, number[]> {
  const byApi = new Map<string, number[]>();
  if (read?.whole !== true) return byApi;
  for (const { setting, rating } of read.ratings)
    byApi.set(apiOf(setting), [...(byApi.get(apiOf(setting)) ?? []), rating]);
  return byApi;
}
