// The text chunks of PNG files: written beside the picture that sharp encoded, and read back. Knows no JSON and no nodes.
// Source: PNG specification, third edition, §11.3.3.
import { crc32, inflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const headerEnd = 8 + 25; // signature and IHDR
const maxTextBytes = 64 * 2 ** 20;

export function isPng(bytes: Uint8Array): boolean {
  return bytes.length > headerEnd && signature.equals(bytes.subarray(0, 8));
}

/** The file with one tEXt chunk an entry, before the picture data. Keywords are 1…79, texts any number of ASCII characters. */
export function addPngText(png: Uint8Array, entries: ReadonlyMap<string, string>): Uint8Array {
  if (!isPng(png)) throw new RangeError('addPngText: the bytes are no PNG file');
  const texts = [...entries].map(([keyword, text]) => {
    if (!/^[\x20-\x7e]{1,79}$/.test(keyword)) throw new RangeError(`a PNG keyword has 1…79 ASCII characters, got ${JSON.stringify(keyword)}`);
    if (/[^\x01-\x7f]/.test(text)) throw new RangeError(`the PNG text of ${keyword} must be ASCII; escape it first`);
    return chunk('tEXt', Buffer.from(`${keyword}\0${text}`, 'latin1'));
  });
  return Buffer.concat([png.subarray(0, headerEnd), ...texts, png.subarray(headerEnd)]);
}

/** Texts by keyword from tEXt, zTXt and iTXt chunks. The first of a name counts; damaged chunks are left out. */
export function readPngText(png: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { type, data } of chunks(png)) {
    const entry = type === 'tEXt' ? plain(data) : type === 'zTXt' ? compressed(data) : type === 'iTXt' ? international(data) : undefined;
    if (entry !== undefined && !texts.has(entry[0])) texts.set(...entry);
  }
  return texts;
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

function* chunks(png: Uint8Array): Generator<{ type: string; data: Buffer }> {
  const file = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 12 <= file.length;) {
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length) return;
    yield { type: file.toString('latin1', at + 4, at + 8), data: file.subarray(at + 8, end) };
    at = end + 4;
  }
}

type Entry = [keyword: string, text: string];

function plain(data: Buffer): Entry | undefined {
  const end = data.indexOf(0);
  return end < 1 ? undefined : [data.toString('latin1', 0, end), data.toString('latin1', end + 1)];
}

function compressed(data: Buffer): Entry | undefined {
  const end = data.indexOf(0);
  if (end < 1 || data[end + 1] !== 0) return undefined;
  const text = inflate(data.subarray(end + 2));
  return text && [data.toString('latin1', 0, end), text.toString('latin1')];
}

/** keyword, 0, compression flag, method, language, 0, translated keyword, 0, UTF-8 text */
function international(data: Buffer): Entry | undefined {
  const end = data.indexOf(0);
  const languageEnd = data.indexOf(0, end + 3);
  const translatedEnd = data.indexOf(0, languageEnd + 1);
  if (end < 1 || languageEnd < 0 || translatedEnd < 0) return undefined;
  const rest = data.subarray(translatedEnd + 1);
  const text = data[end + 1] === 0 ? rest : inflate(rest);
  return text && [data.toString('latin1', 0, end), text.toString('utf8')];
}

function inflate(data: Buffer): Buffer | undefined {
  try {
    return inflateSync(data, { maxOutputLength: maxTextBytes });
  } catch {
    return undefined; // a broken or exploding chunk is no reason to refuse the picture
  }
}
