// Scaling of IMAGE batches by ComfyUI's methods and cropping rule.
import { roundHalfEven } from '../../engine/image/fit-size.ts';
import { interpolate, type Interpolation } from '../../engine/image/interpolate.ts';
import { floatFromPixels, pixelsFromFloat } from '../../engine/image/pixels.ts';
import { resize } from '../../engine/image/resize.ts';
import type { Image } from '../../engine/graph/node.ts';

export const scaleMethods = ['nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos'] as const;
export type ScaleMethod = (typeof scaleMethods)[number];
export type Crop = 'disabled' | 'center';

/** The batch at `width`×`height`. `center` first cuts both ends of the longer side off, so that proportions stay. */
export function scale(image: Image, width: number, height: number, method: ScaleMethod, crop: Crop): Image {
  const source = crop === 'center' ? cropToAspect(image, width / height) : image;
  return method === 'lanczos' ? lanczos(source, width, height) : interpolate(source, width, height, method satisfies Interpolation);
}

/** On 8-bit pixels, as Pillow does it. */
function lanczos(image: Image, width: number, height: number): Image {
  return floatFromPixels(Array.from({ length: image.batch }, (_, i) => resize(pixelsFromFloat(image, i), { width, height }, 'lanczos')));
}

function cropToAspect(image: Image, aspect: number): Image {
  const own = image.width / image.height;
  const x = own > aspect ? roundHalfEven((image.width - image.width * (aspect / own)) / 2) : 0;
  const y = own < aspect ? roundHalfEven((image.height - image.height * (own / aspect)) / 2) : 0;
  return x === 0 && y === 0 ? image : cut(image, x, y, image.width - 2 * x, image.height - 2 * y);
}

function cut(image: Image, x: number, y: number, width: number, height: number): Image {
  const { batch, channels } = image;
  const rowSize = width * channels;
  const data = new Float32Array(batch * height * rowSize);
  for (let row = 0; row < batch * height; row++) {
    const sourceRow = Math.floor(row / height) * image.height + y + (row % height);
    const start = (sourceRow * image.width + x) * channels;
    data.set(image.data.subarray(start, start + rowSize), row * rowSize);
  }
  return { width, height, batch, channels, data };
}
