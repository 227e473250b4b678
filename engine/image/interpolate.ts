// Resizing of float pictures as torch.nn.functional.interpolate does it (align_corners false, no antialiasing).
// Knows no files and no nodes. For byte-exact antialiased resizing see resize.ts.
import type { FloatImage } from './pixels.ts';

export type Interpolation = 'nearest-exact' | 'bilinear' | 'bicubic' | 'area';

/** The batch at `width`×`height`, in float32; the same object when it has that size already. */
export function interpolate(image: FloatImage, width: number, height: number, mode: Interpolation): FloatImage {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`interpolate: a size must be whole and positive, got ${width}×${height}`);
  }
  if (image.width === width && image.height === height) return image;
  const wide = image.width === width ? image : alongRows(image, width, axes[mode](image.width, width));
  return image.height === height ? wide : alongColumns(wide, height, axes[mode](image.height, height));
}

/** For each output position `taps` source positions and their weights. */
interface Axis {
  readonly taps: number;
  /** [outputs, taps] */
  readonly index: Int32Array;
  /** [outputs, taps] */
  readonly weight: Float32Array;
}

const axes: Record<Interpolation, (from: number, to: number) => Axis> = {
  'nearest-exact': (from, to) => axis(from, to, 1, (out, scale, put) => put(Math.floor(Math.fround((out + 0.5) * scale)), 1)),
  bilinear: (from, to) => axis(from, to, 2, (out, scale, put) => {
    const at = Math.max(0, Math.fround(Math.fround(scale * (out + 0.5)) - 0.5));
    const low = Math.min(Math.floor(at), from - 1);
    put(low, 1 - (at - low));
    put(low + 1, at - low);
  }),
  bicubic: (from, to) => axis(from, to, 4, (out, scale, put) => {
    const at = Math.fround(Math.fround(scale * (out + 0.5)) - 0.5);
    const low = Math.floor(at);
    const t = at - low;
    for (let i = -1; i <= 2; i++) put(low + i, cubic(Math.abs(t - i)));
  }),
  area: (from, to) => axis(from, to, Math.ceil(from / to) + 1, (out, _scale, put) => {
    const start = Math.floor((out * from) / to);
    const end = Math.ceil(((out + 1) * from) / to);
    for (let i = start; i < end; i++) put(i, 1 / (end - start));
  }),
};

/** Fills the table of one axis; positions outside the picture repeat its edge. */
function axis(from: number, to: number, taps: number, fill: (out: number, scale: number, put: (index: number, weight: number) => void) => void): Axis {
  const index = new Int32Array(to * taps);
  const weight = new Float32Array(to * taps);
  const scale = Math.fround(from / to);
  for (let out = 0; out < to; out++) {
    let next = out * taps;
    fill(out, scale, (i, w) => {
      index[next] = Math.min(from - 1, Math.max(0, i));
      weight[next++] = w;
    });
  }
  return { taps, index, weight };
}

/** Keys' cubic with a = −0.75, torch's choice. */
function cubic(x: number): number {
  const a = -0.75;
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

function alongRows(image: FloatImage, width: number, { taps, index, weight }: Axis): FloatImage {
  const { channels, data: from } = image;
  const rows = image.batch * image.height;
  const to = new Float32Array(rows * width * channels);
  let written = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * image.width * channels;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let t = x * taps; t < (x + 1) * taps; t++) sum += weight[t]! * from[start + index[t]! * channels + c]!;
        to[written++] = sum;
      }
    }
  }
  return { ...image, width, data: to };
}

function alongColumns(image: FloatImage, height: number, { taps, index, weight }: Axis): FloatImage {
  const rowSize = image.width * image.channels;
  const from = image.data;
  const to = new Float32Array(image.batch * height * rowSize);
  for (let b = 0; b < image.batch; b++) {
    for (let y = 0; y < height; y++) {
      const out = (b * height + y) * rowSize;
      for (let t = y * taps; t < (y + 1) * taps; t++) {
        const row = (b * image.height + index[t]!) * rowSize;
        const w = weight[t]!;
        if (w !== 0) for (let x = 0; x < rowSize; x++) to[out + x] = to[out + x]! + w * from[row + x]!;
      }
    }
  }
  return { ...image, height, data: to };
}
