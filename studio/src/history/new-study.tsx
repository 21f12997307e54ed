/** Beginning a study: its name, and which study's ratings teach it too. */

import { ApiError, answered, type Schemas } from "@picture-tuning/client";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { withKey } from "../loading";
import { Modal } from "../modal";
import { ProblemNote } from "../problem";
import { allStudies } from "../studies";

type Study = Schemas["StudyDescription"];

/** The names that the API takes. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

interface Props {
  /** The study that is chosen, as far as it is known. */
  from: Pick<Study, "name"> & Partial<Pick<Study, "samples_seen">>;
  begun(name: string): void;
  close(): void;
}

export function NewStudy({ from, begun, close }: Props) {
  const { words, locale } = useChoice();
  const said = words.history.studies;
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [name, setName] = useState("");
  const [isUnnamed, setIsUnnamed] = useState(false);
  const [note, setNote] = useState("");
  const [picked, setPicked] = useState<string | null>(null);
  const [known, setKnown] = useState<readonly Props["from"][]>([from]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [taken, setTaken] = useState<string | null>(null);

  useEffect(() => {
    const aborting = new AbortController();
    // Without the list, the study that is chosen can still be taken as the base.
    allStudies(aborting.signal).then(
      (studies) => setKnown([from, ...studies.filter((one) => one.name !== from.name)]),
      () => {},
    );
    return () => aborting.abort();
  }, []);

  // Whoever asks for a new study from within one that has ratings goes on from it, and sees so.
  const basedOn = picked ?? (from.samples_seen ? from.name : "");

  const begin = async (event: Event) => {
    event.preventDefault();
    const wrong = !NAME.test(name.trim());
    setIsUnnamed(wrong);
    if (wrong) {
      field.current?.focus();
      return;
    }
    setError(null);
    // The API would first say that a study cannot go on from itself.
    const isTaken = known.some((one) => one.name === name.trim());
    setTaken(isTaken ? name.trim() : null);
    if (isTaken) return;
    setBusy(true);
    try {
      const body = { name: name.trim(), ...(note ? { note } : {}), ...(basedOn ? { based_on: basedOn } : {}) };
      const study = await withKey(() => answered(api.POST("/ml/studies", { body })));
      begun(study.name);
    } catch (reason) {
      if (reason instanceof ApiError && reason.status === 409) setTaken(name.trim());
      else setError(reason);
      setBusy(false);
    }
  };

  const described = ({ name: one, samples_seen: ratings }: Props["from"]) => {
    const remarks = [
      ...(one === from.name ? [said.thisStudy] : []),
      ...(ratings === undefined ? [] : [words.progress.ratings(ratings, ratings.toLocaleString(locale))]),
    ];
    return remarks.length === 0 ? one : `${one} (${remarks.join(", ")})`;
  };

  return (
    <Modal kind="new-study" title={said.title} close={close}>
      {/* What is wrong is said by the page, in its own language, and not by the browser in another. */}
      <form onSubmit={begin} noValidate>
        <label>
          {said.name}
          <input
            ref={field}
            value={name}
            required
            maxLength={64}
            autocapitalize="none"
            spellcheck={false}
            aria-invalid={isUnnamed}
            aria-describedby={`${id}-name`}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <small id={`${id}-name`} class={isUnnamed ? "error" : undefined} role={isUnnamed ? "alert" : undefined}>
          {isUnnamed ? said.nameWrong : said.nameHint}
        </small>
        <label>
          {said.basedOn}
          <select
            value={basedOn}
            aria-describedby={`${id}-base`}
            onChange={(event) => setPicked(event.currentTarget.value)}
          >
            <option value="">{said.basedOnNone}</option>
            {known.map((one) => (
              <option key={one.name} value={one.name}>
                {described(one)}
              </option>
            ))}
          </select>
        </label>
        <small id={`${id}-base`} aria-live="polite">
          {basedOn === "" ? said.basedOnNoneHint : said.basedOnHint(basedOn)}
        </small>
        <label>
          {said.note}
          <textarea maxLength={500} rows={2} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        {taken === null ? null : (
          <p role="alert" class="problem">
            {said.taken(taken)}
          </p>
        )}
        <ProblemNote error={error} />
        <p class="actions">
          <button type="submit" disabled={busy}>
            {said.begin}
          </button>
          <button type="button" class="quiet" onClick={close}>
            {words.shell.cancel}
          </button>
        </p>
      </form>
    </Modal>
  );
}
