/** What the view reads from the API, put together from pages and single answers. */

import { answered, type paths, type Schemas } from "@picture-tuning/client";
import { api } from "../api";
import type { Mode } from "../choice";
import type { Curve } from "./charts/curve";
import type { NumberedRating } from "./charts/over-time";
import type { ModeStats } from "./verdict";

type CurveQuery = NonNullable<paths["/ml/surrogate"]["get"]["parameters"]["query"]>;

export type Study = Schemas["StudyDescription"];

const PAGE = 200;
/** Of more ratings the latest are drawn as dots; the line is of all. */
export const DRAWN_RATINGS = 1000;
/** Along each of two parameters. */
const MAP_POINTS = 25;

export function readStats(study: string, signal: AbortSignal): Promise<Schemas["Stats"]> {
  return answered(api.GET("/ml/stats", { params: { query: { study } }, signal }));
}

export async function readModeStats(study: string, mode: Mode, signal: AbortSignal): Promise<ModeStats | null> {
  const stats = await answered(api.GET("/ml/stats", { params: { query: { study, mode } }, signal }));
  return statsOf(stats, mode);
}

/** The part of the statistics that is of a mode; null where the search space has none of this name. */
export function statsOf(stats: Schemas["Stats"], mode: Mode): ModeStats | null {
  const modes: Partial<Record<string, ModeStats>> = stats.modes;
  return modes[mode] ?? null;
}

export function readProgress(study: string, mode: Mode, signal: AbortSignal): Promise<Schemas["ProgressSoFar"]> {
  return answered(api.GET("/ml/progress", { params: { query: { study, mode } }, signal }));
}

export function readStudy(name: string, signal: AbortSignal): Promise<Study> {
  return answered(api.GET("/ml/studies/{name}", { params: { path: { name } }, signal }));
}

export interface Ratings {
  /** The earliest first. */
  ratings: NumberedRating[];
  /** Whether they are all that the mode has. */
  whole: boolean;
}

/**
 * The latest ratings of a mode that count, numbered as GET /ml/progress numbers them.
 *
 * @param total how many the mode has, by which the latest are numbered where the first were not read
 */
export async function readRatings(study: string, mode: Mode, total: number, signal: AbortSignal): Promise<Ratings> {
  const latest: Schemas["Rated"][] = [];
  let cursor: string | null = null;
  do {
    const query: { study: string; mode: Mode; limit: number; cursor?: string } = {
      study,
      mode,
      limit: PAGE,
      ...(cursor === null ? {} : { cursor }),
    };
    // The same path answers CSV to who asks for it.
    const page = (await answered(api.GET("/ml/history", { params: { query }, signal }))) as Schemas["History"];
    latest.push(...page.observations.filter((one) => one.rating !== null && !one.withdrawn));
    cursor = page.next_cursor ?? null;
  } while (cursor !== null && latest.length < DRAWN_RATINGS);
  const whole = cursor === null;
  return { ratings: numbered(latest, whole ? latest.length : Math.max(total, latest.length)), whole };
}

/** Numbers ratings that come newest first, of which the newest is the `last`; the earliest comes first. */
export function numbered(latest: readonly Schemas["Rated"][], last: number): NumberedRating[] {
  return latest
    .map((one, at) => ({
      order: last - at,
      rating: one.rating ?? 0,
      setting: one.parameters,
      recordedAt: one.recorded_at,
      rater: one.rater,
    }))
    .reverse();
}

/** The parameters of each API of a mode, the recommended one's first. */
export function parametersByApi(stats: ModeStats): Map<string, string[]> {
  const names = new Map<string, string[]>();
  const recommended = stats.recommended_parameters;
  if (recommended !== null)
    names.set(
      String(recommended.api),
      Object.keys(recommended).filter((name) => name !== "api"),
    );
  for (const [one, shares] of Object.entries(stats.importance)) {
    if (!names.has(one)) names.set(one, Object.keys(shares.parameters));
  }
  return names;
}

/**
 * The curves along every parameter of every API: those of one coordinate together, as the API answers them for the
 * name that the first of the APIs has for it.
 */
export async function readCurves(
  study: string,
  mode: Mode,
  parameters: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<Curve[][]> {
  const groups: Curve[][] = [];
  const known = new Set<string>();
  for (const [one, names] of parameters) {
    const lacking = names.filter((name) => !known.has(`${one} ${name}`));
    const first = groups.length === 0;
    const answers = await Promise.all(
      lacking.map((name) => readCurve(study, mode, [name], first ? null : one, null, signal)),
    );
    for (const { curves } of answers) {
      for (const curve of curves) known.add(`${curve.api} ${curve.parameters[0]}`);
      groups.push(...ofOneKind(curves));
    }
  }
  return groups;
}

/** Choices and numbers have no axis in common, even where APIs call them alike. */
function ofOneKind(curves: readonly Curve[]): Curve[][] {
  const isChoice = ({ points }: Curve) => points.some(({ values }) => typeof values[0] === "string");
  const kinds = [curves.filter((curve) => !isChoice(curve)), curves.filter(isChoice)];
  return kinds.filter((kind) => kind.length > 0);
}

/** What is expected of one API over two of its parameters. */
export async function readMap(
  study: string,
  mode: Mode,
  one: string,
  names: readonly [string, string],
  signal: AbortSignal,
): Promise<Curve | null> {
  const { curves } = await readCurve(study, mode, names, one, MAP_POINTS, signal);
  return curves.find((curve) => curve.api === one) ?? null;
}

function readCurve(
  study: string,
  mode: Mode,
  names: readonly string[],
  one: string | null,
  points: number | null,
  signal: AbortSignal,
): Promise<Schemas["Curves"]> {
  // The names come from answers of the same API, whose document lists those of one search space.
  const query: CurveQuery = { study, mode, parameter: [...names] as NonNullable<CurveQuery["parameter"]> };
  if (one !== null) query.api = one as NonNullable<CurveQuery["api"]>;
  if (points !== null) query.points = points;
  return answered(api.GET("/ml/surrogate", { params: { query }, signal }));
}
