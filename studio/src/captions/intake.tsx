/** Where pictures come in: dropped anywhere on the page, chosen, or pasted; and how they are captioned. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useChoice } from "../choice";
import type { Options } from "./captioning";

/** The widest beam that the API takes. */
const WIDEST = 10;

interface Properties {
  add(files: readonly File[]): void;
  options: Options;
  choose(options: Options): void;
}

export function Intake({ add, options, choose }: Properties) {
  const { words } = useChoice();
  const said = words.captions;
  const over = useFilesOfPage(add);

  return (
    <div class={over ? "card intake over" : "card intake"}>
      <p>
        <label class="chooser">
          {said.choose}
          <input
            type="file"
            class="visually-hidden"
            accept="image/*,.avif,.bmp,.tif,.tiff"
            multiple
            onChange={(event) => {
              add([...(event.currentTarget.files ?? [])]);
              // The same file may be chosen again.
              event.currentTarget.value = "";
            }}
          />
        </label>{" "}
        {said.orDrop}
      </p>
      <p class="hint">{said.formats}</p>
      <label>
        {said.beam}
        <select
          value={options.beamWidth ?? ""}
          aria-describedby="beam-hint"
          onChange={(event) => choose({ beamWidth: Number(event.currentTarget.value) || null })}
        >
          <option value="">{said.beamOfModel}</option>
          {Array.from({ length: WIDEST }, (_, index) => (
            <option key={index} value={index + 1}>
              {index + 1}
            </option>
          ))}
        </select>
      </label>
      <p class="hint" id="beam-hint">
        {said.beamHint}
      </p>
    </div>
  );
}

/** Takes the files that are dropped on the page or pasted into it; true while files are held over it. */
function useFilesOfPage(add: (files: readonly File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(add);
  latest.current = add;

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener(
      "dragover",
      (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    // Out of the page; from one element of it to another does not count.
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && setOver(false), { signal });
    document.addEventListener(
      "drop",
      (event) => {
        setOver(false);
        if (!hasFiles(event)) return;
        event.preventDefault();
        latest.current([...(event.dataTransfer?.files ?? [])]);
      },
      { signal },
    );
    document.addEventListener(
      "paste",
      (event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length > 0) latest.current(files);
      },
      { signal },
    );
    return () => listening.abort();
  }, []);
  return over;
}
