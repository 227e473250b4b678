import { describe, expect, test } from 'vitest';
import {
  bfloat16FromFloat32, float16FromFloat32, float32FromBfloat16, float32FromFloat16, float32FromFloat8, fromFloat32, toFloat32,
} from '../../engine/tensor/half.ts';
import { tensor } from '../../engine/tensor/tensor.ts';

const everyHalf = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
const half = (value: number): number => float16FromFloat32(Float32Array.of(value))[0]!;
const brain = (value: number): number => bfloat16FromFloat32(Float32Array.of(value))[0]!;

describe('float16', () => {
  test('every pattern survives the way there and back', () => {
    const back = float16FromFloat32(float32FromFloat16(everyHalf));
    for (let i = 0; i < 0x10000; i++) {
      const isNaNPattern = (i & 0x7fff) > 0x7c00;
      if (isNaNPattern ? (back[i]! & 0x7fff) <= 0x7c00 : back[i] !== i) throw new Error(`0x${i.toString(16)} came back as 0x${back[i]!.toString(16)}`);
    }
  });

  test.each([
    [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519.99, 0x7bff], [65520, 0x7c00], [1e30, 0x7c00], [-Infinity, 0xfc00],
    [2 ** -14, 0x0400], [2 ** -24, 0x0001], [2 ** -25, 0x0000], [2 ** -25 * 1.0001, 0x0001], [-1e-30, 0x8000], [-0, 0x8000],
    [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [1.5 * 2 ** -24, 0x0002], [2.5 * 2 ** -24, 0x0002], [2 ** -14 - 2 ** -26, 0x0400],
  ])('%d is 0x%s', (value, bits) => expect(half(value)).toBe(bits));

  test('rounds to the nearest, ties to even, between any two neighbours', () => {
    const values = float32FromFloat16(everyHalf);
    for (let i = 0; i < 0x7bff; i++) {
      const tie = (values[i]! + values[i + 1]!) / 2;
      if (half(tie) !== (i & 1 ? i + 1 : i)) throw new Error(`the tie above 0x${i.toString(16)} became 0x${half(tie).toString(16)}`);
    }
  });

  test('NaN stays NaN', () => expect(float32FromFloat16(Uint16Array.of(half(NaN)))[0]).toBeNaN());
});

describe('bfloat16', () => {
  test('every pattern survives the way there and back', () => {
    const back = bfloat16FromFloat32(float32FromBfloat16(everyHalf));
    for (let i = 0; i < 0x10000; i++) {
      const isNaNPattern = (i & 0x7fff) > 0x7f80;
      if (isNaNPattern ? (back[i]! & 0x7fff) <= 0x7f80 : back[i] !== i) throw new Error(`0x${i.toString(16)} came back as 0x${back[i]!.toString(16)}`);
    }
  });

  test.each([
    [1, 0x3f80], [1 + 2 ** -8, 0x3f80], [1 + 3 * 2 ** -8, 0x3f82], [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    [3.4e38, 0x7f80], [-Infinity, 0xff80], [2 ** -149, 0x0000], [2 ** -133, 0x0001], [-0, 0x8000],
  ])('%d is 0x%s', (value, bits) => expect(brain(value)).toBe(bits));

  test('a NaN whose payload lies in the dropped bits stays NaN', () => {
    const values = new Float32Array(new Uint32Array([0x7f800001, 0xffffffff]).buffer);
    for (const value of float32FromBfloat16(bfloat16FromFloat32(values))) expect(value).toBeNaN();
  });
});

test('float8 E4M3FN has its known values', () => {
  const values = float32FromFloat8(Uint8Array.of(0x00, 0x01, 0x07, 0x08, 0x38, 0x7e, 0x7f, 0xfe, 0xff, 0x80));
  expect([...values]).toEqual([0, 2 ** -9, 7 * 2 ** -9, 2 ** -6, 1, 448, NaN, -448, NaN, -0]);
});

describe('toFloat32', () => {
  test('reads every float type', () => {
    const expected = Float32Array.of(1, -2);
    for (const t of [
      tensor('float32', [2], Float32Array.of(1, -2)), tensor('float64', [2], Float64Array.of(1, -2)),
      tensor('float16', [2], Uint16Array.of(0x3c00, 0xc000)), tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0xc000)),
      tensor('float8e4m3fn', [2], Uint8Array.of(0x38, 0xc0)),
    ]) expect(toFloat32(t)).toEqual(tensor('float32', [2], expected));
  });

  test('refuses integers', () => expect(() => toFloat32(tensor('int32', [1], new Int32Array(1)))).toThrow(/int32 holds no floats/));

  test('fromFloat32 narrows and keeps the shape', () => {
    const wide = tensor('float32', [1, 2], Float32Array.of(1, -2));
    expect(fromFloat32(wide, 'float16')).toEqual(tensor('float16', [1, 2], Uint16Array.of(0x3c00, 0xc000)));
    expect(toFloat32(fromFloat32(wide, 'bfloat16'))).toEqual(wide);
  });
});
