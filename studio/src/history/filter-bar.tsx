/** What narrows the table: API, rater, picture, stars, withdrawn. */

import { useMemo } from "preact/hooks";
import { useChoice } from "../choice";
import type { Entry } from "./entries";
import { apiOf, EVERYTHING, type Filter } from "./order";
import { RATINGS } from "./stars";

interface Props {
  entries: readonly Entry[];
  filter: Filter;
  change(filter: Filter): void;
}

export function FilterBar({ entries, filter, change }: Props) {
  const { words } = useChoice();
  const said = words.history;
  const apis = useMemo(() => [...new Set(entries.map(apiOf))].sort(), [entries]);
  const raters = useMemo(() => [...new Set(entries.map((entry) => entry.rater ?? ""))].sort(), [entries]);
  const narrowed = JSON.stringify(filter) !== JSON.stringify(EVERYTHING);

  return (
    <fieldset class="filter">
      <legend class="visually-hidden">{said.filter.title}</legend>
      <label>
        {said.columns.api}
        <select
          value={filter.api ?? ""}
          onChange={(event) => change({ ...filter, api: event.currentTarget.value || null })}
        >
          <option value="">{said.filter.any}</option>
          {apis.map((api) => (
            <option key={api} value={api}>
              {api}
            </option>
          ))}
        </select>
      </label>
      <label>
        {said.columns.rater}
        {/* The values begin with a letter of their own: a rater without a name is not "any". */}
        <select
          value={filter.rater === null ? "any" : `=${filter.rater}`}
          onChange={(event) => {
            const { value } = event.currentTarget;
            change({ ...filter, rater: value === "any" ? null : value.slice(1) });
          }}
        >
          <option value="any">{said.filter.any}</option>
          {raters.map((rater) => (
            <option key={rater} value={`=${rater}`}>
              {rater || said.filter.nobody}
            </option>
          ))}
        </select>
      </label>
      <label>
        {said.filter.picture}
        <input
          type="search"
          value={filter.picture}
          onInput={(event) => change({ ...filter, picture: event.currentTarget.value })}
        />
      </label>
      <Stars
        label={said.filter.least}
        value={filter.least}
        choose={(least) => change({ ...filter, least, most: Math.max(least, filter.most) })}
      />
      <Stars
        label={said.filter.most}
        value={filter.most}
        choose={(most) => change({ ...filter, most, least: Math.min(most, filter.least) })}
      />
      <label>
        {said.filter.withdrawn}
        <select
          value={filter.withdrawn}
          onChange={(event) => change({ ...filter, withdrawn: event.currentTarget.value as Filter["withdrawn"] })}
        >
          {(["show", "hide", "only"] as const).map((state) => (
            <option key={state} value={state}>
              {said.filter.withdrawnStates[state]}
            </option>
          ))}
        </select>
      </label>
      {narrowed ? (
        <button type="button" class="quiet" onClick={() => change(EVERYTHING)}>
          {said.filter.clear}
        </button>
      ) : null}
    </fieldset>
  );
}

function Stars({ label, value, choose }: { label: string; value: number; choose(rating: number): void }) {
  const { locale } = useChoice();
  return (
    <label>
      {label}
      <select value={String(value)} onChange={(event) => choose(Number(event.currentTarget.value))}>
        {RATINGS.map((rating) => (
          <option key={rating} value={String(rating)}>
            {rating.toLocaleString(locale)}
          </option>
        ))}
      </select>
    </label>
  );
}
