// Reads flat pictures: nearest colours, where a colour lies, and which of seven shapes a mask looks like most. Knows no model.

/** The colours of the demo model's training pictures, 0…255. */
const palette = { red: [220, 40, 40], green: [40, 170, 70], blue: [50, 90, 220], yellow: [245, 215, 50], white: [245, 245, 245], black: [25, 25, 25], purple: [150, 60, 180], orange: [245, 140, 40] } as const;
export type Colour = keyof typeof palette;
export const colourNames = Object.keys(palette) as Colour[];
export const shapeNames = ['circle', 'square', 'triangle', 'star', 'ring', 'cross', 'diamond'] as const;

/** Name of the palette colour nearest to each pixel of a float picture [height, width, 3]. */
export function nearestColours(pixels: Float32Array): Colour[] {
  return Array.from({ length: pixels.length / 3 }, (_, i) => {
    const distance = (name: Colour) => palette[name].reduce((sum, value, c) => sum + (pixels[i * 3 + c]! * 255 - value) ** 2, 0);
    return colourNames.reduce((best, name) => (distance(name) < distance(best) ? name : best));
  });
}

export function commonest(values: readonly Colour[]): Colour {
  const counts = new Map<Colour, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** Mean position of a mask, 0…1. */
export function centreOf(mask: readonly boolean[], width: number, height: number): { x: number; y: number } {
  let [x, y, count] = [0, 0, 0];
  mask.forEach((on, i) => {
    if (!on) return;
    x += (i % width) + 0.5;
    y += Math.floor(i / width) + 0.5;
    count++;
  });
  return { x: x / count / width, y: y / count / height };
}

/** Ten corners of a star with inner radius 0.382 (a pentagram's), stretched to fill −1…1. */
const starCorners = fill(Array.from({ length: 10 }, (_, i) => {
  const radius = i % 2 === 0 ? 1 : 0.382;
  return [radius * Math.sin((i * Math.PI) / 5), -radius * Math.cos((i * Math.PI) / 5)] as const;
}));

function fill(corners: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const range = (axis: 0 | 1) => [Math.min(...corners.map((corner) => corner[axis])), Math.max(...corners.map((corner) => corner[axis]))] as const;
  const stretch = (value: number, [low, high]: readonly [number, number]) => (2 * (value - low)) / (high - low) - 1;
  return corners.map(([x, y]) => [stretch(x, range(0)), stretch(y, range(1))] as const);
}

/** Even-odd rule. */
function isInside(corners: readonly (readonly [number, number])[], x: number, y: number): boolean {
  return corners.reduce((inside, [ax, ay], i) => {
    const [bx, by] = corners[(i + 1) % corners.length]!;
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside;
  }, false);
}

/** True where a shape that fills −1…1 covers (x, y); y points down. */
const covers: Record<(typeof shapeNames)[number], (x: number, y: number) => boolean> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: () => true,
  triangle: (x, y) => Math.abs(x) <= (y + 1) / 2,
  star: (x, y) => isInside(starCorners, x, y),
  ring: (x, y) => { const r = Math.hypot(x, y); return r <= 1 && r >= 0.5; },
  cross: (x, y) => Math.abs(x) <= 0.34 || Math.abs(y) <= 0.34,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1,
};

/** The shape whose template, fitted to the middle 99 % of the mask's extent, overlaps it most (intersection over union). */
export function bestShape(mask: readonly boolean[], width: number, height: number): (typeof shapeNames)[number] | undefined {
  const xs: number[] = [];
  const ys: number[] = [];
  mask.forEach((on, i) => { if (on) { xs.push(i % width); ys.push(Math.floor(i / width)); } });
  if (xs.length < 20) return undefined;
  const extent = (values: number[]): [number, number] => {
    values.sort((a, b) => a - b);
    return [values[Math.floor(values.length * 0.004)]!, values[Math.ceil(values.length * 0.996) - 1]! + 1];
  };
  const [left, right] = extent(xs);
  const [top, bottom] = extent(ys);
  const overlap = (shape: (typeof shapeNames)[number]): number => {
    let [both, either] = [0, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [u, v] = [(2 * (x + 0.5 - left)) / (right - left) - 1, (2 * (y + 0.5 - top)) / (bottom - top) - 1];
        const inside = Math.abs(u) <= 1 && Math.abs(v) <= 1 && covers[shape](u, v);
        const on = mask[y * width + x]!;
        if (inside && on) both++;
        if (inside || on) either++;
      }
    }
    return both / either;
  };
  return shapeNames.reduce((best, shape) => (overlap(shape) > overlap(best) ? shape : best));
}
