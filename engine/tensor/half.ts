// Conversions between float32 and the narrow float types, over whole arrays. Knows numbers only, no files and no devices.
// Narrowing rounds to nearest, ties to even; NaN stays NaN, overflow becomes infinity, subnormals are kept.
import { tensor, type Tensor } from './tensor.ts';

/** float32 values as float16 bits. `into` must be as long as `values`. Source: IEEE 754-2019, binary16. */
export function float16FromFloat32(values: Float32Array, into = new Uint16Array(values.length)): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) into[i] = float16Bits(bits[i]!);
  return into;
}

/** float16 bits as float32 values: exact. */
export function float32FromFloat16(bits: Uint16Array, into = new Float32Array(bits.length)): Float32Array {
  const table = (float16Table ??= buildFloat16Table());
  for (let i = 0; i < bits.length; i++) into[i] = table[bits[i]!]!;
  return into;
}

/** float32 values as bfloat16 bits. `into` must be as long as `values`. */
export function bfloat16FromFloat32(values: Float32Array, into = new Uint16Array(values.length)): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    // Rounding could carry a NaN's payload into infinity, so NaN takes the quiet pattern instead.
    into[i] = (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return into;
}

/** bfloat16 bits as float32 values: exact. */
export function float32FromBfloat16(bits: Uint16Array, into = new Float32Array(bits.length)): Float32Array {
  const wide = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return into;
}

/** float8 E4M3FN bits as float32 values: exact. No infinities; 0x7f and 0xff are NaN. Source: arXiv 2209.05433. */
export function float32FromFloat8(bits: Uint8Array, into = new Float32Array(bits.length)): Float32Array {
  for (let i = 0; i < bits.length; i++) into[i] = float8Table[bits[i]!]!;
  return into;
}

/** The same values as a float32 tensor; a float32 tensor is returned as it is. Throws a TypeError for a type that holds no floats. */
export function toFloat32(t: Tensor): Tensor {
  switch (t.dtype) {
    case 'float32': return t;
    case 'float64': return tensor('float32', t.shape, Float32Array.from(t.data as Float64Array));
    case 'float16': return tensor('float32', t.shape, float32FromFloat16(t.data as Uint16Array));
    case 'bfloat16': return tensor('float32', t.shape, float32FromBfloat16(t.data as Uint16Array));
    case 'float8e4m3fn': return tensor('float32', t.shape, float32FromFloat8(t.data as Uint8Array));
    default: throw new TypeError(`toFloat32: a tensor of ${t.dtype} holds no floats; give float32, float64, float16, bfloat16 or float8e4m3fn`);
  }
}

/** A float32 tensor narrowed to `dtype`; one that already has the type is returned as it is. */
export function fromFloat32(t: Tensor, dtype: 'float32' | 'float16' | 'bfloat16'): Tensor {
  if (t.dtype === dtype) return t;
  if (t.dtype !== 'float32') throw new TypeError(`fromFloat32: expected a float32 tensor, got ${t.dtype}`);
  const values = t.data as Float32Array;
  return tensor(dtype, t.shape, dtype === 'float16' ? float16FromFloat32(values) : bfloat16FromFloat32(values));
}

function float16Bits(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent from 127 to 15 and round off 13 bits; a carry moves into the exponent, as it should.
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  if (magnitude <= 0x33000000) return sign; // 2^-25 is the tie between 0 and the least subnormal, and 0 is even
  const exponent = magnitude >>> 23;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent; // 14…24: the value is mantissa · 2^(exponent-150), a subnormal counts units of 2^-24
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && kept & 1) ? kept + 1 : kept);
}

let float16Table: Float32Array | undefined;

function buildFloat16Table(): Float32Array {
  const table = new Float32Array(0x10000);
  const bits = new Uint32Array(table.buffer);
  for (let h = 0; h < 0x8000; h++) {
    const exponent = h >>> 10;
    const mantissa = h & 0x3ff;
    if (exponent === 0) table[h] = mantissa * 2 ** -24;
    else if (exponent === 31) bits[h] = 0x7f800000 | (mantissa << 13);
    else bits[h] = ((exponent + 112) << 23) | (mantissa << 13);
    bits[h | 0x8000] = bits[h]! | 0x80000000;
  }
  return table;
}

const float8Table = Float32Array.from({ length: 256 }, (_, b) => {
  const exponent = (b >>> 3) & 15;
  const mantissa = b & 7;
  const magnitude = (b & 0x7f) === 0x7f ? NaN : exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return b & 0x80 ? -magnitude : magnitude;
});
