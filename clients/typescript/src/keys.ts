/** Idempotency keys, which make an update harmless to send again. */

/** A new key of 128 random bits. It needs no secure context, as `crypto.randomUUID` does. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
