/** The view Rate. */

import { useChoice } from "../choice";
import "../style/rate.css";

export default function RateView() {
  const { words } = useChoice();
  return (
    <section class="rate" aria-labelledby="view-title">
      <h1 id="view-title">{words.shell.tabs.rate}</h1>
    </section>
  );
}
