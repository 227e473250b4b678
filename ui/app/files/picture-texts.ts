// Texts that pictures carry, read in the browser: PNG text chunks and the EXIF of WebP, JPEG and AVIF. Knows no JSON and no workflows.
// Sources: PNG specification, third edition, §11.3.3; WebP container specification; EXIF 2.32 (TIFF 6.0 structure).

const mostBytes = 64 * 2 ** 20;
const latin = { decode: latin1 };
const utf8 = new TextDecoder();

/** Texts by keyword (`prompt`, `workflow`, `parameters`); damaged parts are left out. */
export async function pictureTexts(bytes: Uint8Array<ArrayBuffer>): Promise<ReadonlyMap<string, string>> {
  const kind = latin.decode(bytes.subarray(0, 12));
  if (kind.startsWith('\x89PNG\r\n')) return pngTexts(bytes);
  if (kind.startsWith('RIFF') && kind.endsWith('WEBP')) return webpTexts(bytes);
  return new Map();
}

async function pngTexts(bytes: Uint8Array<ArrayBuffer>): Promise<ReadonlyMap<string, string>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts = new Map<string, string>();
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = latin.decode(bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) break;
    const found = /^(tEXt|zTXt|iTXt)$/.test(type) ? await textOf(type, bytes.subarray(at + 8, at + 8 + length)) : undefined;
    if (found !== undefined && !texts.has(found[0])) texts.set(...found);
    at += 12 + length;
  }
  return texts;
}

async function textOf(type: string, chunk: Uint8Array<ArrayBuffer>): Promise<readonly [string, string] | undefined> {
  const end = chunk.indexOf(0);
  if (end < 1) return undefined;
  const keyword = latin.decode(chunk.subarray(0, end));
  if (type === 'tEXt') return [keyword, latin.decode(chunk.subarray(end + 1))];
  if (type === 'zTXt') {
    const text = await inflate(chunk.subarray(end + 2));
    return text && [keyword, latin.decode(text)];
  }
  const isCompressed = chunk[end + 1] === 1;
  const language = chunk.indexOf(0, end + 3);
  const translated = language < 0 ? -1 : chunk.indexOf(0, language + 1);
  if (translated < 0) return undefined;
  const rest = chunk.subarray(translated + 1);
  const text = isCompressed ? await inflate(rest) : rest;
  return text && [keyword, utf8.decode(text)];
}

/** Undefined for damaged data and for more than 64 MiB: a small chunk can claim to be huge. */
async function inflate(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array | undefined> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (bytes > mostBytes) {
        await reader.cancel();
        return undefined;
      }
      parts.push(value);
    }
  } catch {
    return undefined;
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function webpTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > bytes.length) break;
    if (latin.decode(bytes.subarray(at, at + 4)) === 'EXIF') return exifTexts(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length + (length & 1);
  }
  return new Map();
}

/** ASCII entries `workflow:{…}`: keyword and text in one. */
function exifTexts(exif: Uint8Array): ReadonlyMap<string, string> {
  const tiff = latin.decode(exif.subarray(0, 6)) === 'Exif\0\0' ? exif.subarray(6) : exif;
  const texts = new Map<string, string>();
  if (tiff.length < 10) return texts;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const isLittle = tiff[0] === 0x49;
  const start = view.getUint32(4, isLittle);
  const count = start + 2 > tiff.length ? 0 : view.getUint16(start, isLittle);
  for (let i = 0; i < count; i++) {
    const at = start + 2 + i * 12;
    if (at + 12 > tiff.length) break;
    if (view.getUint16(at + 2, isLittle) !== 2) continue;
    const length = view.getUint32(at + 4, isLittle);
    const from = length <= 4 ? at + 8 : view.getUint32(at + 8, isLittle);
    if (from + length > tiff.length) continue;
    const [, keyword, text] = /^(\w+):([^]*)$/.exec(utf8.decode(tiff.subarray(from, from + length)).replace(/\0+$/, '')) ?? [];
    if (keyword !== undefined && text !== undefined) texts.set(keyword.toLowerCase(), text);
  }
  return texts;
}

/** One character a byte. Browsers read what they call latin1 as Windows-1252, which changes 0x80 to 0x9f. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
