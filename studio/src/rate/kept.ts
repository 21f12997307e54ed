/** The browser's storage of texts. What it refuses, because it is full or turned off, is said and never thrown. */

/** The value that was kept under `name`; null if there is none that can be read. */
export function kept<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

/** Whether a value has members by name: what was kept may be of another release, or of another page of this host. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keeps a value; false if the browser does not. */
export function keep(name: string, value: unknown): boolean {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function forget(name: string): void {
  try {
    localStorage.removeItem(name);
  } catch {
    // Nothing was kept where nothing can be.
  }
}

/** The names that begin so, in order. */
export function keptNames(beginning: string): string[] {
  try {
    const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
    return names.filter((name) => name.startsWith(beginning)).sort();
  } catch {
    return [];
  }
}
