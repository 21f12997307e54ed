/** The view History. */

import { useChoice } from "../choice";
import "../style/history.css";

export default function HistoryView() {
  const { words } = useChoice();
  return (
    <section class="history" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.history}</h1>
    </section>
  );
}
