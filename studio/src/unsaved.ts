/** What a reload would take from the person: parts of the page that keep something to themselves say whether they do. */

const keepers = new Set<() => boolean>();

/** Has `keeps` asked before the page loads itself anew. */
export function mayBeUnsaved(keeps: () => boolean): void {
  keepers.add(keeps);
}

export function isAnythingUnsaved(): boolean {
  return [...keepers].some((keeps) => keeps());
}
