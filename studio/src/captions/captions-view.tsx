/** Captions: pictures that a person gives, each in words; and what lies in uploads. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { useChoice } from "../choice";
import { mayBeUnsaved } from "../unsaved";
import "../style/captions.css";
import { captioningBy, type Options } from "./captioning";
import { certaintyOf } from "./certainty";
import { pictureFailureOf } from "./failures";
import { Intake } from "./intake";
import { PictureCard } from "./picture-card";
import { UploadsList } from "./uploads-list";
import { usePictures, Work } from "./work";

const shared = new Work(captioningBy({ api }));

// Pictures and their captions last as long as the page.
mayBeUnsaved(() => shared.pictures.length > 0);

export default function CaptionsView() {
  return <CaptionsOf work={shared} />;
}

export function CaptionsOf({ work }: { work: Work }) {
  const { words } = useChoice();
  const said = words.captions;
  const pictures = usePictures(work);
  const [options, setOptions] = useState<Options>({ beamWidth: null });
  const finished = pictures.filter(({ stage }) => stage.at === "captioned" || stage.at === "failed");
  const uploaded = pictures.filter(({ stage }) => stage.at === "captioned" && stage.found.uploaded);

  return (
    <section class="captions" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.captions}</h1>
      <Intake add={(files) => work.add(files, options)} options={options} choose={setOptions} />
      {pictures.length === 0 ? null : (
        <>
          <div class="top">
            <p>{said.progress(finished.length, pictures.length)}</p>
            <button type="button" class="quiet" onClick={() => work.clear()}>
              {said.clear}
            </button>
          </div>
          <ul class="pictures" aria-label={said.pictures}>
            {pictures.map((picture) => (
              <PictureCard
                key={picture.id}
                picture={picture}
                again={() => work.again(picture.id, options)}
                remove={() => work.remove(picture.id)}
              />
            ))}
          </ul>
        </>
      )}
      <Announcer work={work} />
      <UploadsList round={uploaded.length} />
    </section>
  );
}

/** Says each result to a screen reader once, when it comes. */
function Announcer({ work }: { work: Work }) {
  const { words } = useChoice();
  const pictures = usePictures(work);
  const said = useRef(new Map(pictures.map((one) => [one.id, one.stage])));
  const [news, setNews] = useState("");

  useEffect(() => {
    const lines = [];
    for (const { id, file, stage } of pictures) {
      if (said.current.get(id) === stage) continue;
      said.current.set(id, stage);
      if (stage.at === "captioned") {
        const { caption, confidence, sure } = stage.found;
        lines.push(`${file.name}: ${caption}. ${words.captions.certainty[certaintyOf(confidence, sure)]}`);
      } else if (stage.at === "failed") {
        lines.push(`${file.name}: ${pictureFailureOf(stage.error, words).advice}`);
      }
    }
    if (lines.length > 0) setNews(lines.join(" "));
  }, [pictures, words]);

  return (
    <p class="visually-hidden" aria-live="polite" data-testid="news">
      {news}
    </p>
  );
}
