import { vi } from "vitest";

/** Makes the browser's storage refuse whatever is added to it, until globals are put back. */
export function fillStorage(): void {
  const real = localStorage;
  vi.stubGlobal("localStorage", {
    get length() {
      return real.length;
    },
    key: (index: number) => real.key(index),
    getItem: (name: string) => real.getItem(name),
    removeItem: (name: string) => real.removeItem(name),
    clear: () => real.clear(),
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
}
