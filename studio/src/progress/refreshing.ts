/** When the view reads anew: on request, and when a person comes back to it. */

import { useEffect, useRef } from "preact/hooks";
import type { Loaded } from "../loading";

/** Coming back sooner than this changes nothing. */
const STALE_MS = 15_000;

/** Reads anew with each round of the view; the first is what `useLoaded` does by itself. */
export function useRefreshed<T>(loaded: Loaded<T>, round: number): Loaded<T> {
  const { reload } = loaded;
  const done = useRef(round);
  useEffect(() => {
    if (done.current === round) return;
    done.current = round;
    reload();
  }, [round, reload]);
  return loaded;
}

/** Calls `refresh` when the tab is looked at again after a while. */
export function useLookedAtAgain(refresh: () => void): void {
  useEffect(() => {
    let since = Date.now();
    const seen = () => {
      if (document.visibilityState === "visible" && Date.now() - since > STALE_MS) refresh();
      since = Date.now();
    };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [refresh]);
}

/** Whether an element has come near to what is seen; true for good. */
export function useSeen(place: { current: HTMLElement | null }, seen: () => void): void {
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        seen();
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [place, seen]);
}
