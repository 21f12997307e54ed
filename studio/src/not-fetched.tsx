/** A part of the page that could not be fetched: the server is away, or it has a newer page by now. */

import { useEffect, useState } from "preact/hooks";
import { useChoice } from "./choice";
import { reloadOnce, serverAnswers } from "./parts";
import { isAnythingUnsaved } from "./unsaved";

export function NotFetched() {
  const { words } = useChoice();
  const [state, setState] = useState<"looking" | "away" | "newer">("looking");
  const said = words.problem;

  /** Loads the page where the server has one: by itself if that is safe, or because the person says so. */
  const look = async (isAsked: boolean) => {
    if (!(await serverAnswers())) return setState("away");
    if (isAsked) location.reload();
    else if (!reloadOnce()) setState("newer");
  };
  useEffect(() => void look(false), []);

  if (state === "looking") return <p role="status">{words.shell.loading}</p>;
  return (
    <div role="alert" class="problem">
      <p>{state === "away" ? said.offline : isAnythingUnsaved() ? said.newerPageLoses : said.newerPage}</p>
      <button type="button" onClick={() => void look(true)}>
        {state === "away" ? said.again : said.reload}
      </button>
    </div>
  );
}
