/** Charts as files that stand by themselves: SVG, and PNG at twice the size. */

import type { Palette } from "./palette";

const SVG = "http://www.w3.org/2000/svg";
const PADDING_PX = 16;
const HEADING_PX = 46;
const FACES = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export interface Heading {
  title: string;
  /** Where the numbers are from: study, mode, day. */
  source: string;
  /** What the chart shows, for screen readers. */
  sentence: string;
}

export interface Picture {
  svg: string;
  width: number;
  height: number;
}

/**
 * A drawing as an SVG file, with its heading and its background. All that style sheets say on the page is in attributes,
 * which every program that opens SVG understands.
 */
export function standalone(drawing: SVGSVGElement, { title, source, sentence }: Heading, palette: Palette): Picture {
  const inner = { width: Number(drawing.getAttribute("width")), height: Number(drawing.getAttribute("height")) };
  const width = inner.width + 2 * PADDING_PX;
  const height = inner.height + 2 * PADDING_PX + HEADING_PX;
  const file = element("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    "font-family": FACES,
    "xml:space": "preserve",
    role: "img",
    "aria-label": `${title}. ${sentence}`,
  });
  file.append(
    element("title", {}, title),
    element("desc", {}, sentence),
    element("rect", { width, height, fill: palette.card }),
    element("text", { x: PADDING_PX, y: 30, "font-size": 16, "font-weight": 600, fill: palette.ink }, title),
    element("text", { x: PADDING_PX, y: 49, "font-size": 12, fill: palette.soft }, source),
  );
  drawing.setAttribute("x", String(PADDING_PX));
  drawing.setAttribute("y", String(PADDING_PX + HEADING_PX));
  for (const one of [drawing, ...drawing.querySelectorAll("svg")]) {
    one.removeAttribute("class");
    one.setAttribute("font-family", FACES);
    one.setAttribute("overflow", "visible");
  }
  file.append(drawing);
  return {
    svg: `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(file)}\n`,
    width,
    height,
  };
}

/** The picture as PNG, at twice its size. */
export async function toPng({ svg, width, height }: Picture): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image(width, height);
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * width;
    canvas.height = 2 * height;
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("this browser draws no pictures");
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, failed) =>
      canvas.toBlob(
        (blob) => (blob === null ? failed(new Error("the picture is too large")) : done(blob)),
        "image/png",
      ),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Hands a file to the person. */
export function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads the file after the click.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function element(name: string, attributes: Record<string, string | number>, content?: string): SVGElement {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("xml:")) one.setAttributeNS("http://www.w3.org/XML/1998/namespace", key, String(value));
    else one.setAttribute(key, String(value));
  }
  if (content !== undefined) one.textContent = content;
  return one;
}
