import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { encodeJpeg, encodePng, encodeWebp } from '../../engine/image/encode.ts';
import { addPngMetadata, asciiJson, readMetadata } from '../../engine/image/metadata.ts';
import { pixels, type Pixels } from '../../engine/image/pixels.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(`pictures/${name}`, import.meta.url));
const waves = (width: number, height: number, channels: 3 | 4): Pixels =>
  pixels(width, height, channels, Uint8Array.from({ length: width * height * channels }, (_, i) => 128 + 100 * Math.sin(i / 97) + (i % 7)));
const metadata = new Map([['prompt', '{"1":{"text":"grün 🙂"}}'], ['workflow', '{"nodes":[]}'], ['more', '5']]);

describe('PNG', () => {
  test.each([[3], [4]] as const)('keeps every pixel of %d channels', async (channels) => {
    const picture = waves(33, 21, channels);
    expect(await decode(await encodePng(picture))).toEqual(picture);
  });

  test('keeps metadata as ASCII text chunks before the picture', async () => {
    const file = await encodePng(waves(8, 8, 3), { metadata });
    const read = readMetadata(file);
    expect([...read.keys()]).toEqual(['prompt', 'workflow', 'more']);
    expect(JSON.parse(read.get('prompt')!)).toEqual({ 1: { text: 'grün 🙂' } });
    expect(read.get('prompt')).toBe('{"1":{"text":"gr\\u00fcn \\ud83d\\ude42"}}');
    expect(Buffer.from(file).indexOf('tEXt')).toBeLessThan(Buffer.from(file).indexOf('IDAT'));
    expect(await decode(file)).toMatchObject({ width: 8 }); // checksums hold
  });
});

describe('WebP', () => {
  test.each<[string, 3 | 4, boolean]>([['lossy', 3, false], ['lossy with alpha', 4, false], ['lossless', 3, true], ['lossless with alpha', 4, true]])('%s keeps metadata in EXIF', async (_, channels, lossless) => {
    const picture = waves(31, 17, channels);
    const file = await encodeWebp(picture, { lossless, metadata });
    expect(Object.fromEntries(readMetadata(file))).toEqual({ prompt: asciiJson(metadata.get('prompt')!), workflow: '{"nodes":[]}', more: '5' });
    const decoded = await decode(file);
    expect(decoded).toMatchObject({ width: 31, height: 17, channels });
    if (lossless && channels === 3) expect(decoded.data).toEqual(picture.data);
  });
});

test('JPEG is close to the picture and has no alpha', async () => {
  const picture = waves(64, 64, 4);
  expect(await decode(await encodeJpeg(picture))).toMatchObject({ width: 64, height: 64, channels: 3 });
  expect((await encodeJpeg(picture, { quality: 20 })).length).toBeLessThan((await encodeJpeg(picture)).length);
});

describe('metadata that PIL wrote', () => {
  test('tEXt, zTXt and iTXt', () => {
    expect(Object.fromEntries(readMetadata(readFileSync(pathOf('pil-text.png'))))).toEqual({
      prompt: '{"1": {"class_type": "A"}}', workflow: '{"nodes": []}', note: 'grüße 🙂', plain: 'ü',
    });
  });

  test('EXIF in WebP', () => {
    expect(Object.fromEntries(readMetadata(readFileSync(pathOf('pil-exif.webp'))))).toEqual({
      prompt: '{"1": {"class_type": "A"}}', workflow: '{"nodes": []}', more: '5',
    });
  });

  test('pictures without any, and files cut off, have none', () => {
    expect(readMetadata(readFileSync(pathOf('q90.jpg'))).size).toBe(0);
    const png = readFileSync(pathOf('pil-text.png'));
    expect([...readMetadata(png.subarray(0, png.indexOf('zTXt') + 6)).keys()]).toEqual(['prompt']);
  });
});

test('a keyword that PNG does not allow is refused', () => {
  const png = readFileSync(pathOf('rgb.png'));
  expect(() => addPngMetadata(png, new Map([['ü', '1']]))).toThrow(/1…79 ASCII/);
});
