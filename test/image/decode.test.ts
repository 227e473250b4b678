import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decode, decodeFrames } from '../../engine/image/decode.ts';
import { floatFromPixels, overWhite, pixels, pixelsFromFloat, withoutAlpha } from '../../engine/image/pixels.ts';
import { goldenPath, readGolden } from '../support/golden.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(`pictures/${name}`, import.meta.url));
// What PIL and the reference's pil_img2rgb make of the pictures; i16 by its high byte, la composited as RGBA.
const expected = JSON.parse(readFileSync(pathOf('expected.json'), 'utf8')) as Record<string, { width: number; height: number; rgb: string }>;

describe('decode', () => {
  test.each(Object.keys(expected))('%s equals PIL byte for byte', async (name) => {
    const { data, ...rest } = overWhite(await decode(pathOf(name)));
    expect({ width: rest.width, height: rest.height, rgb: createHash('sha256').update(data).digest('hex').slice(0, 16) }).toEqual(expected[name]);
  });

  test('reads bytes as it reads paths', async () => {
    expect(await decode(readFileSync(pathOf('rgba.png')))).toEqual(await decode(pathOf('rgba.png')));
  });

  test('the golden source picture', async () => {
    const golden = readGolden('nano/expected.safetensors').get('src_rgb')!;
    expect(overWhite(await decode(goldenPath('nano/source.png'))).data).toEqual(golden.data);
  });

  test('CMYK becomes RGB', async () => {
    const { channels, width, data } = await decode(pathOf('cmyk.jpg'));
    expect([channels, width]).toEqual([3, 60]);
    // The picture runs from black to bright along both sides, whatever the profile.
    expect(data[0]! + data[1]! + data[2]!).toBeLessThan(200);
    expect(data.at(-1)! + data.at(-2)! + data.at(-3)!).toBeGreaterThan(400);
  });

  test('every frame of an animation, or its first', async () => {
    const frames = await decodeFrames(pathOf('anim.gif'));
    expect(frames.map(({ width, height }) => [width, height])).toEqual([[60, 40], [60, 40]]);
    expect(frames[1]!.data[0]).toBeGreaterThan(200);
    const first = await decode(pathOf('anim.gif'));
    expect(overWhite(first)).toEqual(overWhite(frames[0]!));
  });
});

describe('what cannot be read says why', () => {
  const jpeg = readFileSync(pathOf('q90.jpg'));
  const png = readFileSync(goldenPath('nano/source.png'));
  test.each<[string, Uint8Array | string, string, RegExp]>([
    ['text', Buffer.from('hello, this is a text'), 'not_a_picture', /cat is not a picture: its 21 bytes/],
    ['nothing', new Uint8Array(0), 'not_a_picture', /its 0 bytes/],
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"/>'), 'unsupported_picture', /cat is a SVG file.*convert it to PNG/],
    ['BMP', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]), 'unsupported_picture', /BMP/],
    ['JPEG cut in its header', jpeg.subarray(0, 300), 'damaged_picture', /cut off/],
    ['JPEG cut in its data', jpeg.subarray(0, jpeg.length - 150), 'damaged_picture', /cut off/],
    ['PNG cut in its data', png.subarray(0, png.length >> 1), 'damaged_picture', /cat is a PNG picture.*cut off/],
    ['50,000 pixels wide', pathOf('wide.png'), 'picture_too_large', /50000×10 pixels, and a side may have at most 16384; scale it down/],
    ['no file', pathOf('none.png'), 'no_such_file', /none\.png: no such file/],
  ])('%s', async (_, source, code, message) => {
    await expect(decode(source, { name: 'cat' })).rejects.toMatchObject({ name: 'PictureError', code, message: expect.stringMatching(message) as unknown });
  });

  test('too many pixels', async () => {
    await expect(decode(pathOf('rgb.png'), { maxPixels: 2000 })).rejects.toThrow('rgb.png has 60×40 = 2400 pixels, and at most 2000 are read');
    await expect(decodeFrames(pathOf('anim.gif'), { maxPixels: 3000 })).rejects.toThrow('60×40×2 frames = 4800 pixels');
  });
});

describe('floats', () => {
  test('bytes survive the way to floats and back only by truncation', () => {
    const all = pixels(256, 1, 3, Uint8Array.from({ length: 768 }, (_, i) => i / 3));
    expect(pixelsFromFloat(floatFromPixels([all])).data).toEqual(all.data);
  });

  test('trunc(clip(255·x)) in float32', () => {
    const image = { width: 3, height: 1, batch: 2, channels: 3, data: Float32Array.of(9, 9, 9, 9, 9, 9, 9, 9, 9, -1, 0.1, 0.25, 0.3, 0.5, 0.9999, 1, 2, NaN) };
    expect([...pixelsFromFloat(image, 1).data]).toEqual([0, 25, 63, 76, 127, 254, 255, 255, 0]);
  });

  test('without alpha keeps the colours', () => {
    expect(withoutAlpha(pixels(1, 1, 4, Uint8Array.of(1, 2, 3, 0))).data).toEqual(Uint8Array.of(1, 2, 3));
    expect(overWhite(pixels(1, 1, 4, Uint8Array.of(1, 2, 3, 0))).data).toEqual(Uint8Array.of(255, 255, 255));
  });
});
