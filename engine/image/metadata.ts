// The workflow inside a picture: texts by name, such as `prompt` and `workflow`, in PNG text chunks or WebP EXIF.
// Knows where texts are kept, not what they mean. Layout: ComfyUI's (comfy-contract §4).
import { addPngText, isPng, readPngText } from './png-text.ts';
import { addWebpExif, isWebp, readWebpExif } from './webp-exif.ts';

/** Texts by name. The values are JSON; those that are written are escaped to ASCII. */
export type Metadata = ReadonlyMap<string, string>;

const modelTag = 0x0110;
const makeTag = 0x010f;

/** Names and texts kept in a PNG or WebP file; empty for other formats and pictures without any. */
export function readMetadata(file: Uint8Array): Map<string, string> {
  if (isPng(file)) return readPngText(file);
  const texts = new Map<string, string>();
  if (!isWebp(file)) return texts;
  const byTag = [...readWebpExif(file)].sort(([a], [b]) => b - a);
  for (const [, text] of byTag) {
    const colon = text.indexOf(':');
    if (colon > 0 && !texts.has(text.slice(0, colon))) texts.set(text.slice(0, colon), text.slice(colon + 1));
  }
  return texts;
}

/** A PNG with the texts in tEXt chunks. */
export function addPngMetadata(png: Uint8Array, metadata: Metadata): Uint8Array {
  return metadata.size === 0 ? png : addPngText(png, new Map([...metadata].map(([name, json]) => [name, asciiJson(json)])));
}

/** A WebP with the texts in EXIF: `prompt` at tag 0x0110, the others from 0x010F downwards. */
export function addWebpMetadata(webp: Uint8Array, width: number, height: number, metadata: Metadata): Uint8Array {
  if (metadata.size === 0) return webp;
  let nextTag = makeTag;
  const texts = new Map([...metadata].map(([name, json]) => [name === 'prompt' ? modelTag : nextTag--, `${name}:${asciiJson(json)}`]));
  return addWebpExif(webp, width, height, texts);
}

/** The same JSON in ASCII alone: everything else stands as \uXXXX. Readers of PNG texts differ on encodings, not on this. */
export function asciiJson(json: string): string {
  return json.replace(/[^\x20-\x7e\n\r\t]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
