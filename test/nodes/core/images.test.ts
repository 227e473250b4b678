import { describe, expect, test } from 'vitest';
import type { AnyNode, Image } from '../../../engine/graph/node.ts';
import { EmptyImage, ImageBatch, ImageInvert, ImageScale, RebatchImages } from '../../../nodes/core/images.ts';
import { testContext } from '../../support/context.ts';

async function run<T = Image>(node: AnyNode, inputs: Record<string, unknown>): Promise<T> {
  const { context } = await testContext();
  return ((await node.run(inputs, context)) as T[])[0]!;
}

/** A batch whose pixels say where they are: batch / 10 + row, in all channels. */
function rows(width: number, height: number, batch = 1, channels = 3): Image {
  const data = Float32Array.from({ length: batch * height * width * channels }, (_, i) => {
    const row = Math.floor(i / (width * channels));
    return Math.floor(row / height) / 10 + (row % height);
  });
  return { width, height, batch, channels, data };
}

test('EmptyImage paints 0xRRGGBB', async () => {
  const image = await run(EmptyImage, { width: 3, height: 2, batch_size: 2, color: 0xff8001 });
  expect(image).toMatchObject({ width: 3, height: 2, batch: 2, channels: 3 });
  expect(image.data).toHaveLength(36);
  expect(image.data.slice(33)).toEqual(Float32Array.of(1, 128 / 255, 1 / 255));
});

describe('ImageScale', () => {
  const scale = (image: Image, width: number, height: number, method = 'bilinear', crop = 'disabled'): Promise<Image> =>
    run(ImageScale, { image, upscale_method: method, width, height, crop });

  test('0 and 0 leaves the picture, one 0 keeps proportions with halves to even', async () => {
    const image = rows(5, 2);
    expect(await scale(image, 0, 0)).toBe(image);
    expect(await scale(image, 0, 1)).toMatchObject({ width: 2, height: 1 }); // 2.5
    expect(await scale(image, 10, 0)).toMatchObject({ width: 10, height: 4 });
    expect(await scale(rows(2, 100), 0, 1)).toMatchObject({ width: 1, height: 1 });
  });

  test('center cuts both ends of the longer side', async () => {
    const tall = await scale(rows(2, 6), 2, 2, 'nearest-exact', 'center');
    expect([...tall.data]).toEqual([2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
    const wide = await scale({ ...rows(1, 6), width: 6, height: 1 }, 2, 1, 'nearest-exact', 'center');
    expect([...wide.data]).toEqual([2, 2, 2, 3, 3, 3]);
  });

  test('works batch by batch', async () => {
    const scaled = await scale(rows(2, 4, 2), 2, 2, 'area');
    expect(scaled.batch).toBe(2);
    [0.5, 2.5, 0.6, 2.6].forEach((value, row) => expect(scaled.data[row * 6]).toBeCloseTo(value, 6));
  });

  test('lanczos goes through bytes, as Pillow does', async () => {
    const image: Image = { width: 2, height: 1, batch: 1, channels: 3, data: Float32Array.of(0, 0, 0, 1, 1, 1) };
    const { data } = await scale(image, 4, 1, 'lanczos');
    for (const value of data) expect(Math.abs(value * 255 - Math.round(value * 255))).toBeLessThan(1e-4);
    expect([data[0], data[11]]).toEqual([0, 1]);
  });
});

test('ImageInvert is 1 − x', async () => {
  const image = await run(ImageInvert, { image: { width: 1, height: 1, batch: 1, channels: 3, data: Float32Array.of(0, 0.25, 1) } });
  expect([...image.data]).toEqual([1, 0.75, 0]);
});

describe('ImageBatch', () => {
  test('joins, and scales the second to the first', async () => {
    const batch = await run(ImageBatch, { image1: rows(2, 2), image2: rows(4, 4, 2) });
    expect(batch).toMatchObject({ width: 2, height: 2, batch: 3, channels: 3 });
    expect([...batch.data.slice(0, 12)]).toEqual([...rows(2, 2).data]);
  });

  test('gives opaque alpha to the one that has none', async () => {
    const batch = await run(ImageBatch, { image1: rows(1, 1), image2: rows(1, 1, 1, 4) });
    expect([...batch.data]).toEqual([0, 0, 0, 1, 0, 0, 0, 0]);
  });
});

describe('RebatchImages', () => {
  const rebatch = (images: Image[], size: number): Promise<Image[]> => run<Image[]>(RebatchImages, { images, batch_size: [size] });

  test('groups all pictures of all batches anew', async () => {
    const groups = await rebatch([rows(1, 1, 3), rows(1, 1, 2)], 2);
    expect(groups.map(({ batch }) => batch)).toEqual([2, 2, 1]);
    const expected = [[0, 0.1], [0.2, 0], [0.1]];
    groups.forEach((group, i) => expect([...group.data].filter((_, at) => at % 3 === 0)).toEqual(expected[i]!.map(Math.fround)));
  });

  test('says which sizes do not go together', async () => {
    await expect(rebatch([rows(1, 1), rows(2, 1)], 2)).rejects.toThrow('1×1×3 and 2×1×3 cannot be one batch');
    expect(await rebatch([rows(1, 1), rows(2, 1)], 1)).toHaveLength(2);
  });
});
