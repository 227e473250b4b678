// Pictures and masks of one value, and float32 arithmetic on them. What nodes of this pack have in common.
import type { Image } from 'bagelgraph/graph/node';
import type { Mask } from 'bagelgraph/graph/types';

export const side = 512;

export function imageOf(value: number, width = side, height = side, batch = 1): Image {
  return { width, height, batch, channels: 3, data: new Float32Array(batch * height * width * 3).fill(value) };
}

export function maskOf(value: number, width = side, height = side, batch = 1): Mask {
  return { width, height, batch, data: new Float32Array(batch * height * width).fill(value) };
}

export function isImage(value: unknown): value is Image {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Float32Array && 'channels' in value;
}

export function scaled(image: Image, factor: number): Image {
  return { ...image, data: image.data.map((v) => v * factor) };
}

/** Elementwise product of pictures and numbers; two numbers make a picture of that value. */
export function product(a: Image | number, b: Image | number): Image {
  if (typeof a === 'number') return typeof b === 'number' ? imageOf(a * b) : scaled(b, a);
  if (typeof b === 'number') return scaled(a, b);
  requireEqualSize(a, b);
  return { ...a, data: a.data.map((v, i) => v * b.data[i]!) };
}

export function meanOfPixels({ data }: Image): number {
  let sum = 0;
  for (const v of data) sum += v;
  return sum / data.length;
}

/** Elementwise mean; all pictures have one size. */
export function average(images: readonly Image[]): Image {
  const [first] = images;
  if (first === undefined) throw new Error('there are no pictures to average');
  const sum = new Float32Array(first.data.length);
  for (const image of images) {
    requireEqualSize(first, image);
    for (let i = 0; i < sum.length; i++) sum[i]! += image.data[i]!;
  }
  return { ...first, data: sum.map((v) => v / images.length) };
}

/** image1·(1−mask) + image2·mask; a mask of one serves a whole batch. */
export function mixed(image1: Image, image2: Image, mask: Mask): Image {
  requireEqualSize(image1, image2);
  if (mask.width !== image1.width || mask.height !== image1.height) throw new Error(`the mask has ${mask.width}×${mask.height}, the pictures ${image1.width}×${image1.height}`);
  const { channels } = image1;
  const pixels = image1.width * image1.height;
  return {
    ...image1,
    data: image1.data.map((v, i) => {
      const pixel = Math.floor(i / channels);
      const m = mask.data[mask.batch === 1 ? pixel % pixels : pixel]!;
      return Math.fround(v * Math.fround(1 - m)) + Math.fround(image2.data[i]! * m);
    }),
  };
}

function requireEqualSize(a: Image, b: Image): void {
  const sizeOf = ({ batch, width, height, channels }: Image) => `${batch}×${width}×${height}×${channels}`;
  if (sizeOf(a) !== sizeOf(b)) throw new Error(`the pictures have different sizes: ${sizeOf(a)} and ${sizeOf(b)}`);
}
