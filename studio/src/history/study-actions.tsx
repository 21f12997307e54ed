/** Beginning a study, archiving the one that is chosen, and restoring it. */

import { ApiError, answered, type Schemas } from "@picture-tuning/client";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { withKey } from "../loading";
import { ProblemNote } from "../problem";
import { allStudies, STUDIES_CHANGED } from "../studies";

type Study = Schemas["StudyDescription"];

interface Props {
  study: Study | null;
  /** The study that is chosen was archived or restored. */
  changed(): void;
}

export function StudyActions({ study, changed }: Props) {
  const { words, choose } = useChoice();
  const said = words.history.studies;
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const archive = async (archived: boolean) => {
    if (study === null || (archived && !confirm(said.archiveSure(study.name)))) return;
    setError(null);
    try {
      const params = { path: { name: study.name } };
      await withKey(() => answered(api.PATCH("/ml/studies/{name}", { params, body: { archived } })));
      dispatchEvent(new Event(STUDIES_CHANGED));
      changed();
    } catch (reason) {
      setError(reason);
    }
  };

  return (
    <div class="studies">
      <button type="button" onClick={() => setOpen(true)}>
        {said.fresh}
      </button>
      {study === null || study.name === "default" ? null : (
        <button type="button" class="quiet" onClick={() => void archive(study.archived_at === null)}>
          {study.archived_at === null ? said.archive : said.restore}
        </button>
      )}
      <ProblemNote error={error} />
      {open ? (
        <NewStudy
          basis={study?.name ?? "default"}
          begun={(name) => {
            setOpen(false);
            dispatchEvent(new Event(STUDIES_CHANGED));
            choose({ study: name });
          }}
          close={() => setOpen(false)}
        />
      ) : null}
    </div>
  );
}

function NewStudy({ basis, begun, close }: { basis: string; begun(name: string): void; close(): void }) {
  const { words } = useChoice();
  const said = words.history.studies;
  const title = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const [basedOn, setBasedOn] = useState("");
  const [known, setKnown] = useState<string[]>([basis]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal?.();
    const aborting = new AbortController();
    // Without the list, the study that is chosen can still be taken as the base.
    allStudies(aborting.signal).then(
      (studies) => setKnown(studies.map((one) => one.name)),
      () => {},
    );
    return () => {
      aborting.abort();
      // A dialog that is taken out of the page does not give the focus back to what had it.
      shown?.close?.();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);

  const begin = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const body = { name: name.trim(), ...(note ? { note } : {}), ...(basedOn ? { based_on: basedOn } : {}) };
      const study = await withKey(() => answered(api.POST("/ml/studies", { body })));
      begun(study.name);
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };

  return (
    <dialog ref={dialog} class="new-study" aria-labelledby={title} onClose={close}>
      <form onSubmit={begin}>
        <h2 id={title}>{said.title}</h2>
        <label>
          {said.name}
          <input
            value={name}
            required
            maxLength={64}
            pattern="[a-z0-9][a-z0-9._\-]*"
            title={said.nameHint}
            autocapitalize="none"
            spellcheck={false}
            aria-describedby={`${title}-name`}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <small id={`${title}-name`}>{said.nameHint}</small>
        </label>
        <label>
          {said.basedOn}
          <select
            value={basedOn}
            aria-describedby={`${title}-base`}
            onChange={(event) => setBasedOn(event.currentTarget.value)}
          >
            <option value="">{said.basedOnNone}</option>
            {known.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
          <small id={`${title}-base`}>{said.basedOnHint}</small>
        </label>
        <label>
          {said.note}
          <textarea maxLength={500} rows={2} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        {error instanceof ApiError && error.status === 409 ? (
          <p role="alert" class="problem">
            {said.taken(name.trim())}
          </p>
        ) : (
          <ProblemNote error={error} />
        )}
        <p class="actions">
          <button type="submit" disabled={busy}>
            {said.begin}
          </button>
          <button type="button" class="quiet" onClick={close}>
            {words.shell.cancel}
          </button>
        </p>
      </form>
    </dialog>
  );
}
