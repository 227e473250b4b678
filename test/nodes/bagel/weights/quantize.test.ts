// Block quantisation: how far codes are from the weight, and that ONNX Runtime reads them as meant.
import { describe, expect, test } from 'vitest';
import type { BlockQuantized } from '../../../../engine/onnx/ops.ts';
import { float32, tensor } from '../../../../engine/tensor/tensor.ts';
import { Generator } from '../../../../engine/tensor/random.ts';
import { blocksIn, dequantizeBlocks, quantizeBlocks, type BlockFormat } from '../../../../nodes/bagel/weights/quantize.ts';
import { noise, numbers, onnxHarness, parameter } from '../../../onnx/harness.ts';

const onnx = onnxHarness();
const gaussian = (length: number, seed: bigint) => { const random = new Generator(seed); return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random.random())) * Math.cos(2 * Math.PI * random.random())); };

/** Root of the mean square of the difference over that of the expected. */
function relative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) { difference += (actual[i]! - expected[i]!) ** 2; size += expected[i]! ** 2; }
  return Math.sqrt(difference / size);
}

/** The usual way: the largest value of a block takes the whole range. */
function plain(weight: Float32Array, { bits, block }: BlockFormat): Float32Array {
  const steps = 2 ** (bits - 1);
  return weight.map((value, i) => {
    const start = i - (i % block);
    const scale = weight.subarray(start, start + block).reduce((most, one) => (Math.abs(one) > Math.abs(most) ? one : most), 0) / -steps;
    return Math.min(Math.max(Math.round(value / scale), -steps), steps - 1) * scale;
  });
}

describe.each<[BlockFormat, number]>([[{ bits: 4, block: 32 }, 0.085], [{ bits: 4, block: 128 }, 0.11], [{ bits: 8, block: 32 }, 0.0055], [{ bits: 8, block: 128 }, 0.007]])('%j', (format, bound) => {
  const shape = [64, 256] as const;
  const weight = gaussian(shape[0] * shape[1], 1n);
  const made = quantizeBlocks(weight, shape, format);

  test('Gaussian weights come back within a bound, nearer than by their largest value alone', () => {
    const back = dequantizeBlocks(made, shape, format);
    expect(relative(back, weight)).toBeLessThan(bound);
    expect(relative(back, weight)).toBeLessThan(relative(plain(weight, format), weight));
  });

  test('no value is further off than half a step, unless it is clipped', () => {
    const back = dequantizeBlocks(made, shape, format);
    const steps = 2 ** (format.bits - 1);
    weight.forEach((value, i) => {
      const scale = Math.abs(made.scales[Math.floor(i / format.block)]!);
      if (Math.abs(value) <= (steps - 1) * scale) expect(Math.abs(value - back[i]!)).toBeLessThanOrEqual(scale * 0.5001);
    });
  });

  test('MatMulNBits computes with exactly these weights, within its 8-bit activations', async () => {
    const blocks = blocksIn(shape[1], format.block);
    const refs = await onnx.store({
      packed: tensor('uint8', [shape[0], blocks, (format.block * format.bits) / 8], made.packed), scales: float32([shape[0], blocks], made.scales), bias: noise([shape[0]], 3),
    });
    const stored: BlockQuantized = { ...format, packed: refs.get('packed')!, scales: refs.get('scales')! };
    const x = float32([5, shape[1]], gaussian(5 * shape[1], 2n));
    const { y } = await onnx.compute({ x: { value: x, dims: ['rows', shape[1]] } }, (op, values) => ({ y: op.linear(values['x']!, parameter('w', shape), parameter('bias', [shape[0]])) }), {
      weights: { get: (key) => (key === 'w' ? stored : refs.get(key)) },
    });
    const back = dequantizeBlocks(made, shape, format);
    const bias = numbers(noise([shape[0]], 3));
    const expected = Array.from({ length: 5 * shape[0] }, (_, at) => {
      const [row, output] = [Math.floor(at / shape[0]), at % shape[0]];
      let sum = bias[output]!;
      for (let i = 0; i < shape[1]; i++) sum += (x.data as Float32Array)[row * shape[1] + i]! * back[output * shape[1] + i]!;
      return sum;
    });
    expect(relative(numbers(y), expected)).toBeLessThan(0.012);
  });
});

test('the earlier of two 4-bit codes is the low half of its byte', () => {
  const weight = new Float32Array(32);
  weight.set([-8, 7, 1, -1]);
  const { packed, scales } = quantizeBlocks(weight, [1, 32], { bits: 4, block: 32 });
  expect(scales[0]).toBeCloseTo(1, 6);
  expect([...packed.subarray(0, 3)]).toEqual([0xf0, 0x79, 0x88]);
});

test('a block of zeros stays zero, and a row that ends inside a block is filled up with zeros', async () => {
  const weight = new Float32Array(2 * 40);
  weight.set([1, -2], 38);
  const format = { bits: 8, block: 32 } as const;
  const made = quantizeBlocks(weight, [2, 40], format);
  expect(made.scales).toHaveLength(4);
  expect(Array.from(dequantizeBlocks(made, [2, 40], format), (value) => Number(value.toFixed(2)) + 0)).toEqual(Array.from(weight));
  expect([...made.packed.subarray(0, 32)]).toEqual(Array(32).fill(128));
  const refs = await onnx.store({ packed: tensor('uint8', [2, 2, 32], made.packed), scales: float32([2, 2], made.scales) });
  const stored = { ...format, packed: refs.get('packed')!, scales: refs.get('scales')! };
  const { y } = await onnx.compute({ x: float32([1, 40], Float32Array.from({ length: 40 }, (_, i) => i)) }, (op, { x }) => ({ y: op.linear(x!, parameter('w', [2, 40])) }), { weights: { get: () => stored } });
  expect(numbers(y).map((value) => Math.round(value))).toEqual([38 - 2 * 39, 0]);
});

test('what does not fit or is not finite is refused', () => {
  expect(() => quantizeBlocks(new Float32Array(3), [1, 4], { bits: 4, block: 32 })).toThrow('a weight [1, 4] needs 4 values, got 3');
  for (const bad of [NaN, Infinity]) expect(() => quantizeBlocks(Float32Array.of(0, 1, bad, 0), [2, 2], { bits: 4, block: 32 })).toThrow('the weight [2, 2] is not finite in row 1');
});
