/** How much each parameter of an API matters: alone, and together with others. */

import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart } from "../figure/chart";
import type { Formats } from "../formats";
import { bars } from "./bars";
import { looksOf } from "./looks";

/** Before so many ratings the shares are mostly those that the model expects of any study. */
const TELLING = 20;

/**
 * @param reach the highest share of any API, so that the bars of all have one scale
 * @param ratings of this API
 */
export function importanceOf(
  api: string,
  { spread, parameters }: Schemas["ApiShares"],
  reach: number,
  ratings: number,
  apis: readonly string[],
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.importance;
  const { share, points } = formats;
  const rows = Object.entries(parameters)
    .map(([parameter, shares]) => ({ parameter, ...shares }))
    .sort((a, b) => b.total - a.total);
  const [most] = rows;
  const sentence =
    most === undefined ? "" : text.sentence(most.parameter, share(most.first), share(most.total), points(spread));
  return {
    name: `importance-${api}`,
    title: text.title(api),
    sentence,
    ...(ratings < TELLING ? { note: text.early } : {}),
    draw: (frame) => {
      const { color } = looksOf(apis, frame.palette)(api);
      const drawn = rows.map((row) => ({
        label: row.parameter,
        detail: text.both(share(row.first), share(row.total)),
        color,
        share: row.first,
        whole: row.total,
      }));
      return bars(frame, sentence, drawn, share, {
        key: [
          { label: text.first, color, look: "bar" },
          { label: text.total, color, look: "band" },
        ],
        reach,
      });
    },
    table: {
      columns: [
        { title: words.columns.parameter },
        { title: text.first, number: share },
        { title: text.total, number: share },
      ],
      rows: rows.map((row) => [row.parameter, row.first, row.total]),
    },
  };
}
