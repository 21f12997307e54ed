/** What can be done with studies: beginning one, archiving the one that is chosen, and restoring it. */

import { answered, type Schemas } from "@picture-tuning/client";
import { useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { withKey } from "../loading";
import { ProblemNote } from "../problem";
import { STUDIES_CHANGED } from "../studies";
import { ArchiveStudy } from "./archive-study";
import { NewStudy } from "./new-study";

interface Props {
  study: Schemas["StudyDescription"] | null;
  /** The study that is chosen was archived or restored. */
  changed(): void;
}

export function StudyActions({ study, changed }: Props) {
  const { words, study: chosen, choose } = useChoice();
  const said = words.history.studies;
  const [open, setOpen] = useState<"new" | "archive" | null>(null);
  const [error, setError] = useState<unknown>(null);
  const close = () => setOpen(null);

  const archive = async (archived: boolean) => {
    if (study === null) return;
    const params = { path: { name: study.name } };
    await withKey(() => answered(api.PATCH("/ml/studies/{name}", { params, body: { archived } })));
    dispatchEvent(new Event(STUDIES_CHANGED));
    changed();
  };

  return (
    <div class="studies">
      <button type="button" onClick={() => setOpen("new")}>
        {said.fresh}
      </button>
      {study === null || study.name === "default" ? null : study.archived_at === null ? (
        <button key="archiving" type="button" class="quiet" onClick={() => setOpen("archive")}>
          {said.archive}
        </button>
      ) : (
        <button
          key="archiving"
          type="button"
          class="quiet"
          onClick={() => {
            setError(null);
            archive(false).catch(setError);
          }}
        >
          {said.restore}
        </button>
      )}
      <ProblemNote error={error} />
      {open === "new" ? (
        <NewStudy
          from={study ?? { name: chosen }}
          begun={(name) => {
            close();
            dispatchEvent(new Event(STUDIES_CHANGED));
            choose({ study: name });
          }}
          close={close}
        />
      ) : null}
      {open === "archive" && study !== null ? (
        <ArchiveStudy name={study.name} archive={() => archive(true)} close={close} />
      ) : null}
    </div>
  );
}
