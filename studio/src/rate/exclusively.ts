/** One at a time by name: over all tabs where the browser has Web Locks (it asks for https or localhost), else in this tab. */

const turns = new Map<string, Promise<unknown>>();

export function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks: LockManager | null | undefined = globalThis.navigator?.locks;
  // The declared type wraps the result in a promise more than the browser does.
  if (locks) return locks.request(name, work) as Promise<T>;
  const turn = (turns.get(name) ?? Promise.resolve()).then(work, work);
  turns.set(
    name,
    turn.catch(() => null),
  );
  return turn;
}
