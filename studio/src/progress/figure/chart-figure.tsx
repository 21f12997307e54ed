/** A chart on the page: its drawing, which follows width, colours and language, its numbers, and its files. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useChoice } from "../../choice";
import { formatsOf } from "../formats";
import type { Chart } from "./chart";
import { NumbersTable } from "./numbers-table";
import { paletteOf, useDark } from "./palette";
import { save, standalone, toPng } from "./saving";

/** Where nothing has been laid out yet. */
const UNKNOWN_WIDTH = 640;

export function ChartFigure({ chart }: { chart: Chart }) {
  const { study, mode, language, words } = useChoice();
  const text = words.progress.figure;
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const dark = useDark();
  const [failed, setFailed] = useState(false);

  // `dark` changes what `paletteOf` reads.
  useEffect(() => {
    if (place.current === null || width === 0) return;
    const palette = paletteOf(place.current);
    place.current.replaceChildren(chart.draw({ width, palette, pointing: true }));
  }, [chart, width, dark]);

  const saveAs = async (kind: "svg" | "png") => {
    if (place.current === null) return;
    setFailed(false);
    const palette = paletteOf(place.current);
    const now = formatsOf(language).moment(new Date().toISOString());
    const source = [`${words.shell.study} ${study}`, `${words.shell.mode} ${words.shell.modes[mode] ?? mode}`, now];
    const heading = { title: chart.title, source: source.join(" · "), sentence: chart.sentence };
    try {
      const picture = standalone(
        chart.draw({ width: width || UNKNOWN_WIDTH, palette, pointing: false }),
        heading,
        palette,
      );
      const file = kind === "svg" ? new Blob([picture.svg], { type: "image/svg+xml" }) : await toPng(picture);
      save(file, `${study}-${mode}-${chart.name}.${kind}`);
    } catch {
      setFailed(true);
    }
  };

  return (
    <figure class="chart card">
      <figcaption>
        <h3>{chart.title}</h3>
        <p>{chart.sentence}</p>
      </figcaption>
      <div class="drawing" ref={place} />
      <div class="below">
        {chart.note === undefined ? null : <p class="note">{chart.note}</p>}
        <NumbersTable chart={chart} />
        <p class="actions">
          {(["svg", "png"] as const).map((kind) => (
            <button
              key={kind}
              type="button"
              class="quiet"
              aria-label={text.saveOf(kind.toUpperCase(), chart.title)}
              onClick={() => saveAs(kind)}
            >
              {text.save(kind.toUpperCase())}
            </button>
          ))}
        </p>
        {failed ? (
          <p role="alert" class="error">
            {text.notSaved}
          </p>
        ) : null}
      </div>
    </figure>
  );
}

/** The width of an element in whole pixels; 0 until it is known. */
function useWidth(place: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const measure = () => setWidth(Math.floor(element.clientWidth) || UNKNOWN_WIDTH);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return width;
}
