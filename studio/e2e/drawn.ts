/** Pictures that journeys draw: real ones, of the size that is wanted. */

import { crc32, deflateSync } from "node:zlib";

/** Rows of RGB: a sky over grass, with a ball in it, and grain, so that no two pixels need be alike. */
function pixels(width: number, height: number): Buffer {
  const rows = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ball = Math.hypot(x - width / 2, y - height * 0.6) < height / 5;
      const [red, green, blue] = ball ? [210, 60, 40] : y < height / 2 ? [120, 170, 230] : [70, 140, 60];
      const grain = (x * 7 + y * 13) % 17;
      rows.set([red + grain, green + grain, blue + grain], (y * width + x) * 3);
    }
  }
  return rows;
}

export function png(width: number, height: number): Buffer {
  const rgb = pixels(width, height);
  const lines = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) rgb.copy(lines, y * (width * 3 + 1) + 1, y * width * 3, (y + 1) * width * 3);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = (name: string, content: Buffer) => {
    const named = Buffer.concat([Buffer.from(name), content]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(content.length, 0);
    ends.writeUInt32BE(crc32(named), 4);
    return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(lines)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A picture without compression: three bytes per pixel. `width` is a multiple of 4. */
export function bmp(width: number, height: number): Buffer {
  // Its order is blue, green, red.
  const bgr = pixels(width, height);
  for (let at = 0; at < bgr.length; at += 3) bgr.subarray(at, at + 3).reverse();
  const header = Buffer.alloc(54);
  header.write("BM");
  header.writeUInt32LE(54 + bgr.length, 2);
  header.writeUInt32LE(54, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(-height, 22); // the first row on top
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  return Buffer.concat([header, bgr]);
}
