// EXIF texts of WebP files, where ComfyUI keeps prompt and workflow. Knows no JSON and no nodes.
// Sources: WebP container specification; EXIF 2.32 (TIFF 6.0 structure).

const asciiType = 2;
const alphaFlag = 0x10;
const exifFlag = 0x08;

export function isWebp(bytes: Uint8Array): boolean {
  return bytes.length >= 16 && ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP';
}

/** The still picture with the texts as ASCII entries of an EXIF directory, by tag number. An EXIF chunk it had is replaced. */
export function addWebpExif(webp: Uint8Array, width: number, height: number, texts: ReadonlyMap<number, string>): Uint8Array {
  if (!isWebp(webp)) throw new RangeError('addWebpExif: the bytes are no WebP file');
  const parts = [...riffChunks(webp)].filter(({ type }) => type !== 'EXIF');
  const extended = parts.find(({ type }) => type === 'VP8X');
  const head = extended ? Buffer.from(extended.data) : extendedHeader(width, height, parts.some(({ type, data }) => type === 'ALPH' || (type === 'VP8L' && hasLosslessAlpha(data))));
  head[0] = head[0]! | exifFlag;
  const body = Buffer.concat([
    riffChunk('VP8X', head),
    ...parts.filter(({ type }) => type !== 'VP8X').map(({ type, data }) => riffChunk(type, data)),
    riffChunk('EXIF', exifDirectory(texts)),
  ]);
  const file = Buffer.alloc(12 + body.length);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(4 + body.length, 4);
  file.write('WEBP', 8, 'latin1');
  body.copy(file, 12);
  return file;
}

/** The ASCII entries of the first EXIF directory, by tag number; empty when there is none. */
export function readWebpExif(webp: Uint8Array): Map<number, string> {
  for (const { type, data } of riffChunks(webp)) {
    if (type === 'EXIF') return readDirectory(data.toString('latin1', 0, 6) === 'Exif\0\0' ? data.subarray(6) : data);
  }
  return new Map();
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function* riffChunks(bytes: Uint8Array): Generator<{ type: string; data: Buffer }> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= file.length;) {
    const length = file.readUInt32LE(at + 4);
    if (at + 8 + length > file.length) return;
    yield { type: file.toString('latin1', at, at + 4), data: file.subarray(at + 8, at + 8 + length) };
    at += 8 + length + (length & 1);
  }
}

function riffChunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + data.length + (data.length & 1));
  bytes.write(type, 0, 'latin1');
  bytes.writeUInt32LE(data.length, 4);
  bytes.set(data, 8);
  return bytes;
}

function extendedHeader(width: number, height: number, hasAlpha: boolean): Buffer {
  const head = Buffer.alloc(10);
  head[0] = hasAlpha ? alphaFlag : 0;
  head.writeUIntLE(width - 1, 4, 3);
  head.writeUIntLE(height - 1, 7, 3);
  return head;
}

/** After the signature byte: 14 bits width, 14 bits height, then the alpha bit. */
function hasLosslessAlpha(data: Buffer): boolean {
  return data.length >= 5 && (data.readUInt32LE(1) & (1 << 28)) !== 0;
}

/** A little-endian TIFF with one directory; entries in rising order of tags, as TIFF wants. */
function exifDirectory(texts: ReadonlyMap<number, string>): Buffer {
  const entries = [...texts].sort(([a], [b]) => a - b).map(([tag, text]) => ({ tag, value: Buffer.from(`${text}\0`, 'latin1') }));
  const directoryEnd = 8 + 2 + entries.length * 12 + 4;
  const head = Buffer.alloc(directoryEnd);
  head.write('II*\0', 0, 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(entries.length, 8);
  const values: Buffer[] = [];
  let offset = directoryEnd;
  entries.forEach(({ tag, value }, i) => {
    const at = 10 + i * 12;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(asciiType, at + 2);
    head.writeUInt32LE(value.length, at + 4);
    if (value.length <= 4) {
      value.copy(head, at + 8);
      return;
    }
    head.writeUInt32LE(offset, at + 8);
    const padded = Buffer.alloc(value.length + (value.length & 1));
    value.copy(padded);
    values.push(padded);
    offset += padded.length;
  });
  return Buffer.concat([head, ...values]);
}

function readDirectory(tiff: Buffer): Map<number, string> {
  const texts = new Map<number, string>();
  if (tiff.length < 10) return texts;
  const isLittle = tiff.toString('latin1', 0, 2) === 'II';
  const u16 = (at: number): number => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const u32 = (at: number): number => (isLittle ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const start = u32(4);
  if (start + 2 > tiff.length) return texts;
  const count = u16(start);
  for (let i = 0; i < count; i++) {
    const at = start + 2 + i * 12;
    if (at + 12 > tiff.length) break;
    if (u16(at + 2) !== asciiType) continue;
    const length = u32(at + 4);
    const from = length <= 4 ? at + 8 : u32(at + 8);
    if (from + length <= tiff.length) texts.set(u16(at), tiff.toString('utf8', from, from + length).replace(/\0+$/, ''));
  }
  return texts;
}
