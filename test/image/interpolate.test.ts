import { describe, expect, test } from 'vitest';
import { interpolate, type Interpolation } from '../../engine/image/interpolate.ts';
import type { FloatImage } from '../../engine/image/pixels.ts';

/** One row of grey values as a picture. */
const row = (...values: number[]): FloatImage => ({ width: values.length, height: 1, batch: 1, channels: 3, data: Float32Array.from(values.flatMap((v) => [v, v, v])) });
const greys = (image: FloatImage): number[] => Array.from({ length: image.data.length / 3 }, (_, i) => image.data[i * 3]!);

describe('interpolate', () => {
  // By hand from torch's definitions: source = (i + 0.5) · from / to − 0.5.
  test.each<[Interpolation, number[], number, number[]]>([
    ['nearest-exact', [0, 1, 2, 3, 4], 3, [0, 2, 4]],
    ['nearest-exact', [0, 1], 5, [0, 0, 1, 1, 1]],
    ['bilinear', [0, 1], 4, [0, 0.25, 0.75, 1]],
    ['bilinear', [0, 10, 20, 30], 2, [5, 25]],
    ['area', [0, 10, 20, 30], 2, [5, 25]],
    ['area', [0, 3, 6], 2, [1.5, 4.5]],
    ['area', [0, 3], 3, [0, 1.5, 3]],
    ['bicubic', [0, 0, 1, 0, 0], 5, [0, 0, 1, 0, 0]],
    ['bicubic', [0, 1], 4, [-0.10546875, 0.2265625, 0.7734375, 1.10546875]],
  ])('%s of %j to %d', (mode, from, width, to) => {
    greys(interpolate(row(...from), width, 1, mode)).forEach((value, i) => expect(value).toBeCloseTo(to[i]!, 5));
  });

  test('columns as rows, batch by batch', () => {
    const image: FloatImage = { width: 1, height: 2, batch: 2, channels: 3, data: Float32Array.of(0, 0, 0, 1, 1, 1, 4, 4, 4, 8, 8, 8) };
    const scaled = interpolate(image, 1, 4, 'bilinear');
    expect(scaled).toMatchObject({ width: 1, height: 4, batch: 2 });
    expect(greys(scaled)).toEqual([0, 0.25, 0.75, 1, 4, 5, 7, 8]);
  });

  test('equal size is the same picture', () => {
    const image = row(1, 2);
    expect(interpolate(image, 2, 1, 'bicubic')).toBe(image);
  });
});
