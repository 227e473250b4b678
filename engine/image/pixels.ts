// 8-bit pictures and how they become floats and back. Knows no file formats and no nodes.

/** Rows of interleaved 8-bit RGB or RGBA, top to bottom; alpha is straight, not premultiplied. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

/** Float pictures in 0…1; the same shape as the IMAGE type of the graph. */
export interface FloatImage {
  readonly width: number;
  readonly height: number;
  readonly batch: number;
  readonly channels: number;
  /** [batch, height, width, channels] */
  readonly data: Float32Array;
}

/** Pixels over `data`; throws a RangeError when its length does not fit. */
export function pixels(width: number, height: number, channels: 3 | 4, data: Uint8Array): Pixels {
  const expected = width * height * channels;
  if (data.length !== expected) throw new RangeError(`pixels ${width}×${height}×${channels} need ${expected} bytes, got ${data.length}`);
  return { width, height, channels, data };
}

/**
 * RGB with what is transparent shown over white; RGB comes back as it is. Rounds to nearest, as PIL's paste.
 * Source: BAGEL data_utils.py, pil_img2rgb.
 */
export function overWhite(source: Pixels): Pixels {
  if (source.channels === 3) return source;
  const { width, height, data } = source;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    const alpha = data[from + 3]!;
    const white = 255 * (255 - alpha);
    for (let c = 0; c < 3; c++) rgb[to++] = divideBy255(data[from + c]! * alpha + white);
  }
  return pixels(width, height, 3, rgb);
}

/** Masks in 0…1, 1 = transparent; the same shape as the MASK type of the graph. */
export interface FloatMask {
  readonly width: number;
  readonly height: number;
  readonly batch: number;
  /** [batch, height, width] */
  readonly data: Float32Array;
}

/**
 * RGBA from a picture and a mask of a batch (its last one when the batch is shorter): undoes the split that LoadImage makes,
 * to the byte. The picture as it is when the mask has another size, as LoadImage's empty 64×64 mask mostly has.
 */
export function withMask(picture: Pixels, mask: FloatMask, index = 0): Pixels {
  const { width, height, channels, data } = picture;
  if (mask.width !== width || mask.height !== height) return picture;
  const start = Math.min(index, mask.batch - 1) * width * height;
  const rgba = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgba[i * 4 + c] = data[i * channels + c]!;
    rgba[i * 4 + 3] = Math.round(255 * Math.min(1, Math.max(0, 1 - mask.data[start + i]!)));
  }
  return pixels(width, height, 4, rgba);
}

/** RGB without the alpha channel: what lies under transparency shows. */
export function withoutAlpha(source: Pixels): Pixels {
  if (source.channels === 3) return source;
  const { width, height, data } = source;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from]!;
    rgb[to++] = data[from + 1]!;
    rgb[to++] = data[from + 2]!;
  }
  return pixels(width, height, 3, rgb);
}

/** The nearest whole number to n / 255 for 0 ≤ n ≤ 255². */
export function divideBy255(n: number): number {
  const t = n + 128;
  return (t + (t >> 8)) >> 8;
}

/** Frames of equal size as one float batch, v / 255 in float32. */
export function floatFromPixels(frames: readonly Pixels[]): FloatImage {
  const first = frames[0];
  if (first === undefined) throw new RangeError('floatFromPixels: no frames');
  const { width, height, channels } = first;
  const data = new Float32Array(frames.length * first.data.length);
  frames.forEach((frame, index) => {
    if (frame.width !== width || frame.height !== height || frame.channels !== channels) {
      throw new RangeError(`floatFromPixels: frame ${index} is ${frame.width}×${frame.height}×${frame.channels}, the first ${width}×${height}×${channels}`);
    }
    const start = index * first.data.length;
    for (let i = 0; i < frame.data.length; i++) data[start + i] = unit[frame.data[i]!]!;
  });
  return { width, height, batch: frames.length, channels, data };
}

/** One picture of a float batch as bytes: trunc(clip(255·x)) in float32, as ComfyUI and BAGEL write their pictures. */
export function pixelsFromFloat(image: FloatImage, index = 0): Pixels {
  const { width, height, channels } = image;
  if (channels !== 3 && channels !== 4) throw new RangeError(`pixelsFromFloat: a picture has 3 or 4 channels, got ${channels}`);
  if (!(index >= 0 && index < image.batch)) throw new RangeError(`pixelsFromFloat: picture ${index} of a batch of ${image.batch}`);
  const size = width * height * channels;
  const start = index * size;
  const source = image.data;
  const data = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const scaled = Math.fround(255 * source[start + i]!);
    data[i] = scaled > 0 ? (scaled < 255 ? scaled : 255) : 0; // storing truncates; NaN becomes 0
  }
  return pixels(width, height, channels, data);
}

const unit = Float32Array.from({ length: 256 }, (_, v) => v / 255);
