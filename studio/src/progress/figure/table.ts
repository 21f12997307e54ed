/** A chart's numbers: as a person reads them, and as texts to copy. */

export type Cell = string | number | null;

export interface Column {
  title: string;
  /** How its numbers are written; a column of texts has none. */
  number?: (value: number) => string;
  /** How its times, which are ISO 8601, are written. */
  time?: (iso: string) => string;
}

/** The first column names the rows. */
export interface Table {
  columns: Column[];
  rows: Cell[][];
}

/** A cell as the page shows it; an empty one for what does not apply. */
export function written(cell: Cell, column: Column): string {
  if (cell === null) return "";
  if (typeof cell === "number") return column.number?.(cell) ?? String(cell);
  return column.time?.(cell) ?? cell;
}

/**
 * Tab-separated, for pasting into a spreadsheet: numbers are written in the page's language, because a spreadsheet of
 * that language takes 3.10 for a date where people write 3,10.
 */
export function toTsv({ columns, rows }: Table): string {
  const line = (cells: string[]) => cells.map((cell) => cell.replace(/[\t\r\n]+/g, " ")).join("\t");
  const cells = (row: Cell[]) => columns.map((column, at) => asCell(row[at] ?? null, column));
  return `${[line(columns.map(({ title }) => title)), ...rows.map((row) => line(cells(row)))].join("\n")}\n`;
}

/** RFC 4180, for programs: numbers with a decimal point and with all their digits. */
export function toCsv({ columns, rows }: Table): string {
  const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const cells = (row: Cell[]) => columns.map((_, at) => quoted(asCell(row[at] ?? null, { title: "" })));
  const head = columns.map(({ title }) => quoted(title));
  return [head, ...rows.map(cells)].map((line) => `${line.join(",")}\r\n`).join("");
}

/**
 * With plain spaces. As in the API's tables, a text that a spreadsheet would take for a formula has an apostrophe
 * before it.
 */
function asCell(cell: Cell, column: Column): string {
  const text = written(cell, column).replaceAll("\u00a0", " ");
  return typeof cell === "string" && /^[=+\-@\t']/.test(text) ? `'${text}` : text;
}
