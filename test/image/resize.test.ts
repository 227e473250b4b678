import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fitSize, roundHalfEven, type ResizeBounds } from '../../engine/image/fit-size.ts';
import { pixels, type Pixels } from '../../engine/image/pixels.ts';
import { resize, resizeBicubic, type Filter } from '../../engine/image/resize.ts';
import { goldenPath, readGolden } from '../support/golden.ts';

function noise(width: number, height: number, channels: 3 | 4): Pixels {
  const data = new Uint8Array(width * height * channels);
  let state = width * 1000 + height;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return pixels(width, height, channels, data);
}

describe('resize', () => {
  // sha256 of what Pillow 11.1.0 makes of the same noise.
  test.each<[number, number, 3 | 4, number, number, Filter, string]>([
    [97, 61, 3, 40, 50, 'bicubic', '2af0392a0e4f81ab'],
    [31, 47, 3, 90, 20, 'bicubic', 'ff0533bf7936d714'],
    [64, 64, 3, 64, 33, 'bicubic', 'ad0ea9e9ca105653'],
    [50, 40, 4, 77, 15, 'bicubic', '530f9f30401f0ac7'],
    [80, 30, 3, 33, 61, 'lanczos', 'e58c39e8e99b8a25'],
    [33, 70, 3, 20, 20, 'bilinear', '9dd2abd61d152e54'],
    [40, 44, 3, 13, 99, 'box', 'c9f01517aa8aaa6f'],
    [1, 1, 3, 5, 7, 'bicubic', '2840696b2150302f'],
    [300, 2, 3, 7, 1, 'bicubic', '3a210e31f07a21a7'],
  ])('%d×%d×%d to %d×%d, %s, equals Pillow byte for byte', (width, height, channels, toWidth, toHeight, filter, sha256) => {
    const resized = resize(noise(width, height, channels), { width: toWidth, height: toHeight }, filter);
    expect(resized).toMatchObject({ width: toWidth, height: toHeight, channels });
    expect(createHash('sha256').update(resized.data).digest('hex').slice(0, 16)).toBe(sha256);
  });

  test('equal size is the same picture', () => {
    const source = noise(4, 5, 3);
    expect(resizeBicubic(source, { width: 4, height: 5 })).toBe(source);
  });

  test('refuses an empty size', () => expect(() => resizeBicubic(noise(4, 5, 3), { width: 0, height: 5 })).toThrow(/whole and positive, got 0×5/));
});

describe('the golden picture', () => {
  const golden = readGolden('nano/expected.safetensors');
  const config = JSON.parse(readFileSync(goldenPath('nano/config.json'), 'utf8')) as { vae_image: ResizeBounds; vit_image: ResizeBounds };
  const picture = (key: string): Pixels => {
    const { shape, data } = golden.get(key)!;
    return pixels(shape[1]!, shape[0]!, 3, data as Uint8Array);
  };
  test.each([['src_rgb', 'vae_image', 'vae_resized_rgb'], ['vae_resized_rgb', 'vit_image', 'vit_resized_rgb']] as const)('%s by %s is %s', (from, bounds, to) => {
    const source = picture(from);
    const size = fitSize(source.width, source.height, config[bounds]);
    expect(resizeBicubic(source, size)).toEqual(picture(to));
  });
});

describe('fitSize', () => {
  const vae = { max_size: 1024, min_size: 512, stride: 16 };
  const vit = { max_size: 980, min_size: 224, stride: 14 };
  // Computed by the reference's rule in Python.
  test.each<[number, number, ResizeBounds, number, number]>([
    [1024, 1024, vae, 1024, 1024],
    [4000, 3000, vae, 1024, 768],
    [300, 200, vae, 768, 512],
    [1, 1, vae, 512, 512],
    [5000, 100, vae, 1024, 16],
    [777, 1033, vae, 768, 1024],
    [520, 1000, vae, 512, 992],
    [1024, 1024, vit, 980, 980],
    [4000, 3000, vit, 980, 728],
    [300, 200, vit, 336, 224],
    [1, 1, vit, 224, 224],
    [5000, 100, vit, 980, 14],
    [777, 1033, vit, 742, 980],
    [520, 1000, vit, 504, 980],
    [178, 220, { max_size: 1024, min_size: 512, stride: 16, max_pixels: 300000 }, 464, 592],
    [1107, 2856, { max_size: 112, min_size: 56, stride: 14, max_pixels: 20000 }, 42, 112],
    [4602, 4059, { max_size: 112, min_size: 56, stride: 14, max_pixels: 20000 }, 112, 98],
    [282, 51, { max_size: 112, min_size: 56, stride: 14, max_pixels: 20000 }, 112, 14],
  ])('%d×%d in %o is %d×%d', (width, height, bounds, toWidth, toHeight) => {
    expect(fitSize(width, height, bounds)).toEqual({ width: toWidth, height: toHeight });
  });

  test('rounds halves to even', () => expect([0.5, 1.5, 2.5, -1.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, -2, 2, 3]));
});
