/** A table of thousands of entries, of which only the rows in sight are in the page. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { moment } from "../moments";
import { written } from "../numbers";
import type { Entry } from "./entries";
import { apiOf, type Column, type Order, parametersOf } from "./order";
import { starsOf } from "./stars";

/** The height of a row in pixels where no style says so. */
const ROW = 44;
/** Rows before and after those in sight. */
const AHEAD = 12;

/** Browsers forget what a table's elements are once these are laid out as cards, which history.css does on a phone. */
const ROLES = {
  table: { role: "table" },
  rows: { role: "rowgroup" },
  row: { role: "row" },
  head: { role: "columnheader" },
  cell: { role: "cell" },
} as const;

const SORTED: Record<string, Column> = { time: "time", api: "api", stars: "stars", rater: "rater", picture: "picture" };

interface Props {
  entries: readonly Entry[];
  order: Order;
  sort(order: Order): void;
  correct(entry: Entry): void;
}

export function HistoryTable({ entries, order, sort, correct }: Props) {
  const { words, locale } = useChoice();
  const frame = useRef<HTMLElement>(null);
  const [sight, setSight] = useState<Sight>({ row: ROW, from: 0, rows: 15 });
  const said = words.history;

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const look = () => {
      const now = sightOf(element);
      // Most of what is scrolled shows the same rows.
      setSight((before) =>
        before.from === now.from && before.rows === now.rows && before.row === now.row ? before : now,
      );
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    // It grows with the first entries, and with the window.
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      sizes.disconnect();
    };
  }, []);

  const first = Math.max(0, Math.min(sight.from - AHEAD, entries.length - 1));
  const past = Math.min(entries.length, sight.from + sight.rows + AHEAD);

  return (
    // Focusable, so that the keyboard scrolls it.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="frame" ref={frame} tabIndex={0} aria-label={said.caption}>
      <table {...ROLES.table} aria-rowcount={entries.length + 1}>
        <caption class="visually-hidden">{said.caption}</caption>
        <thead {...ROLES.rows}>
          <tr {...ROLES.row} aria-rowindex={1}>
            {Object.entries(said.columns).map(([name, title]) => {
              const column = SORTED[name];
              if (column === undefined)
                return (
                  <th key={name} {...ROLES.head} scope="col" class={name}>
                    {title}
                  </th>
                );
              const sorted = order.column === column;
              return (
                <th
                  key={name}
                  {...ROLES.head}
                  scope="col"
                  class={name}
                  aria-sort={sorted ? (order.descending ? "descending" : "ascending") : "none"}
                >
                  <button
                    type="button"
                    class="sort"
                    onClick={() =>
                      sort({ column, descending: sorted ? !order.descending : column === "time" || column === "stars" })
                    }
                  >
                    {title}
                    <span aria-hidden="true">{sorted ? (order.descending ? " ↓" : " ↑") : ""}</span>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody {...ROLES.rows}>
          <Space height={first * sight.row} />
          {entries.slice(first, past).map((entry, index) => (
            <tr
              key={entry.id}
              {...ROLES.row}
              aria-rowindex={first + index + 2}
              class={entry.withdrawn ? "withdrawn" : undefined}
            >
              <td {...ROLES.cell} class="time">
                <time dateTime={entry.recorded_at}>{moment(entry.recorded_at, locale)}</time>
              </td>
              <td {...ROLES.cell} class="api">
                {apiOf(entry)}
              </td>
              <td
                {...ROLES.cell}
                class="parameters"
                title={parametersOf(entry)
                  .map(([name, value]) => `${name} ${written(value, locale)}`)
                  .join("\n")}
              >
                {parametersOf(entry)
                  .map(([, value]) => written(value, locale))
                  .join(" / ")}
              </td>
              <td {...ROLES.cell} class="stars">
                <button
                  type="button"
                  class="quiet"
                  aria-label={said.correct(entry.rating === null ? said.failed : said.starsOf(entry.rating))}
                  title={entry.failed ?? undefined}
                  onClick={() => correct(entry)}
                >
                  <span aria-hidden="true">{entry.rating === null ? said.failed : starsOf(entry.rating, locale)}</span>
                </button>
                {entry.withdrawn ? <small>{said.withdrawn}</small> : null}
                {!entry.withdrawn && entry.revision > 1 ? <small>{said.corrected}</small> : null}
              </td>
              <td {...ROLES.cell} class="rater" data-title={said.columns.rater}>
                {entry.rater}
              </td>
              <td {...ROLES.cell} class="picture" data-title={said.columns.picture} title={entry.picture ?? undefined}>
                {entry.picture}
              </td>
              <td {...ROLES.cell} class="comment" title={entry.comment ?? entry.failed ?? undefined}>
                {entry.comment ?? entry.failed}
              </td>
            </tr>
          ))}
          <Space height={(entries.length - past) * sight.row} />
        </tbody>
      </table>
    </section>
  );
}

interface Sight {
  /** The height of a row in pixels. */
  row: number;
  /** The first row in sight. */
  from: number;
  rows: number;
}

function sightOf(frame: HTMLElement): Sight {
  const row = Number.parseFloat(getComputedStyle(frame).getPropertyValue("--row")) || ROW;
  return {
    row,
    from: Math.floor(frame.scrollTop / row),
    // One may be in sight with its end alone, another with its beginning.
    rows: Math.ceil((frame.clientHeight || 640) / row) + 1,
  };
}

/** A row as high as those that it stands for. */
function Space({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row takes no focus
    <tr class="space" aria-hidden="true">
      <td colSpan={7} style={{ height: `${height}px` }} />
    </tr>
  );
}
