import { expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { bestShape, centreOf, commonest, nearestColours } from './picture-reader.ts';

async function read(name: string): Promise<{ colours: ReturnType<typeof nearestColours>; width: number; height: number }> {
  const { data, width, height } = await decode(`workflows/pictures/${name}.png`);
  return { colours: nearestColours(Float32Array.from(data, (value) => value / 255)), width, height };
}

test.each([
  ['circle', 'white', 'red', 'circle', [0.5, 0.5]],
  ['ring', 'black', 'orange', 'ring', [0.5, 0.5]],
  ['star-and-cross', 'yellow', 'red', 'star', [0.5, 0.25]],
  ['star-and-cross', 'yellow', 'blue', 'cross', [0.5, 0.73]],
  ['square-and-circle', 'white', 'green', 'square', [0.27, 0.5]],
  ['square-and-circle', 'white', 'red', 'circle', [0.72, 0.5]],
] as const)('%s: on %s a %s %s', async (name, background, colour, shape, [x, y]) => {
  const { colours, width, height } = await read(name);
  expect(commonest(colours)).toBe(background);
  const mask = colours.map((one) => one === colour);
  const centre = centreOf(mask, width, height);
  expect([Math.abs(centre.x - x) < 0.1, Math.abs(centre.y - y) < 0.1]).toEqual([true, true]);
  expect(bestShape(mask, width, height)).toBe(shape);
});
