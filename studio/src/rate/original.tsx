/** The picture that was enhanced: its hash tells the model which ratings are of the same picture. */

import { useState } from "preact/hooks";
import { useChoice } from "../choice";
import { ProblemNote } from "../problem";
import type { Original, RatingSet } from "./desk";
import { pictureId, pictureIdOfAddress } from "./picture-id";
import { PicturePlace } from "./picture-place";
import { givePicture } from "./pictures";
import type { Session } from "./session";

interface Props {
  session: Session;
  set: RatingSet;
  onLook(): void;
}

export async function originalOfFile(file: File, goesOn: boolean): Promise<Original> {
  const id = await pictureId(await file.arrayBuffer());
  void givePicture(id, file);
  return { id, name: file.name, address: null, goesOn };
}

export function OriginalPicture({ session, set, onLook }: Props) {
  const { words } = useChoice();
  const [isOpen, setIsOpen] = useState(set.original !== null);
  const [problem, setProblem] = useState<unknown>(null);
  const original = set.original;
  const goesOn = original?.goesOn ?? false;

  const give = async (made: Promise<Original>) => {
    try {
      session.setOriginal(await made);
      setProblem(null);
    } catch (error) {
      setProblem(error);
    }
  };

  return (
    <details class="original" open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        {words.rate.original}
        {original === null ? null : (
          <span class="note">
            {" "}
            <bdi>{original.name}</bdi>
          </span>
        )}
      </summary>
      <div class="panel">
        <PicturePlace
          id={original?.id ?? "original"}
          label={words.rate.originalPicture}
          address={original?.address ?? null}
          name={original?.name ?? ""}
          onFile={(file) => void give(originalOfFile(file, goesOn))}
          onAddress={(address) =>
            void give(
              pictureIdOfAddress(address).then((id) => ({ id, name: new URL(address).hostname, address, goesOn })),
            )
          }
          onRemove={() => session.setOriginal(null)}
          onLook={onLook}
        />
        <div>
          <p>{words.rate.whyOriginal}</p>
          {original === null ? null : (
            <>
              <p class="note">
                {original.address === null ? words.rate.hashIs : words.rate.addressHashIs}{" "}
                <code>{original.id.slice(0, 12)}…</code>
              </p>
              <label class="check">
                <input
                  type="checkbox"
                  checked={original.goesOn}
                  onChange={(event) => session.setOriginal({ ...original, goesOn: event.currentTarget.checked })}
                />
                {words.rate.goesOn}
              </label>
            </>
          )}
          <ProblemNote error={problem} />
        </div>
      </div>
    </details>
  );
}
