/** A table of thousands of entries, of which only the rows in sight are in the page. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { written } from "../numbers";
import type { Entry } from "./entries";
import { apiOf, type Column, type Order, parametersOf } from "./order";
import { starsOf } from "./stars";

/** The height of a row in pixels, as history.css has it. */
const ROW = 44;
/** Rows before and after those in sight. */
const AHEAD = 12;

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
  const [sight, setSight] = useState({ top: 0, height: 640 });
  const said = words.history;

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const look = () => setSight({ top: element.scrollTop, height: element.clientHeight || 640 });
    look();
    element.addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      element.removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, []);

  const first = Math.max(0, Math.min(Math.floor(sight.top / ROW) - AHEAD, entries.length - 1));
  const past = Math.min(entries.length, Math.ceil((sight.top + sight.height) / ROW) + AHEAD);
  const time = new Intl.DateTimeFormat(locale, { dateStyle: "short", timeStyle: "short" });

  return (
    // Focusable, so that the keyboard scrolls it.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="frame" ref={frame} tabIndex={0} aria-label={said.caption}>
      <table aria-rowcount={entries.length + 1}>
        <caption class="visually-hidden">{said.caption}</caption>
        <thead>
          <tr aria-rowindex={1}>
            {Object.entries(said.columns).map(([name, title]) => {
              const column = SORTED[name];
              if (column === undefined)
                return (
                  <th key={name} scope="col" class={name}>
                    {title}
                  </th>
                );
              const sorted = order.column === column;
              return (
                <th
                  key={name}
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
        <tbody>
          <Space rows={first} />
          {entries.slice(first, past).map((entry, index) => (
            <tr key={entry.id} aria-rowindex={first + index + 2} class={entry.withdrawn ? "withdrawn" : undefined}>
              <td class="time">
                <time dateTime={entry.recorded_at}>{time.format(new Date(entry.recorded_at))}</time>
              </td>
              <td class="api">{apiOf(entry)}</td>
              <td
                class="parameters"
                title={parametersOf(entry)
                  .map(([name, value]) => `${name} ${written(value, locale)}`)
                  .join("\n")}
              >
                {parametersOf(entry)
                  .map(([, value]) => written(value, locale))
                  .join(" / ")}
              </td>
              <td class="stars">
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
              <td class="rater">{entry.rater}</td>
              <td class="picture" title={entry.picture ?? undefined}>
                {entry.picture}
              </td>
              <td class="comment" title={entry.comment ?? entry.failed ?? undefined}>
                {entry.comment ?? entry.failed}
              </td>
            </tr>
          ))}
          <Space rows={entries.length - past} />
        </tbody>
      </table>
    </section>
  );
}

/** A row as high as those that it stands for. */
function Space({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="space">
      <td colSpan={7} style={{ height: `${rows * ROW}px` }} />
    </tr>
  );
}
