/** The whole history as a file: CSV as the API writes it for spreadsheets, or JSON. */

import { refusal } from "@picture-tuning/client";
import { useState } from "preact/hooks";
import { api } from "../api";
import { type Mode, useChoice } from "../choice";
import { withKey } from "../loading";
import { ProblemNote } from "../problem";
import { pages } from "./entries";

interface TableQuery {
  study: string;
  mode: Mode;
  include: "withdrawn";
  format: "csv";
  cursor?: string;
}

/** The pages of the history as one table: the line of names once. `told` hears how many lines there are so far. */
export async function wholeTable(study: string, mode: Mode, told: (rows: number) => void): Promise<string> {
  let table = "";
  let cursor: string | null = null;
  do {
    const query: TableQuery = {
      study,
      mode,
      include: "withdrawn",
      format: "csv",
      ...(cursor === null ? {} : { cursor }),
    };
    const { text, next } = await withKey(() => tablePage(query));
    table += table === "" ? text : text.slice(text.indexOf("\n") + 1);
    // Line breaks within quotes end no line.
    told(table.replace(/"[^"]*"/g, "").split("\r\n").length - 2);
    cursor = next;
  } while (cursor !== null);
  return table;
}

async function tablePage(query: TableQuery): Promise<{ text: string; next: string | null }> {
  const { data, error, response } = await api.GET("/ml/history", { params: { query }, parseAs: "text" });
  if (!response.ok) throw refusal(error, response);
  return { text: String(data ?? ""), next: cursorOf(response.headers.get("Link")) };
}

/** The cursor of the address that a header `Link` calls the next; null if there is none. */
export function cursorOf(link: string | null): string | null {
  const next = /<([^>]*)>\s*;\s*rel="next"/.exec(link ?? "")?.[1];
  return next === undefined ? null : new URL(next, "http://page.invalid/").searchParams.get("cursor");
}

export function Downloads({ study, mode }: { study: string; mode: Mode }) {
  const { words } = useChoice();
  const said = words.history.downloads;
  const [rows, setRows] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);

  const download = async (kind: "csv" | "json") => {
    setError(null);
    setRows(0);
    try {
      const name = `${study}-${mode}.${kind}`;
      if (kind === "csv") save(name, "text/csv;charset=utf-8", await wholeTable(study, mode, setRows));
      else {
        const entries = [];
        for await (const page of pages(study, mode, new AbortController().signal)) {
          entries.push(...page);
          setRows(entries.length);
        }
        save(name, "application/json", `${JSON.stringify(entries, null, 1)}\n`);
      }
    } catch (reason) {
      setError(reason);
    } finally {
      setRows(null);
    }
  };

  return (
    <div class="downloads">
      <span title={said.hint}>{said.title}</span>
      {(["csv", "json"] as const).map((kind) => (
        <button key={kind} type="button" class="quiet" disabled={rows !== null} onClick={() => void download(kind)}>
          {said[kind]}
        </button>
      ))}
      <span role="status">{rows === null ? "" : said.busy(rows)}</span>
      <ProblemNote error={error} />
    </div>
  );
}

function save(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
