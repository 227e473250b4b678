import { describe, expect, test } from 'vitest';
import { Generator } from '../../engine/tensor/random.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { readGolden } from '../support/golden.ts';

const golden = readGolden('torch-randn.safetensors');

function largestDifference(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  let largest = 0;
  for (let i = 0; i < expected.data.length; i++) largest = Math.max(largest, Math.abs(Number(actual.data[i]) - Number(expected.data[i])));
  return largest;
}

describe('Generator', () => {
  const single = [...golden.keys()].filter((key) => /^seed\d+_[\dx]+$/.test(key));
  test.each(single)('draws torch.randn of %s', (key) => {
    const seed = BigInt(/^seed(\d+)_/.exec(key)![1]!);
    const expected = golden.get(key)!;
    expect(largestDifference(new Generator(seed).randn(expected.shape), expected)).toBeLessThanOrEqual(1e-6);
  });

  test('continues one stream over several draws', () => {
    const generator = new Generator(7);
    for (const key of ['seed7_first_20', 'seed7_then_3x5', 'seed7_then_100']) {
      const expected = golden.get(key)!;
      expect(largestDifference(generator.randn(expected.shape), expected), key).toBeLessThanOrEqual(1e-6);
    }
  });

  test('counts only the low 32 bits of the seed', () => {
    expect(new Generator(5n + 2n ** 40n).randn([20]).data).toEqual(new Generator(5).randn([20]).data);
    expect(new Generator(-1).randn([3]).data).toEqual(new Generator(0xffffffff).randn([3]).data);
  });

  test('keeps the spare of an odd scalar draw for the next scalar draw', () => {
    const once = new Generator(3);
    const twice = new Generator(3);
    const together = once.randn([4]).data;
    expect([...twice.randn([1]).data, ...twice.randn([3]).data]).toEqual([...together]);
  });

  test('random() stays in [0, 1) with mean one half', () => {
    const generator = new Generator(11);
    let sum = 0;
    for (let i = 0; i < 10_000; i++) {
      const value = generator.random();
      if (!(value >= 0 && value < 1)) throw new Error(`${value} is outside [0, 1)`);
      sum += value;
    }
    expect(sum / 10_000).toBeCloseTo(0.5, 1);
  });

  test('random() equals the known start of torch.rand in double for seed 0', () => {
    // mt19937 seeded with 0 begins 2357136044, 2546248239 (std::mt19937); the first is the high word.
    expect(new Generator(0).random()).toBe(((2357136044 & 0x1fffff) * 2 ** 32 + 2546248239) * 2 ** -53);
  });

  test('refuses a seed that is no whole number', () => {
    expect(() => new Generator(1.5)).toThrow(/whole number, got 1.5/);
  });
});
