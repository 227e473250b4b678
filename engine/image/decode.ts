// Picture files to 8-bit RGB or RGBA. Knows no nodes. Colour profiles are ignored (except CMYK's), as PIL does.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { messages, PictureError } from './errors.ts';
import { pixels, type Pixels } from './pixels.ts';
import { sharp } from './sharp.ts';

export interface DecodeOptions {
  /** How errors call the picture; default the file name, or "the picture". */
  readonly name?: string;
  /** Longest side in pixels; default 16,384. */
  readonly maxSide?: number;
  /** Most pixels, all frames together; default 2^27. */
  readonly maxPixels?: number;
}

export const maxSide = 16_384;
export const maxPixels = 2 ** 27;

/** File name endings of what `decode` reads. */
export const pictureExtensions: readonly string[] = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif'];

const readFormats = new Set(['png', 'jpeg', 'webp', 'gif', 'tiff', 'heif']);

/**
 * The picture in `source` (file bytes, or a path), upright by its EXIF orientation; of an animation the first frame.
 * Has 4 channels where the file has transparency. 16-bit values keep their high byte.
 * Throws a PictureError when it is missing, not a picture, damaged or too large.
 */
export async function decode(source: Uint8Array | string, options: DecodeOptions = {}): Promise<Pixels> {
  return (await decodeFrames(source, options, 1))[0]!;
}

/** As `decode`, with every frame of an animation (at most `limit`). A picture of several pages that is no animation gives its first. */
export async function decodeFrames(source: Uint8Array | string, options: DecodeOptions = {}, limit = Infinity): Promise<Pixels[]> {
  const name = options.name ?? (typeof source === 'string' ? basename(source) : 'the picture');
  const bytes = typeof source === 'string' ? await readPicture(source, name) : source;
  const found = await inspect(bytes, name, limit, options);
  let picture = sharp(bytes, { failOn: 'error', limitInputPixels: false, pages: found.frames, ignoreIcc: !found.inkColours });
  if (found.frames === 1) picture = picture.autoOrient();
  try {
    const { data, info } = await picture.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const frameHeight = info.height / found.frames;
    const frameBytes = info.width * frameHeight * info.channels;
    return Array.from({ length: found.frames }, (_, i) =>
      fromBands(data.subarray(i * frameBytes, (i + 1) * frameBytes), info.width, frameHeight, info.channels));
  } catch (error) {
    throw new PictureError('damaged_picture', messages.damaged(name, found.format, reasonOf(error)), error);
  }
}

/**
 * The format of the picture in `bytes`, by its head alone: its pixels are not decoded, so that a small file that would unpack to a huge
 * picture is refused before it does. Throws a PictureError for what is no picture, or is too large.
 */
export async function pictureFormat(bytes: Uint8Array, options: DecodeOptions = {}): Promise<string> {
  return (await inspect(bytes, options.name ?? 'the picture', Infinity, options)).format;
}

interface Found { readonly format: string; readonly frames: number; readonly inkColours: boolean }

async function inspect(bytes: Uint8Array, name: string, limit: number, options: DecodeOptions): Promise<Found> {
  let header;
  try {
    header = await sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata();
  } catch (error) {
    const unread = unreadFormat(bytes);
    if (unread !== undefined) throw new PictureError('unsupported_picture', messages.unsupported(name, unread), error);
    const broken = readFormat(bytes);
    if (broken !== undefined) throw new PictureError('damaged_picture', messages.damaged(name, broken, reasonOf(error)), error);
    throw new PictureError('not_a_picture', messages.notAPicture(name, bytes.length), error);
  }
  const format = header.format;
  if (!readFormats.has(format)) throw new PictureError('unsupported_picture', messages.unsupported(name, format));
  const isAnimation = format === 'gif' || format === 'webp';
  const frames = isAnimation ? Math.min(header.pages ?? 1, limit) : 1;
  const { width } = header;
  const height = header.pageHeight ?? header.height;
  const sideLimit = options.maxSide ?? maxSide;
  if (Math.max(width, height) > sideLimit) throw new PictureError('picture_too_large', messages.tooLong(name, width, height, sideLimit));
  const pixelLimit = options.maxPixels ?? maxPixels;
  if (width * height * frames > pixelLimit) throw new PictureError('picture_too_large', messages.tooLarge(name, width, height, frames, pixelLimit));
  return { format: format.toUpperCase(), frames, inkColours: header.space === 'cmyk' };
}

async function readPicture(path: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new PictureError('no_such_file', messages.noSuchFile(path), error);
    throw new PictureError('not_a_picture', `${name} cannot be read: ${reasonOf(error)}`, error);
  }
}

/** Grey, grey with alpha, RGB or RGBA bytes as Pixels. */
function fromBands(data: Buffer, width: number, height: number, bands: number): Pixels {
  if (bands === 3 || bands === 4) return pixels(width, height, bands, new Uint8Array(data.buffer, data.byteOffset, data.length));
  const channels = bands === 1 ? 3 : 4;
  const colour = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; from < data.length; from += bands) {
    const grey = data[from]!;
    colour[to++] = grey;
    colour[to++] = grey;
    colour[to++] = grey;
    if (bands === 2) colour[to++] = data[from + 1]!;
  }
  return pixels(width, height, channels, colour);
}

const startOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 64));

/** The name of a well-known image format that is not read here. */
function unreadFormat(bytes: Uint8Array): string | undefined {
  const start = startOf(bytes);
  if (/^BM.{4}\0{4}/s.test(start)) return 'BMP';
  if (start.startsWith('8BPS')) return 'Photoshop';
  if (/^....ftyp(heic|heix|hevc)/s.test(start)) return 'HEIC';
  if (start.startsWith('\0\0\x01\0')) return 'ICO';
  if (/^\s*<(svg|\?xml)/.test(start)) return 'SVG';
  if (start.startsWith('%PDF')) return 'PDF';
  return undefined;
}

/** The format that the first bytes promise. */
function readFormat(bytes: Uint8Array): string | undefined {
  const start = startOf(bytes);
  if (start.startsWith('\x89PNG')) return 'PNG';
  if (start.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (start.startsWith('GIF8')) return 'GIF';
  if (/^RIFF....WEBP/s.test(start)) return 'WebP';
  return undefined;
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/[:\s]+$/, '');
}
