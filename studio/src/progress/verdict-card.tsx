/** The first thing that a person reads: which setting to use, and what can be done with it. */

import { CopyButton } from "../copy-button";
import { addressOf } from "../place";
import { inBrief, parametersOf } from "./setting";
import { type Shown, useWriting } from "./shown";
import { INITIAL_RATINGS, verdictOf } from "./verdict";

/** Ratings after which a mode's budget is spent: `convergence` is their share. */
const BUDGET = 50;

export function VerdictCard({ stats, archived }: Pick<Shown, "stats"> & { archived: boolean }) {
  const { words, formats } = useWriting();
  const text = words.verdict;
  const { setting, sentence, outlook, missing } = verdictOf(stats, archived, words, formats);
  const goal = setting === null ? INITIAL_RATINGS : BUDGET;
  const { best_rating: highest, best_parameters: highestOf } = stats;
  return (
    <section class="verdict card" aria-labelledby="progress-verdict">
      <h2 id="progress-verdict" class="visually-hidden">
        {text.title}
      </h2>
      <p class="sentence">{sentence}</p>
      {outlook === null ? null : <p class={stats.improving ? "outlook improving" : "outlook"}>{outlook}</p>}
      {setting === null ? null : (
        <>
          <dl class="setting" aria-label={text.parameters}>
            <div>
              <dt>api</dt>
              <dd>{String(setting.api)}</dd>
            </div>
            {parametersOf(setting).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{formats.parameter(value)}</dd>
              </div>
            ))}
          </dl>
          <p class="note">{stats.recommended_rated ? text.rated : text.notRated}</p>
        </>
      )}
      <div class="foot">
        <p class="actions">
          {setting === null ? null : <CopyButton text={JSON.stringify(setting, null, 2)} label={text.copy} />}
          {archived ? null : setting === null ? (
            <a class="button" href={addressOf("rate")}>
              {text.begin}
            </a>
          ) : (
            <a class="button" href={addressOf("rate", { fixed: JSON.stringify(setting) })}>
              {text.rate}
            </a>
          )}
        </p>
        {stats.samples_seen === 0 ? null : (
          <label class="budget">
            <span>
              {setting === null && missing > 0
                ? text.toSix(formats.count(stats.samples_seen), formats.count(goal))
                : text.budget(
                    words.ratings(stats.samples_seen, formats.count(stats.samples_seen)),
                    formats.count(goal),
                  )}
            </span>
            <progress max={goal} value={Math.min(goal, stats.samples_seen)} />
          </label>
        )}
      </div>
      {highest === null || highestOf === null ? null : (
        <p class="highest">
          <strong>{text.highest(formats.parameter(highest), inBrief(highestOf, formats))}</strong> {text.highestNote}
        </p>
      )}
    </section>
  );
}
