/** What identifies a picture: the SHA-256 of its bytes, so that the same file has the same id for everybody. */

import { fetchPart } from "../parts";

export async function pictureId(bytes: ArrayBuffer): Promise<string> {
  // Browsers hash over https and on localhost alone; elsewhere a library comes for it, with the same result.
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle !== undefined) return hexadecimal(new Uint8Array(await subtle.digest("SHA-256", bytes)));
  const sha256 = await fetchPart(async () => {
    // Taken from it at once, so that the build leaves out what else is there.
    const { sha256 } = await import("@noble/hashes/sha2.js");
    return sha256;
  });
  return hexadecimal(sha256(new Uint8Array(bytes)));
}

/** The id of a picture of which only the address is known: the page reads nothing from other hosts. */
export function pictureIdOfAddress(address: string): Promise<string> {
  return pictureId(new TextEncoder().encode(address).buffer);
}

const hexadecimal = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
