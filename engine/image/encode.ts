// 8-bit pictures to PNG, JPEG and WebP files. Knows no nodes and no folders.
import { addPngMetadata, addWebpMetadata, type Metadata } from './metadata.ts';
import type { Pixels } from './pixels.ts';
import { sharp } from './sharp.ts';

export interface PngOptions {
  /** zlib level 0…9; default 4, as ComfyUI saves. */
  readonly level?: number;
  /** JSON texts kept in the file. */
  readonly metadata?: Metadata;
}

export interface LossyOptions {
  /** 1…100. */
  readonly quality?: number;
}

export interface WebpOptions extends LossyOptions {
  readonly lossless?: boolean;
  readonly metadata?: Metadata;
}

/** A PNG file, 8 bits a channel, RGB or RGBA. */
export async function encodePng(picture: Pixels, { level = 4, metadata = new Map() }: PngOptions = {}): Promise<Uint8Array> {
  const png = await raw(picture).png({ compressionLevel: level, adaptiveFiltering: level > 0 }).toBuffer();
  return addPngMetadata(png, metadata);
}

/** A JPEG file; transparency is dropped. Quality 95 unless given. */
export function encodeJpeg(picture: Pixels, { quality = 95 }: LossyOptions = {}): Promise<Uint8Array> {
  return raw(picture).removeAlpha().jpeg({ quality, chromaSubsampling: quality >= 90 ? '4:4:4' : '4:2:0' }).toBuffer();
}

/** A WebP file; quality 90 unless given. */
export async function encodeWebp(picture: Pixels, { quality = 90, lossless = false, metadata = new Map() }: WebpOptions = {}): Promise<Uint8Array> {
  const webp = await raw(picture).webp({ quality, lossless }).toBuffer();
  return addWebpMetadata(webp, picture.width, picture.height, metadata);
}

function raw({ width, height, channels, data }: Pixels): ReturnType<typeof sharp> {
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
}
