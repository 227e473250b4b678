// Resizing of 8-bit pictures, byte for byte as Pillow does it. Knows no files and no nodes.
// Source: Pillow's Resample.c, described: antialiased filters, 22-bit fixed-point weights, horizontal then vertical,
// 8-bit pixels between the passes.
import type { Size } from './fit-size.ts';
import { divideBy255, pixels, type Pixels } from './pixels.ts';

export type Filter = 'box' | 'bilinear' | 'bicubic' | 'lanczos';

/** The picture at another size; the same object when it has that size already. RGBA is resized premultiplied. */
export function resize(source: Pixels, { width, height }: Size, filter: Filter): Pixels {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`resize: a size must be whole and positive, got ${width}×${height}`);
  }
  if (source.width === width && source.height === height) return source;
  if (source.channels === 4) return unpremultiply(resample(premultiply(source), width, height, filter));
  return resample(source, width, height, filter);
}

/** `resize` as BAGEL's image inputs use it. */
export function resizeBicubic(source: Pixels, size: Size): Pixels {
  return resize(source, size, 'bicubic');
}

const fractionBits = 22;

interface Kernel { readonly support: number; weight(x: number): number }

const kernels: Record<Filter, Kernel> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x), -0.5) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic for x ≥ 0. */
function cubic(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** For each output position: the first source position, how many follow, and their fixed-point weights. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [outputs, stride] */
  readonly weights: Int32Array;
  readonly stride: number;
}

function tapsFor(from: number, to: number, kernel: Kernel): Taps {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const exact = new Float64Array(stride);
  const inverse = 1 / filterScale;
  for (let out = 0; out < to; out++) {
    const center = (out + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(from, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < taps; i++) sum += exact[i] = kernel.weight((i + start - center + 0.5) * inverse);
    for (let i = 0; i < taps; i++) {
      const fixed = (sum === 0 ? exact[i]! : exact[i]! / sum) * 2 ** fractionBits;
      weights[out * stride + i] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    first[out] = start;
    count[out] = taps;
  }
  return { first, count, weights, stride };
}

function resample(source: Pixels, width: number, height: number, filter: Filter): Pixels {
  const kernel = kernels[filter];
  const wide = source.width === width ? source : resampleRows(source, width, tapsFor(source.width, width, kernel));
  return wide.height === height ? wide : resampleColumns(wide, height, tapsFor(wide.height, height, kernel));
}

const half = 1 << (fractionBits - 1);

function clip8(fixed: number): number {
  const value = fixed >> fractionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function resampleRows(source: Pixels, width: number, { first, count, weights, stride }: Taps): Pixels {
  const { height, channels } = source;
  const from = source.data;
  const to = new Uint8Array(width * height * channels);
  let written = 0;
  for (let y = 0; y < height; y++) {
    const row = y * source.width * channels;
    for (let x = 0; x < width; x++) {
      let at = row + first[x]! * channels;
      let red = half, green = half, blue = half, alpha = half;
      for (let w = x * stride, end = w + count[x]!; w < end; w++, at += channels) {
        const weight = weights[w]!;
        red = (red + Math.imul(from[at]!, weight)) | 0;
        green = (green + Math.imul(from[at + 1]!, weight)) | 0;
        blue = (blue + Math.imul(from[at + 2]!, weight)) | 0;
        if (channels === 4) alpha = (alpha + Math.imul(from[at + 3]!, weight)) | 0;
      }
      to[written++] = clip8(red);
      to[written++] = clip8(green);
      to[written++] = clip8(blue);
      if (channels === 4) to[written++] = clip8(alpha);
    }
  }
  return pixels(width, height, channels, to);
}

function resampleColumns(source: Pixels, height: number, taps: Taps): Pixels {
  const { width, channels } = source;
  const rowBytes = width * channels;
  const from = source.data;
  const to = new Uint8Array(rowBytes * height);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let i = 0; i < taps.count[y]!; i++) {
      const weight = taps.weights[y * taps.stride + i]!;
      const row = (taps.first[y]! + i) * rowBytes;
      for (let x = 0; x < rowBytes; x++) sums[x] = (sums[x]! + Math.imul(from[row + x]!, weight)) | 0;
    }
    for (let x = 0; x < rowBytes; x++) to[y * rowBytes + x] = clip8(sums[x]!);
  }
  return pixels(width, height, channels, to);
}

function premultiply(source: Pixels): Pixels {
  const data = new Uint8Array(source.data);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    for (let c = i; c < i + 3; c++) data[c] = divideBy255(data[c]! * alpha);
  }
  return pixels(source.width, source.height, 4, data);
}

function unpremultiply(source: Pixels): Pixels {
  const data = new Uint8Array(source.data);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = i; c < i + 3; c++) data[c] = Math.min(255, Math.trunc((255 * data[c]!) / alpha));
  }
  return pixels(source.width, source.height, 4, data);
}
