// The size rule of BAGEL's image inputs. Knows numbers only. Source: BAGEL data/transforms.py, MaxLongEdgeMinShortEdgeResize.

/** Bounds of a resize, spelt as in a model's config.json. Sides in pixels. */
export interface ResizeBounds {
  /** Bound of the long side. */
  readonly max_size: number;
  /** Bound of the short side. */
  readonly min_size: number;
  /** Both sides become multiples of it. */
  readonly stride: number;
  /** Bound of width · height; default 14·14·9·1024. */
  readonly max_pixels?: number;
}

export interface Size { readonly width: number; readonly height: number }

export const defaultMaxPixels = 14 * 14 * 9 * 1024;

/** The size a picture of `width`×`height` is resized to. Rounds half to even, as Python. */
export function fitSize(width: number, height: number, bounds: ResizeBounds): Size {
  if (!(width > 0 && height > 0)) throw new RangeError(`fitSize: a picture has a positive size, got ${width}×${height}`);
  const { max_size: maxSize, min_size: minSize, stride, max_pixels: maxPixels = defaultMaxPixels } = bounds;
  const scaled = (size: Size, scale: number): Size => ({
    width: divisible(roundHalfEven(size.width * scale), stride),
    height: divisible(roundHalfEven(size.height * scale), stride),
  });
  let size: Size = { width, height };
  size = scaled(size, Math.max(Math.min(maxSize / Math.max(width, height), 1), minSize / Math.min(width, height)));
  const area = size.width * size.height;
  if (area > maxPixels) size = scaled(size, maxPixels / area); // the ratio of areas, not its root: as the reference does
  const long = Math.max(size.width, size.height);
  if (long > maxSize) size = scaled(size, maxSize / long);
  return size;
}

function divisible(side: number, stride: number): number {
  return Math.max(stride, roundHalfEven(side / stride) * stride);
}

/** The nearest whole number; halves go to the even one. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
