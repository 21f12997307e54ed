/** What lies in uploads and what became of it, page by page. */

import type { Schemas } from "@picture-tuning/client";
import { useState } from "preact/hooks";
import { useChoice } from "../choice";
import { moment } from "../moments";
import { ProblemNote, Reason } from "../problem";
import { Confidence } from "./confidence";
import { useSizes } from "./sizes";
import { STATUSES, type UploadStatus, useUploads } from "./uploads";

/** `round` is another number when there is something new to read. */
export function UploadsList({ round }: { round: number }) {
  const { words } = useChoice();
  const said = words.captions;
  const [status, setStatus] = useState<UploadStatus | "">("");
  const uploads = useUploads(status === "" ? null : status, round);
  const { rows, more, busy, error } = uploads;

  return (
    <section class="uploads" aria-labelledby="uploads-title">
      <div class="top">
        <h2 id="uploads-title">{said.uploads}</h2>
        <label>
          {said.status}
          <select value={status} onChange={(event) => setStatus(event.currentTarget.value as UploadStatus | "")}>
            <option value="">{said.anyStatus}</option>
            {STATUSES.map((one) => (
              <option key={one} value={one}>
                {said.statuses[one]}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="quiet" onClick={uploads.reload}>
          {said.refresh}
        </button>
      </div>
      <p class="hint">{said.uploadsHint}</p>
      <ProblemNote error={error} retry={uploads.reload} />
      <p role="status">{busy ? words.shell.loading : error === null ? said.listed(rows.length, more) : ""}</p>
      {rows.length === 0 ? null : <Rows rows={rows} />}
      {more ? (
        <button type="button" class="quiet" disabled={busy} onClick={uploads.readMore}>
          {said.more}
        </button>
      ) : null}
    </section>
  );
}

function Rows({ rows }: { rows: readonly Schemas["ListedUpload"][] }) {
  const { language, locale, words } = useChoice();
  const said = words.captions;
  const sizeOf = useSizes();
  return (
    <table>
      <caption class="visually-hidden">{said.uploads}</caption>
      <thead>
        <tr>
          <th scope="col">{said.columns.picture}</th>
          <th scope="col">{said.columns.status}</th>
          <th scope="col">{said.columns.said}</th>
          <th scope="col">{said.columns.uploaded}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key}>
            <th scope="row" title={row.key}>
              <bdi>{nameOf(row.key)}</bdi>
            </th>
            <td class={row.status}>{said.statuses[row.status]}</td>
            <td lang="en">
              {row.reason === null ? null : <span lang={language}>{said.failures.lasting}</span>}
              {row.caption ?? <Reason text={row.reason} />}
              {row.confidence === null ? null : (
                <span lang={language}>
                  {" "}
                  <Confidence said={{ confidence: row.confidence, sure: sureOf(row) }} />
                </span>
              )}
            </td>
            <td>
              {moment(row.uploaded_at, locale)} <span class="hint">{sizeOf(row.size)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What a person called the picture: the end of its key. */
function nameOf(key: string): string {
  return key.split("/").pop() ?? key;
}

/** Whether the bundle finds the caption as good as a person's, where the API says so. */
function sureOf(row: Schemas["ListedUpload"] & { sure?: boolean | null }): boolean | null {
  return row.sure ?? null;
}
