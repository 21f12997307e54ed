/** The view Progress. */

import { useChoice } from "../choice";
import "../style/progress.css";

export default function ProgressView() {
  const { words } = useChoice();
  return (
    <section class="progress" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.progress}</h1>
    </section>
  );
}
