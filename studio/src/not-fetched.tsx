/** A part of the page that could not be fetched: the server is away, or it has a newer page by now. */

import { useChoice } from "./choice";

export function NotFetched() {
  const { words } = useChoice();
  // Loading the page while the server is away would take from the person what is on the screen.
  const again = () => {
    fetch(location.href, { cache: "no-store" }).then(
      (answer) => {
        if (answer.ok) location.reload();
      },
      () => {},
    );
  };
  return (
    <div role="alert" class="problem">
      <p>{words.problem.notFetched}</p>
      <button type="button" onClick={again}>
        {words.problem.again}
      </button>
    </div>
  );
}
