/** Asking whether a study is to be archived, and archiving it. */

import { useState } from "preact/hooks";
import { useChoice } from "../choice";
import { Modal } from "../modal";
import { ProblemNote } from "../problem";

interface Props {
  name: string;
  /** Archives it; throws what stands in the way. */
  archive(): Promise<void>;
  close(): void;
}

export function ArchiveStudy({ name, archive, close }: Props) {
  const { words } = useChoice();
  const said = words.history.studies;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await archive();
      close();
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };

  return (
    <Modal kind="archive" title={said.archiveSure(name)} close={close}>
      <p>{said.archiveWhat}</p>
      <ProblemNote error={error} />
      <p class="actions">
        <button type="button" disabled={busy} onClick={() => void go()}>
          {said.archiveIt}
        </button>
        <button type="button" class="quiet" onClick={close}>
          {words.shell.cancel}
        </button>
      </p>
    </Modal>
  );
}
