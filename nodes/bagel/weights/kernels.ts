// The one place that decides which kernels an import computes with: those of the add-on where it is built, else those in TypeScript. Both give the same bits.
// What the add-on cannot convert goes to TypeScript, which says why. Knows arrays only, no files.
import { loadNative, whyNotNative } from '../../../engine/device/native.ts';
import { bfloat16FromFloat32, float16FromFloat32, float32FromBfloat16, float32FromFloat16, float32FromFloat8, toFloat32 } from '../../../engine/tensor/half.ts';
import { tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { dequantizeInt8, dequantizeTable } from './bitsandbytes.ts';
import { decodeDf11, type Df11Codes, type Df11Layout } from './df11.ts';
import { dequantizeChannels, quantizeChannels, type QuantizedChannels } from './quantize-channels.ts';
import { blocksIn, dequantizeBlocks, quantizeBlocks, type QuantizedBlocks } from './quantize.ts';

/** The functions of the same names, which say what they throw. */
export interface Kernels {
  readonly quantizeBlocks: typeof quantizeBlocks;
  readonly dequantizeBlocks: typeof dequantizeBlocks;
  readonly quantizeChannels: typeof quantizeChannels;
  readonly dequantizeChannels: typeof dequantizeChannels;
  readonly dequantizeInt8: typeof dequantizeInt8;
  readonly dequantizeTable: typeof dequantizeTable;
  readonly decodeDf11: typeof decodeDf11;
  readonly bfloat16FromFloat32: (values: Float32Array) => Uint16Array;
  readonly float32FromBfloat16: (bits: Uint16Array) => Float32Array;
  readonly float16FromFloat32: (values: Float32Array) => Uint16Array;
  readonly float32FromFloat16: (bits: Uint16Array) => Float32Array;
  readonly float32FromFloat8: (bits: Uint8Array) => Float32Array;
}

/** native/src/kernels.rs documents the calls: they fill the arrays given, and answer false where they cannot. */
interface NativeKernels {
  quantizeBlocks(weight: Float32Array, inputs: number, bits: number, block: number, packed: Uint8Array, scales: Float32Array, threads: number): boolean;
  dequantizeBlocks(packed: Uint8Array, scales: Float32Array, inputs: number, bits: number, block: number, values: Float32Array, threads: number): boolean;
  quantizeChannels(weight: Float32Array, inputs: number, codes: Uint8Array, scales: Float32Array, threads: number): boolean;
  dequantizeChannels(codes: Uint8Array, scales: Float32Array, inputs: number, values: Float32Array, threads: number): boolean;
  dequantizeInt8(codes: Int8Array, largest: Float32Array, inputs: number, values: Float32Array, threads: number): boolean;
  dequantizeTable(codes: Uint8Array, table: Float32Array, largest: Float32Array, block: number, skipped: number, values: Float32Array, threads: number): boolean;
  lookUp(codes: Uint8Array, table: Float32Array, values: Float32Array, threads: number): boolean;
  bfloat16FromFloat32(bits: Uint32Array, into: Uint16Array, threads: number): boolean;
  float32FromBfloat16(bits: Uint16Array, into: Uint32Array, threads: number): boolean;
  float16FromFloat32(bits: Uint32Array, into: Uint16Array, threads: number): boolean;
  float32FromFloat16(bits: Uint16Array, into: Uint32Array, threads: number): boolean;
  decodeDf11(form: Df11Codes & Df11Layout, first: number, end: number, into: Uint16Array, threads: number): boolean;
}

/** In TypeScript, on the thread that calls. */
export const plainKernels: Kernels = { quantizeBlocks, dequantizeBlocks, quantizeChannels, dequantizeChannels, dequantizeInt8, dequantizeTable, decodeDf11, bfloat16FromFloat32, float32FromBfloat16, float16FromFloat32, float32FromFloat16, float32FromFloat8 };

/** Those of the add-on, each call on `threads` threads; undefined where it is turned off, not built, or was built before it had them. What they refuse `otherwise` answers. */
export function nativeKernels(threads: number, otherwise = plainKernels): Kernels | undefined {
  if (whyNotNative() !== undefined) return undefined;
  const native = loadNative() as unknown as NativeKernels;
  if (typeof native.decodeDf11 !== 'function') return undefined;
  return { ...quantizing(native, threads, otherwise), ...dequantizing(native, threads, otherwise), ...casting(native, threads, otherwise) };
}

/** Room that a kernel fills wholly: not zeroed before, and mostly memory that was used already, which costs less than the kernels themselves. */
const room = (bytes: number): ArrayBuffer => Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer;
const bytesRoom = (count: number) => new Uint8Array(room(count));
const halvesRoom = (count: number) => new Uint16Array(room(2 * count));
const floatsRoom = (count: number) => new Float32Array(room(4 * count));

let chosen: Kernels | undefined;

/** What imports compute with. One thread a call: an import has as many threads as it should. */
export function kernels(): Kernels {
  return (chosen ??= nativeKernels(1) ?? plainKernels);
}

/** As toFloat32 of engine/tensor. */
export function widen(t: Tensor): Tensor {
  switch (t.dtype) {
    case 'float16': return tensor('float32', t.shape, kernels().float32FromFloat16(t.data as Uint16Array));
    case 'bfloat16': return tensor('float32', t.shape, kernels().float32FromBfloat16(t.data as Uint16Array));
    default: return toFloat32(t);
  }
}

function quantizing(native: NativeKernels, threads: number, otherwise: Kernels): Pick<Kernels, 'quantizeBlocks' | 'dequantizeBlocks' | 'quantizeChannels' | 'dequantizeChannels'> {
  return {
    quantizeBlocks(weight, shape, format) {
      const [outputs, inputs] = shape;
      const blocks = outputs * blocksIn(inputs, format.block);
      const made: QuantizedBlocks = { packed: bytesRoom((blocks * format.block * format.bits) / 8), scales: floatsRoom(blocks) };
      return native.quantizeBlocks(weight, inputs, format.bits, format.block, made.packed, made.scales, threads) ? made : otherwise.quantizeBlocks(weight, shape, format);
    },
    dequantizeBlocks(made, shape, format) {
      const values = floatsRoom(shape[0] * shape[1]);
      return native.dequantizeBlocks(made.packed, made.scales, shape[1], format.bits, format.block, values, threads) ? values : otherwise.dequantizeBlocks(made, shape, format);
    },
    quantizeChannels(weight, shape) {
      const made: QuantizedChannels = { codes: bytesRoom(shape[0] * shape[1]), scales: floatsRoom(shape[0]) };
      return native.quantizeChannels(weight, shape[1], made.codes, made.scales, threads) ? made : otherwise.quantizeChannels(weight, shape);
    },
    dequantizeChannels(made, shape) {
      const values = floatsRoom(shape[0] * shape[1]);
      return native.dequantizeChannels(made.codes, made.scales, shape[1], values, threads) ? values : otherwise.dequantizeChannels(made, shape);
    },
  };
}

function dequantizing(native: NativeKernels, threads: number, otherwise: Kernels): Pick<Kernels, 'dequantizeInt8' | 'dequantizeTable' | 'decodeDf11' | 'float32FromFloat8'> {
  const float8Table = float32FromFloat8(Uint8Array.from({ length: 256 }, (_, code) => code));
  return {
    dequantizeInt8(codes, largest, inputs) {
      const values = floatsRoom(codes.length);
      return native.dequantizeInt8(codes, largest, inputs, values, threads) ? values : otherwise.dequantizeInt8(codes, largest, inputs);
    },
    dequantizeTable(codes, table, largest, block, first, count) {
      const values = floatsRoom(count);
      return native.dequantizeTable(codes, table, largest, block, first % block, values, threads) ? values : otherwise.dequantizeTable(codes, table, largest, block, first, count);
    },
    decodeDf11(codes, layout, first, end) {
      const count = codes.positions[end]! - codes.positions[first]!;
      const values = halvesRoom(Math.max(0, count));
      return count >= 0 && native.decodeDf11({ ...codes, ...layout }, first, end, values, threads) ? values : otherwise.decodeDf11(codes, layout, first, end);
    },
    float32FromFloat8(bits) {
      const values = floatsRoom(bits.length);
      return native.lookUp(bits, float8Table, values, threads) ? values : otherwise.float32FromFloat8(bits);
    },
  };
}

function casting(native: NativeKernels, threads: number, otherwise: Kernels): Pick<Kernels, 'bfloat16FromFloat32' | 'float32FromBfloat16' | 'float16FromFloat32' | 'float32FromFloat16'> {
  const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length);
  const narrowing = (call: NativeKernels['bfloat16FromFloat32'], plain: (values: Float32Array) => Uint16Array) => (values: Float32Array): Uint16Array => {
    const into = halvesRoom(values.length);
    return call(bitsOf(values), into, threads) ? into : plain(values);
  };
  const widening = (call: NativeKernels['float32FromBfloat16'], plain: (bits: Uint16Array) => Float32Array) => (bits: Uint16Array): Float32Array => {
    const into = floatsRoom(bits.length);
    return call(bits, bitsOf(into), threads) ? into : plain(bits);
  };
  return {
    bfloat16FromFloat32: narrowing(native.bfloat16FromFloat32, otherwise.bfloat16FromFloat32),
    float32FromBfloat16: widening(native.float32FromBfloat16, otherwise.float32FromBfloat16),
    float16FromFloat32: narrowing(native.float16FromFloat32, otherwise.float16FromFloat32),
    float32FromFloat16: widening(native.float32FromFloat16, otherwise.float32FromFloat16),
  };
}
