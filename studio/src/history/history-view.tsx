/** Every rating of a study: sorted, filtered, corrected, taken away as a file. */

import { answered } from "@picture-tuning/client";
import { useMemo, useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { useLoaded } from "../loading";
import { addressOf } from "../place";
import { ProblemNote } from "../problem";
import "../style/history.css";
import { CorrectionDialog } from "./correction-dialog";
import { Downloads } from "./downloads";
import { useEntries } from "./entries";
import { FilterBar } from "./filter-bar";
import { HistoryTable } from "./history-table";
import { EVERYTHING, type Filter, inOrder, matches, type Order } from "./order";
import { StudyActions } from "./study-actions";

export default function HistoryView() {
  const { study, mode, words } = useChoice();
  const said = words.history;
  const history = useEntries(study, mode);
  const described = useLoaded(
    (signal) => answered(api.GET("/ml/studies/{name}", { params: { path: { name: study } }, signal })),
    [study],
  );
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const [order, setOrder] = useState<Order>({ column: "time", descending: true });
  const [correcting, setCorrecting] = useState<string | null>(null);

  const { entries, complete } = history;
  const shown = useMemo(
    () =>
      inOrder(
        entries.filter((entry) => matches(entry, filter)),
        order,
      ),
    [entries, filter, order],
  );
  const entry = entries.find((one) => one.id === correcting);
  const archived = described.data?.archived_at != null;

  return (
    <section class="history" aria-labelledby="view-title">
      <div class="top">
        <h1 id="view-title">{words.shell.tabs.history}</h1>
        <button type="button" class="quiet" onClick={history.reload}>
          {said.refresh}
        </button>
        <span class="space" />
        <Downloads study={study} mode={mode} />
        <StudyActions study={described.data} changed={described.reload} />
      </div>
      {archived ? <p class="hint">{said.studies.isArchived}</p> : null}
      {described.data?.note ? <p class="note">{described.data.note}</p> : null}
      <ProblemNote error={history.error} retry={history.reload} />
      {complete && entries.length === 0 ? (
        <p class="card">
          {said.empty} {archived ? null : <a href={addressOf("rate")}>{said.rate}</a>}
        </p>
      ) : (
        <>
          <FilterBar entries={entries} filter={filter} change={setFilter} />
          <p role="status">
            {complete || history.error !== null
              ? said.shown(shown.length, entries.length)
              : said.loading(entries.length)}
          </p>
          {complete && shown.length === 0 ? <p class="card">{said.noneMatch}</p> : null}
          <HistoryTable entries={shown} order={order} sort={setOrder} correct={(one) => setCorrecting(one.id)} />
        </>
      )}
      {entry === undefined ? null : (
        <CorrectionDialog
          key={entry.id}
          entry={entry}
          archived={archived}
          done={history.replace}
          outdated={history.reload}
          close={() => setCorrecting(null)}
        />
      )}
    </section>
  );
}
