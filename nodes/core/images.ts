// Nodes that make, scale, invert and batch pictures. Class and input names, and results, are ComfyUI's.
import { roundHalfEven } from '../../engine/image/fit-size.ts';
import { defineNode, type Image } from '../../engine/graph/node.ts';
import { COMBO, IMAGE, INT } from '../../engine/graph/types.ts';
import { scale, scaleMethods, type Crop, type ScaleMethod } from './scale.ts';

const maxSide = 16_384;
/** Of one picture value, as float32. */
const maxBytes = 8e9;

export const EmptyImage = defineNode({
  type: 'EmptyImage',
  title: 'EmptyImage',
  category: 'image',
  description: 'Pictures of one colour.',
  inputs: {
    width: { type: INT, default: 512n, min: 1, max: maxSide, step: 1 },
    height: { type: INT, default: 512n, min: 1, max: maxSide, step: 1 },
    batch_size: { type: INT, default: 1n, min: 1, max: 4096 },
    color: { type: INT, default: 0n, min: 0, max: 0xffffff, step: 1, ui: { display: 'color' } },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ width, height, batch_size: batch, color }) {
    const bytes = batch * height * width * 12;
    if (bytes > maxBytes) throw new Error(`${batch} pictures of ${width}×${height} pixels would take ${(bytes / 1e9).toFixed(1)} GB, at most ${maxBytes / 1e9} GB can be made at once; ask for fewer or smaller ones`);
    const data = new Float32Array(batch * height * width * 3);
    const [red, green, blue] = [(color >> 16) & 255, (color >> 8) & 255, color & 255].map((v) => v / 255) as [number, number, number];
    if (color !== 0) {
      for (let i = 0; i < data.length; i += 3) {
        data[i] = red;
        data[i + 1] = green;
        data[i + 2] = blue;
      }
    }
    return [{ width, height, batch, channels: 3, data }];
  },
});

export const ImageScale = defineNode({
  type: 'ImageScale',
  title: 'Upscale Image',
  category: 'image/upscaling',
  description: 'Scales pictures to a size. 0 for one side keeps the proportions; 0 for both leaves the picture as it is.',
  inputs: {
    image: { type: IMAGE },
    upscale_method: { type: COMBO, choices: scaleMethods },
    width: { type: INT, default: 512n, min: 0, max: maxSide, step: 1 },
    height: { type: INT, default: 512n, min: 0, max: maxSide, step: 1 },
    crop: { type: COMBO, choices: ['disabled', 'center'] },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image, upscale_method: method, width, height, crop }) {
    if (width === 0 && height === 0) return [image];
    const toWidth = width || Math.max(1, roundHalfEven((image.width * height) / image.height));
    const toHeight = height || Math.max(1, roundHalfEven((image.height * width) / image.width));
    return [scale(image, toWidth, toHeight, method as ScaleMethod, crop as Crop)];
  },
});

export const ImageInvert = defineNode({
  type: 'ImageInvert',
  title: 'Invert Image',
  category: 'image',
  inputs: { image: { type: IMAGE } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image }) {
    return [{ ...image, data: inverted(image.data) }];
  },
});

/** A plain loop: `map` with a function is four times as slow. */
function inverted(values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = 1 - values[i]!;
  return out;
}

export const ImageBatch = defineNode({
  type: 'ImageBatch',
  title: 'Batch Images',
  category: 'image',
  description: 'Joins two batches. The second is scaled and cropped to the size of the first.',
  inputs: { image1: { type: IMAGE }, image2: { type: IMAGE } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image1, image2 }) {
    const channels = Math.max(image1.channels, image2.channels);
    const first = withChannels(image1, channels);
    return [joined([first, withChannels(scale(image2, first.width, first.height, 'bilinear', 'center'), channels)])];
  },
});

export const RebatchImages = defineNode({
  type: 'RebatchImages',
  title: 'Rebatch Images',
  category: 'image/batch',
  description: 'Takes all pictures of a list of batches apart and groups them anew.',
  inputs: { images: { type: IMAGE }, batch_size: { type: INT, default: 1n, min: 1, max: 4096 } },
  outputs: [{ name: 'IMAGE', type: IMAGE, list: true }],
  wholeLists: true,
  run(inputs) {
    const { images, batch_size: [size] } = inputs as unknown as { images: readonly Image[]; batch_size: readonly [number] };
    const singles = images.flatMap((image) => Array.from({ length: image.batch }, (_, i) => single(image, i)));
    const groups: Image[] = [];
    for (let start = 0; start < singles.length; start += size) groups.push(joined(singles.slice(start, start + size)));
    return [groups];
  },
});

/** One picture of a batch, without a copy. */
export function single(image: Image, index: number): Image {
  const size = image.width * image.height * image.channels;
  return { ...image, batch: 1, data: image.data.subarray(index * size, (index + 1) * size) };
}

/** One batch of several; all must have the size of the first. */
function joined(images: readonly Image[]): Image {
  const first = images[0]!;
  if (images.length === 1) return first;
  for (const { width, height, channels } of images) {
    if (width !== first.width || height !== first.height || channels !== first.channels) {
      throw new Error(`pictures of ${first.width}×${first.height}×${first.channels} and ${width}×${height}×${channels} cannot be one batch: scale them to one size first, or use batch_size 1`);
    }
  }
  const data = new Float32Array(images.reduce((sum, image) => sum + image.data.length, 0));
  let at = 0;
  for (const image of images) {
    data.set(image.data, at);
    at += image.data.length;
  }
  return { ...first, batch: images.reduce((sum, image) => sum + image.batch, 0), data };
}

/** The batch with an opaque alpha channel where it lacks one that is wanted. */
function withChannels(image: Image, channels: number): Image {
  if (image.channels === channels) return image;
  const data = new Float32Array((image.data.length / 3) * 4).fill(1);
  for (let from = 0, to = 0; from < image.data.length; from += 3, to += 4) data.set(image.data.subarray(from, from + 3), to);
  return { ...image, channels, data };
}
