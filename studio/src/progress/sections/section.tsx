/** A part of the view: its heading, and what it reads: what went wrong, or that it is still being read. */

import type { ComponentChildren, RefObject } from "preact";
import { useChoice } from "../../choice";
import type { Loaded } from "../../loading";
import { ProblemNote } from "../../problem";

interface BodyProps {
  /** What must be there before anything can be shown. */
  reading?: readonly Loaded<unknown>[];
  children: ComponentChildren;
}

interface SectionProps extends BodyProps {
  /** What its heading is called in the page: `map`. */
  name: string;
  title: string;
  lead?: string;
  place?: RefObject<HTMLElement | null>;
}

export function Section({ name, title, lead, place, reading = [], children }: SectionProps) {
  return (
    <section ref={place ?? null} class={name} aria-labelledby={`progress-${name}`}>
      <h2 id={`progress-${name}`}>{title}</h2>
      {lead === undefined ? null : <p class="lead">{lead}</p>}
      <Body reading={reading}>{children}</Body>
    </section>
  );
}

/** What is shown once it has been read; what was read before stays while something is wrong. */
export function Body({ reading = [], children }: BodyProps) {
  const { words } = useChoice();
  const lacking = reading.some((one) => one.data === null);
  const waiting = reading.some((one) => one.data === null && one.error === null);
  return (
    <>
      {reading.map((one, at) => (
        <ProblemNote key={at} error={one.error} retry={one.reload} />
      ))}
      {lacking ? waiting ? <p class="waiting">{words.progress.reading}</p> : null : children}
    </>
  );
}
