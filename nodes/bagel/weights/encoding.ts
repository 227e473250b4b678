// How a weight is stored in a file somebody else made, and reading rows of it. What is stored how, detect.ts finds out.
// Encodings are plain values: they travel to other threads.
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { readEntry } from '../../../engine/tensor/safetensors.ts';
import { float32, sizeOf, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { dequantizeNested } from './bitsandbytes.ts';
import { df11Blocks, df11Overhang, type Df11Layout } from './df11.ts';
import { damagedWeight } from './errors.ts';
import { kernels, widen } from './kernels.ts';

export type Encoding =
  | { readonly kind: 'plain'; readonly values: WeightRef }
  /** Scales for the whole, a row, or a block of rows and columns. Absent: the values are meant as they are. */
  | { readonly kind: 'fp8'; readonly values: WeightRef; readonly scales?: WeightRef }
  | { readonly kind: 'int8'; readonly values: WeightRef; readonly largest: WeightRef }
  | { readonly kind: 'nf4'; readonly values: WeightRef; readonly table: WeightRef; readonly largest: WeightRef; readonly block: number; readonly nested?: Nested }
  /** `first` is the index of its first value in the block of weights that were coded together. */
  | { readonly kind: 'df11'; readonly name: string; readonly luts: WeightRef; readonly codes: WeightRef; readonly signs: WeightRef; readonly positions: WeightRef; readonly gaps: WeightRef; readonly layout: Df11Layout; readonly first: number };

/** Of nf4: the largest magnitudes are codes themselves. */
export interface Nested {
  readonly table: WeightRef;
  readonly scales: WeightRef;
  readonly block: number;
  readonly offset: number;
}

/** A weight as it is meant, and where and how it is stored. */
export interface EncodedTensor {
  readonly key: string;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

/** Reads rows `first` up to `end` along the first side: plain values in their own type, DF11 as bfloat16, all others as float32. Throws a UserError where they are damaged. */
export async function readRows(one: EncodedTensor, first: number, end: number): Promise<Tensor> {
  const columns = sizeOf(one.shape.slice(1));
  const [from, count] = one.shape.length === 0 ? [0, 1] : [first * columns, (end - first) * columns];
  const shape = one.shape.length === 0 ? [] : [end - first, ...one.shape.slice(1)];
  const { encoding } = one;
  switch (encoding.kind) {
    case 'plain': {
      const { dtype, data } = await readPart(encoding.values, from, count);
      return tensor(dtype, shape, data);
    }
    case 'fp8': return float32(shape, await readFloat8(encoding, one.shape, from, count, columns));
    case 'int8': {
      const [codes, largest] = await Promise.all([readPart(encoding.values, from, count), readPart(encoding.largest, first, end - first)]);
      return float32(shape, kernels().dequantizeInt8(codes.data as Int8Array, widen(largest).data as Float32Array, columns));
    }
    case 'nf4': return float32(shape, await readTable(encoding, from, count));
    case 'df11': return tensor('bfloat16', shape, await readDf11(one.key, encoding, encoding.first + from, count));
  }
}

/** Elements `first` to `first + count` of a stored tensor, flat. */
function readPart(ref: WeightRef, first: number, count: number): Promise<Tensor> {
  const size = sizeOf(ref.shape);
  const each = size === 0 ? 0 : ref.bytes / size;
  return readEntry({ ...ref, shape: [count], offset: ref.offset + first * each, bytes: count * each });
}

async function readFloat8({ values, scales }: Encoding & { kind: 'fp8' }, shape: readonly number[], from: number, count: number, columns: number): Promise<Float32Array> {
  const plain = kernels().float32FromFloat8((await readPart(values, from, count)).data as Uint8Array);
  if (scales === undefined) return plain;
  const factors = widen(await readEntry(scales)).data as Float32Array;
  const down = scales.shape.length === 0 ? 1 : scales.shape[0]!;
  const across = sizeOf(scales.shape.slice(1));
  // blocks are 128 on a side; a scale a row or for all is a block that wide
  const [height, width] = [down === 1 ? shape[0]! : down === shape[0] ? 1 : 128, across === 1 ? columns : 128];
  for (let i = 0; i < count;) {
    const [row, column] = [Math.floor((from + i) / columns), (from + i) % columns];
    const factor = factors[Math.floor(row / height) * across + Math.floor(column / width)]!;
    // up to the end of the row or of the block
    for (const end = Math.min(count, i + Math.min(columns - column, width - (column % width))); i < end; i++) plain[i]! *= factor;
  }
  return plain;
}

async function readTable({ values, table, largest, block, nested }: Encoding & { kind: 'nf4' }, from: number, count: number): Promise<Float32Array> {
  const even = from - (from % 2);
  const total = count + (from - even);
  const [firstBlock, blocks] = [Math.floor(even / block), Math.ceil((even + total) / block) - Math.floor(even / block)];
  const [codes, values16, found] = await Promise.all([readPart(values, even / 2, Math.ceil(total / 2)), readEntry(table), readPart(largest, firstBlock, blocks)]);
  const magnitudes = nested === undefined ? (widen(found).data as Float32Array) : await readNested(nested, found.data as Uint8Array, firstBlock);
  return kernels().dequantizeTable(codes.data as Uint8Array, widen(values16).data as Float32Array, magnitudes, block, even, total).subarray(from - even);
}

async function readNested(nested: Nested, codes: Uint8Array, first: number): Promise<Float32Array> {
  const [table, scales] = await Promise.all([readEntry(nested.table), readEntry(nested.scales)]);
  return dequantizeNested(codes, widen(table).data as Float32Array, widen(scales).data as Float32Array, nested.block, nested.offset, first);
}

/** Decodes only the blocks that hold the values asked for. */
async function readDf11(key: string, { name, luts, codes, signs, positions, gaps, layout }: Encoding & { kind: 'df11' }, first: number, count: number): Promise<Uint16Array> {
  const [tables, starts, bits] = await Promise.all([readEntry(luts), readEntry(positions), readEntry(gaps)]);
  const index = new Uint32Array(starts.data.buffer, starts.data.byteOffset, starts.data.byteLength / 4);
  const blocks = df11Blocks(index, first, first + count);
  const from = blocks.first * layout.blockBytes;
  const until = Math.min(blocks.end * layout.blockBytes + df11Overhang, codes.bytes);
  const [valueStart, valueEnd] = [index[blocks.first]!, index[blocks.end]!];
  if (valueStart > first || valueEnd < first + count || valueEnd > signs.bytes) throw damagedWeight(codes.file, key, `the starts of ${name} do not reach over its values`);
  const [stream, mantissas] = await Promise.all([readPart(codes, from, until - from), readPart(signs, valueStart, valueEnd - valueStart)]);
  try {
    const decoded = kernels().decodeDf11({ luts: tables.data as Uint8Array, codes: stream.data as Uint8Array, signs: mantissas.data as Uint8Array, positions: index, gaps: bits.data as Uint8Array }, layout, blocks.first, blocks.end);
    return decoded.subarray(first - valueStart, first - valueStart + count);
  } catch (error) {
    if (error instanceof RangeError) throw damagedWeight(codes.file, key, `${name}: ${error.message}`);
    throw error;
  }
}
