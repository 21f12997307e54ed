/** A map of one API over two of its parameters, which a person chooses. */

import { useMemo, useState } from "preact/hooks";
import { useLoaded } from "../../loading";
import { type Layer, overTwo } from "../charts/map";
import { ChartFigure } from "../figure/chart-figure";
import { parametersByApi, readMap } from "../reading";
import { useRefreshed } from "../refreshing";
import { type Shown, useWriting } from "../shown";
import type { ModeStats } from "../verdict";
import { Body, Section } from "./section";

const LAYERS: readonly Layer[] = ["mean", "deviation"];

interface Chosen {
  api: string;
  across: string;
  up: string;
}

/** The two parameters that matter most, of the recommended API or of another one. */
export function mostTelling(stats: ModeStats, api: string, names: readonly string[]): [string, string] | null {
  const shares = stats.importance[api]?.parameters ?? {};
  const total = (name: string) => shares[name]?.total ?? 0;
  const [across, up] = [...names].sort((a, b) => total(b) - total(a));
  return across === undefined || up === undefined ? null : [across, up];
}

export function ParameterMap({ study, mode, stats, round }: Shown) {
  const { words, formats } = useWriting();
  const text = words.map;
  const parameters = useMemo(() => parametersByApi(stats), [stats]);
  const [wanted, want] = useState<Partial<Chosen>>({});

  // What was wanted may belong to another mode's APIs.
  const apis = [...parameters.keys()].filter((api) => (parameters.get(api)?.length ?? 0) > 1);
  const api = apis.find((one) => one === wanted.api) ?? apis[0];
  const names = api === undefined ? [] : (parameters.get(api) ?? []);
  const telling = api === undefined ? null : mostTelling(stats, api, names);
  const across = names.find((name) => name === wanted.across) ?? telling?.[0];
  const others = names.filter((name) => name !== across);
  const up = others.find((name) => name === wanted.up) ?? others.find((name) => telling?.includes(name)) ?? others[0];

  const read = useLoaded(
    async (signal) =>
      api === undefined || across === undefined || up === undefined
        ? null
        : readMap(study, mode, api, [across, up], signal),
    [study, mode, api, across, up],
  );
  const { data } = useRefreshed(read, round);
  const charts = useMemo(
    () => (data === null ? [] : LAYERS.map((layer) => overTwo(data, layer, words, formats))),
    [data, words, formats],
  );
  if (api === undefined || across === undefined || up === undefined) return null;
  return (
    <Section name="map" title={text.section}>
      <div class="choices">
        <Select label={text.api} value={api} options={apis} choose={(value) => want({ api: value })} />
        <Select
          label={text.across}
          value={across}
          options={names}
          choose={(value) => want({ api, across: value, up: value === up ? across : up })}
        />
        <Select label={text.up} value={up} options={others} choose={(value) => want({ api, across, up: value })} />
      </div>
      <Body reading={[read]}>
        <div class="charts two">
          {charts.map((chart) => (
            <ChartFigure key={chart.name} chart={chart} />
          ))}
        </div>
      </Body>
    </Section>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly string[];
  choose(value: string): void;
}

function Select({ label, value, options, choose }: SelectProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {options.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}
