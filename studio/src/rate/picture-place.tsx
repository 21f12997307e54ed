/** A place for a picture: dropped, pasted, chosen, or shown from an https address. */

import { useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import { usePicture } from "./pictures";

interface Props {
  /** Under which the picture is shown and kept. */
  id: string;
  /** What the picture is: "enhanced picture A". */
  label: string;
  address: string | null;
  /** The name that was given with it, if there is one. */
  name?: string;
  onFile(file: File): void;
  onAddress(address: string): void;
  onRemove(): void;
  onLook(): void;
}

export function PicturePlace({ id, label, address, name, onFile, onAddress, onRemove, onLook }: Props) {
  const { words } = useChoice();
  const picture = usePicture(id);
  const [broken, setBroken] = useState<string | null>(null);
  const [isOver, setIsOver] = useState(false);
  const [isAsking, setIsAsking] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const source = address ?? picture?.url ?? null;

  const take = (file: File | null | undefined) => {
    if (!file) return;
    const isPicture = file.type === "" || file.type.startsWith("image/");
    setProblem(isPicture ? null : words.rate.noPicture(file.name));
    if (isPicture) onFile(file);
  };

  return (
    <fieldset
      class={isOver ? "place over" : "place"}
      aria-label={label}
      onDragOver={(event) => {
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setIsOver(false);
        const given = event.dataTransfer;
        const text = given?.getData("text/uri-list") || given?.getData("text/plain") || "";
        if (given?.files.length) take(given.files[0]);
        else if (isAddress(text)) onAddress(text.trim());
      }}
    >
      {source !== null ? (
        <>
          {broken === source ? (
            <p class="broken" role="alert">
              {address === null ? words.rate.notShown(name ?? "") : words.rate.notFound}
            </p>
          ) : (
            <button type="button" class="picture" aria-label={words.rate.look(label)} onClick={onLook}>
              <img src={source} alt={label} referrerpolicy="no-referrer" onError={() => setBroken(source)} />
            </button>
          )}
          <button type="button" class="small remove" aria-label={words.rate.removePicture(label)} onClick={onRemove}>
            {words.rate.remove}
          </button>
          {address === null && picture?.isKept === false ? <p class="note">{words.rate.notKept}</p> : null}
        </>
      ) : (
        <div class="drop">
          <p>{words.rate.dropHere}</p>
          <p class="ways">
            <button
              type="button"
              class="quiet small"
              aria-label={words.rate.chooseFor(label)}
              onClick={() => chooser.current?.click()}
            >
              {words.rate.choose}
            </button>
            <button
              type="button"
              class="quiet small"
              aria-expanded={isAsking}
              aria-label={words.rate.addressFor(label)}
              onClick={() => setIsAsking(!isAsking)}
            >
              {words.rate.address}
            </button>
          </p>
          <input
            ref={chooser}
            type="file"
            accept="image/*"
            hidden
            aria-label={words.rate.chooseFor(label)}
            onChange={(event) => {
              take(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
          {isAsking ? (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                const given = String(new FormData(event.currentTarget).get("address") ?? "").trim();
                if (isAddress(given)) onAddress(given);
                else setProblem(words.rate.addressWrong);
              }}
            >
              <label>
                {words.rate.addressLabel}
                <input name="address" inputMode="url" autocomplete="off" placeholder="https://" maxLength={2000} />
              </label>
              <button type="submit" class="small">
                {words.rate.show}
              </button>
            </form>
          ) : null}
          {problem === null ? null : (
            <p class="error" role="alert">
              {problem}
            </p>
          )}
        </div>
      )}
    </fieldset>
  );
}

/** Whether the page may show a picture from there: its policy admits https alone. */
export function isAddress(text: string): boolean {
  try {
    return new URL(text.trim()).protocol === "https:";
  } catch {
    return false;
  }
}
