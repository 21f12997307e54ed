/** One picture: what it looks like, what it shows in words, or why it has no caption and what to do. */

import { useState } from "preact/hooks";
import { useChoice } from "../choice";
import { CopyButton } from "../copy-button";
import { Reason } from "../problem";
import { altAttribute } from "./alt-attribute";
import type { Found } from "./captioning";
import { Confidence } from "./confidence";
import { pictureFailureOf } from "./failures";
import { useSizes } from "./sizes";
import type { Picture } from "./work";

interface Properties {
  picture: Picture;
  again(): void;
  remove(): void;
}

export function PictureCard({ picture, again, remove }: Properties) {
  const { words } = useChoice();
  const said = words.captions;
  const { file, stage } = picture;
  const sizeOf = useSizes();
  const caption = stage.at === "captioned" ? stage.found.caption : null;
  const over = caption !== null || stage.at === "failed";
  const mayGoAgain = caption !== null || (stage.at === "failed" && pictureFailureOf(stage.error, words).mayPass);

  return (
    <li class="card picture">
      <Thumbnail address={picture.address} name={file.name} />
      <div class="about">
        <h2>
          <bdi>{file.name}</bdi> <span class="hint">{sizeOf(file.size)}</span>
        </h2>
        {stage.at === "captioned" ? <CaptionFound found={stage.found} /> : <Underway picture={picture} />}
      </div>
      <p class="actions">
        {caption === null ? null : (
          <>
            <CopyButton text={caption} label={said.copyText} />
            <CopyButton text={altAttribute(caption)} label={said.copyAlt} />
          </>
        )}
        {mayGoAgain ? (
          <button
            type="button"
            class="quiet"
            onClick={(event) => {
              // This button goes; the keyboard stays with the picture.
              event.currentTarget.closest("li")?.querySelector<HTMLElement>(".remove")?.focus();
              again();
            }}
            aria-label={said.againFor(file.name)}
          >
            {said.again}
          </button>
        ) : null}
        <button
          type="button"
          class="quiet remove"
          onClick={(event) => {
            const card = event.currentTarget.closest("li");
            const next = (card?.nextElementSibling ?? card?.previousElementSibling)?.querySelector(".remove");
            ((next ?? document.querySelector(".chooser input")) as HTMLElement | null)?.focus();
            remove();
          }}
          aria-label={over ? said.removeFor(file.name) : `${words.shell.cancel}: ${file.name}`}
        >
          {over ? said.remove : words.shell.cancel}
        </button>
      </p>
    </li>
  );
}

function Thumbnail({ address, name }: { address: string; name: string }) {
  const [shown, setShown] = useState(true);
  // Browsers do not show every format that is captioned.
  if (!shown) return <span class="thumbnail none">{name.split(".").pop()}</span>;
  // What it shows stands beside it.
  return <img class="thumbnail" src={address} alt="" decoding="async" onError={() => setShown(false)} />;
}

function CaptionFound({ found }: { found: Found }) {
  const { words } = useChoice();
  const said = words.captions;
  return (
    <>
      <p class="caption" lang="en">
        {found.caption}
      </p>
      <Confidence said={found} />
      {found.others.length === 0 ? null : (
        <details>
          <summary>{said.others(found.others.length)}</summary>
          <ol>
            {found.others.map((one) => (
              <li key={one.caption}>
                <span lang="en">{one.caption}</span>
                <Confidence said={one} />
              </li>
            ))}
          </ol>
        </details>
      )}
      <p class="hint">
        {found.modelVersion}
        {" · "}
        {found.uploaded
          ? said.byUpload
          : found.beamWidth === null
            ? said.beamWasOfModel
            : said.beamWas(found.beamWidth)}
      </p>
    </>
  );
}

/** What is being done, or what went wrong. */
function Underway({ picture: { stage, file } }: { picture: Picture }) {
  const { words } = useChoice();
  const said = words.captions;
  if (stage.at === "failed") {
    const { advice, reason } = pictureFailureOf(stage.error, words);
    return (
      <div class="error">
        <p>{advice}</p>
        <Reason text={reason} />
      </div>
    );
  }
  if (stage.at === "uploading") {
    const percent = Math.round(stage.share * 100);
    return (
      <p>
        {said.uploading(percent)} <progress value={percent} max={100} aria-label={`${said.uploads}: ${file.name}`} />
      </p>
    );
  }
  if (stage.at === "captioned") return null;
  return <p>{said.steps[stage.at]}</p>;
}
