/** Which view is shown, in the address: `#progress`, or `#rate?fixed=...` where one view leads to another. */

import { useEffect, useState } from "preact/hooks";

export const VIEWS = ["rate", "progress", "history", "captions"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  view: View;
  query: URLSearchParams;
}

export function placeOf(hash: string): Place {
  const [name, query] = hash.replace(/^#/, "").split("?", 2);
  const view = VIEWS.find((one) => one === name) ?? "rate";
  return { view, query: new URLSearchParams(query) };
}

export function addressOf(view: View, query: Record<string, string> = {}): string {
  const given = new URLSearchParams(query).toString();
  return `#${view}${given ? `?${given}` : ""}`;
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const moved = () => setPlace(placeOf(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}
