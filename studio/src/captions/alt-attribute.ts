/** A caption as HTML's `alt` attribute. */

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** The attribute, to be put into an `img` tag as it is: `alt="two dogs &amp; a &quot;ball&quot;"`. */
export function altAttribute(caption: string): string {
  const line = caption.replace(/\s+/g, " ").trim();
  return `alt="${line.replace(/[&<>"]/g, (sign) => ESCAPES[sign] ?? sign)}"`;
}
