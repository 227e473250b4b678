// Quantisation with a scale an output: how far codes are from the weight, and what ONNX Runtime computes with them, rows and all.
import { describe, expect, test } from 'vitest';
import type { ChannelQuantized } from '../../../engine/onnx/ops.ts';
import { Generator } from '../../../engine/tensor/random.ts';
import { float32, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { dequantizeChannels, quantizeChannels } from '../../../nodes/bagel/weights/quantize-channels.ts';
import { noise, numbers, onnxHarness, parameter } from '../../onnx/harness.ts';

const onnx = onnxHarness();
const gaussian = (length: number, seed: bigint) => { const random = new Generator(seed); return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random.random())) * Math.cos(2 * Math.PI * random.random())); };

/** Root of the mean square of the difference over that of the expected. */
function relative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) { difference += (actual[i]! - expected[i]!) ** 2; size += expected[i]! ** 2; }
  return Math.sqrt(difference / size);
}

const shape = [48, 320] as const;
const weight = gaussian(shape[0] * shape[1], 1n);
const made = quantizeChannels(weight, shape);
const back = dequantizeChannels(made, shape);

test('Gaussian weights come back within a bound', () => expect(relative(back, weight)).toBeLessThan(0.0078));

test('an output of large values does not touch the others', () => {
  const outlier = weight.slice();
  for (let i = 0; i < shape[1]; i++) outlier[i]! *= 1000;
  expect(dequantizeChannels(quantizeChannels(outlier, shape), shape).slice(shape[1])).toEqual(back.slice(shape[1]));
});

test('zeros stay zeros; what is not finite is refused', () => {
  expect(dequantizeChannels(quantizeChannels(new Float32Array(6), [2, 3]), [2, 3])).toEqual(new Float32Array(6));
  expect(() => quantizeChannels(Float32Array.of(1, 2, 3, NaN), [2, 2])).toThrow('the weight [2, 2] is not finite in row 1');
  expect(() => quantizeChannels(new Float32Array(5), [2, 3])).toThrow('needs 6 values, got 5');
});

/** x as rows of 8-bit steps, each of its own scale: what the graph is to compute. */
function steppedRows(x: Float32Array, columns: number): Float32Array {
  return x.map((value, i) => {
    const row = x.subarray(i - (i % columns), i - (i % columns) + columns);
    const scale = Math.fround(row.reduce((most, one) => Math.max(most, Math.abs(one)), 0) / 127);
    return scale === 0 ? 0 : Math.round(value / scale) * scale;
  });
}

describe('in ONNX Runtime', () => {
  async function product(x: Tensor, rows: number): Promise<number[]> {
    const refs = await onnx.store({ codes: tensor('uint8', [shape[1], shape[0]], made.codes), scales: float32([shape[0]], made.scales), bias: noise([shape[0]], 3) });
    const stored: ChannelQuantized = { codes: refs.get('codes')!, scales: refs.get('scales')! };
    const { y, twice } = await onnx.compute({ x: { value: x, dims: ['rows', shape[1]] } }, (op, values) => {
      const y = op.linear(values['x']!, parameter('w', shape), parameter('bias', [shape[0]]));
      return { y, twice: op.linear(values['x']!, parameter('w', shape)) };
    }, { weights: { get: (key) => (key === 'w' ? stored : refs.get(key)) } });
    expect([y!.shape, twice!.shape]).toEqual([[rows, shape[0]], [rows, shape[0]]]);
    return numbers(y);
  }
  const bias = numbers(noise([shape[0]], 3));
  const multiply = (x: Float32Array, rows: number, w: Float32Array) => Array.from({ length: rows * shape[0] }, (_, i) => {
    const [row, output] = [Math.floor(i / shape[0]), i % shape[0]];
    let sum = bias[output]!;
    for (let j = 0; j < shape[1]; j++) sum += x[row * shape[1] + j]! * w[output * shape[1] + j]!;
    return sum;
  });

  test('rows of very different sizes keep their own precision', async () => {
    const x = gaussian(4 * shape[1], 2n).map((value, i) => value * [1, 1e4, 1e-4, 0][Math.floor(i / shape[1])]!);
    const y = await product(float32([4, shape[1]], x), 4);
    const exact = multiply(steppedRows(x, shape[1]), 4, back);
    for (const row of [0, 1]) expect(relative(y.slice(row * shape[0], (row + 1) * shape[0]), exact.slice(row * shape[0], (row + 1) * shape[0]))).toBeLessThan(1e-5);
    y.slice(2 * shape[0]).forEach((value, i) => expect(value).toBeCloseTo(exact[2 * shape[0] + i]!, 6));
    const real = multiply(x, 4, weight);
    expect(relative(y.slice(0, shape[0]), real.slice(0, shape[0]))).toBeLessThan(0.02);
  });

  test('no rows give no rows', async () => expect(await product(float32([0, shape[1]], []), 0)).toEqual([]));
});
