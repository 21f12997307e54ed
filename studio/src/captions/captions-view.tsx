/** The view Captions. */

import { useChoice } from "../choice";
import "../style/captions.css";

export default function CaptionsView() {
  const { words } = useChoice();
  return (
    <section class="captions" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.captions}</h1>
    </section>
  );
}
