/** What the verdict rests on, in charts: fetched with Observable Plot once there is a recommendation. */

import type { Schemas } from "@picture-tuning/client";
import { useMemo } from "preact/hooks";
import { useLoaded } from "../loading";
import { parametersByApi, readCurves, readRatings } from "./reading";
import { useRefreshed } from "./refreshing";
import { AlongParameters } from "./sections/along-parameters";
import { Apis } from "./sections/apis";
import { Comparisons } from "./sections/comparisons";
import { Importance } from "./sections/importance";
import { ParameterMap } from "./sections/map";
import { OverTime } from "./sections/over-time";
import { Raters } from "./sections/raters";
import type { Shown } from "./shown";

export interface EvidenceProps {
  shown: Shown;
  /** The statistics of every mode. */
  all: Schemas["Stats"];
  /** Rounds that were asked for by the button: what costs the server most is read anew with these alone. */
  asked: number;
}

export default function Evidence({ shown, all, asked }: EvidenceProps) {
  const { study, mode, stats, round } = shown;
  const parameters = useMemo(() => parametersByApi(stats), [stats]);
  const ratings = useRefreshed(
    useLoaded((signal) => readRatings(study, mode, stats.samples_seen, signal), [study, mode]),
    round,
  );
  const curves = useRefreshed(
    useLoaded((signal) => readCurves(study, mode, parameters, signal), [study, mode, [...parameters]]),
    round,
  );
  return (
    <>
      <OverTime {...shown} ratings={ratings} />
      <AlongParameters {...shown} curves={curves} />
      <ParameterMap {...shown} />
      <Apis {...shown} ratings={ratings} curves={curves} />
      <Importance {...shown} />
      <Raters {...shown} />
      <Comparisons {...shown} round={asked} all={all} />
    </>
  );
}
