/** A chart's numbers, opened on request: to read, and to copy. */

import { useState } from "preact/hooks";
import { useChoice } from "../../choice";
import { CopyButton } from "../../copy-button";
import type { Chart } from "./chart";
import { type Column, toCsv, toTsv, written } from "./table";

export function NumbersTable({ chart: { title, table } }: { chart: Chart }) {
  const { words } = useChoice();
  const [open, setOpen] = useState(false);
  const text = words.progress.figure;
  return (
    <details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {text.table}
        <span class="visually-hidden">: {title}</span>
      </summary>
      {open ? (
        <>
          {/* A region that scrolls sideways is reached by keyboard too. */}
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
          <section class="scrolling" tabIndex={0} aria-label={title}>
            <table>
              <caption class="visually-hidden">{title}</caption>
              <thead>
                <tr>
                  {table.columns.map((column) => (
                    <th key={column.title} scope="col" class={kindOf(column)}>
                      {column.title}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {table.rows.map((row, at) => (
                  <tr key={at}>
                    {table.columns.map((column, place) => {
                      const content = written(row[place] ?? null, column);
                      return place === 0 ? (
                        <th key={column.title} scope="row" class={kindOf(column)}>
                          {content}
                        </th>
                      ) : (
                        <td key={column.title} class={kindOf(column)}>
                          {content}
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
          <p class="actions">
            <CopyButton text={toTsv(table)} label={text.copyTsv} />
            <CopyButton text={toCsv(table)} label={text.copyCsv} />
          </p>
        </>
      ) : null}
    </details>
  );
}

function kindOf(column: Column): string | undefined {
  return column.number === undefined ? undefined : "number";
}
