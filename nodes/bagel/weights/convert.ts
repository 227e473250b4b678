// Converts rows of a weight from any encoding to the form they are imported in, and measures what that costs. One job reads, converts and writes by itself,
// in steps, so that neither memory nor messages grow with the weight. Runs on any thread.
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { bytesView, sizeOf, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { readRows, type EncodedTensor } from './encoding.ts';
import { brokenWeight } from './errors.ts';
import { kernels, widen } from './kernels.ts';
import type { Placed, Storage } from './layout.ts';
import { blocksIn } from './quantize.ts';

/** Rows `first` up to `end` of a weight, to be written to a file whose layout is given. */
export interface ConvertJob {
  readonly kind: 'convert';
  readonly source: EncodedTensor;
  readonly first: number;
  readonly end: number;
  readonly storage: Storage;
  readonly file: string;
  /** The weight's pieces: values, then scales. */
  readonly pieces: readonly Placed[];
}

/** How far stored values are from those of the source. */
export interface Deviation {
  readonly count: number;
  /** Σ value² of the source. */
  readonly squares: number;
  /** Σ (stored − source)². */
  readonly differences: number;
  /** The largest |stored − source|. */
  readonly largest: number;
}

export interface Converted {
  readonly deviation: Deviation;
  /** CRC-32 of the bytes written, in the order in which `writtenParts` lists them. */
  readonly checksum: number;
  readonly bytes: number;
}

/** Values worked on at a time. */
const stepValues = 1 << 20;

export const noDeviation: Deviation = { count: 0, squares: 0, differences: 0, largest: 0 };

export function addDeviations(a: Deviation, b: Deviation): Deviation {
  return { count: a.count + b.count, squares: a.squares + b.squares, differences: a.differences + b.differences, largest: Math.max(a.largest, b.largest) };
}

/** Throws a UserError where the source is damaged or not finite. */
export async function convert(job: ConvertJob): Promise<Converted> {
  const handle = await open(job.file, 'r+');
  try {
    const writer = writerFor(job, handle);
    const step = Math.max(1, Math.floor(stepValues / Math.max(1, sizeOf(job.source.shape.slice(1)))));
    let deviation = noDeviation;
    for (let row = job.first; row < job.end; row += step) {
      const end = Math.min(row + step, job.end);
      const rows = await readRows(job.source, row, end);
      try {
        deviation = addDeviations(deviation, await writer.write(rows, row));
      } catch (error) {
        if (error instanceof RangeError) throw brokenWeight(job.source.key, row, end, error.message);
        throw error;
      }
    }
    await writer.finish();
    return { deviation, ...(await checkWritten(job, handle)) };
  } finally {
    await handle.close();
  }
}

interface RowWriter {
  /** Stores rows that begin at row `row` of the weight. */
  write(rows: Tensor, row: number): Promise<Deviation>;
  finish(): Promise<void>;
}

function writerFor(job: ConvertJob, handle: FileHandle): RowWriter {
  switch (job.storage.kind) {
    case 'plain': return plainWriter(job, handle);
    case 'blocks': return blockWriter(job, job.storage, handle);
    case 'channels': return channelWriter(job, handle);
  }
}

function plainWriter({ pieces, source }: ConvertJob, handle: FileHandle): RowWriter {
  const [values] = pieces as readonly [Placed];
  const rowBytes = source.shape.length === 0 ? values.bytes : values.bytes / source.shape[0]!;
  return {
    async write(rows, row) {
      const stored = narrow(rows, values.dtype);
      await writeAt(handle, bytesView(stored), values.offset + row * rowBytes);
      return deviationOf(widen(rows).data as Float32Array, widen(stored).data as Float32Array);
    },
    finish: async () => undefined,
  };
}

/** Bits are kept where the type stays. */
function narrow(rows: Tensor, dtype: Placed['dtype']): Tensor {
  if (rows.dtype === dtype) return rows;
  const wide = widen(rows);
  return dtype === 'bfloat16' ? tensor('bfloat16', rows.shape, kernels().bfloat16FromFloat32(wide.data as Float32Array)) : wide;
}

function blockWriter({ pieces, source }: ConvertJob, format: Storage & { kind: 'blocks' }, handle: FileHandle): RowWriter {
  const [values, scales] = pieces as readonly [Placed, Placed];
  const inputs = source.shape[1]!;
  const blocks = blocksIn(inputs, format.block);
  return {
    async write(rows, row) {
      const wide = widen(rows).data as Float32Array;
      const shape = [rows.shape[0]!, inputs] as const;
      const made = kernels().quantizeBlocks(wide, shape, format);
      await writeAt(handle, made.packed, values.offset + (row * blocks * format.block * format.bits) / 8);
      await writeAt(handle, bytesOfFloats(made.scales), scales.offset + row * blocks * 4);
      return deviationOf(wide, kernels().dequantizeBlocks(made, shape, format));
    },
    finish: async () => undefined,
  };
}

/** Codes lie by inputs, so the rows of the job are collected and written as strips. */
function channelWriter({ pieces, source, first, end }: ConvertJob, handle: FileHandle): RowWriter {
  const [values, scales] = pieces as readonly [Placed, Placed];
  const [outputs, inputs] = source.shape as readonly [number, number];
  const width = end - first;
  const codes = new Uint8Array(inputs * width);
  return {
    async write(rows, row) {
      const wide = widen(rows).data as Float32Array;
      const count = rows.shape[0]!;
      const made = kernels().quantizeChannels(wide, [count, inputs]);
      for (let i = 0; i < inputs; i++) codes.set(made.codes.subarray(i * count, (i + 1) * count), i * width + row - first);
      await writeAt(handle, bytesOfFloats(made.scales), scales.offset + row * 4);
      return deviationOf(wide, kernels().dequantizeChannels(made, [count, inputs]));
    },
    async finish() {
      if (width === outputs) return writeAt(handle, codes, values.offset);
      for (let i = 0; i < inputs; i++) await writeAt(handle, codes.subarray(i * width, (i + 1) * width), values.offset + i * outputs + first);
    },
  };
}

function bytesOfFloats({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

function deviationOf(source: Float32Array, stored: Float32Array): Deviation {
  let [squares, differences, largest] = [0, 0, 0];
  for (let i = 0; i < source.length; i++) {
    const value = source[i]!;
    const difference = Math.abs(stored[i]! - value);
    squares += value * value;
    differences += difference * difference;
    if (difference > largest) largest = difference;
  }
  if (!Number.isFinite(squares)) throw new RangeError('it holds values that are not finite');
  return { count: source.length, squares, differences, largest };
}

/** Where in the file the bytes of a job lie, in order. */
export function writtenParts({ source, first, end, storage, pieces }: Omit<ConvertJob, 'kind' | 'file'>): { readonly offset: number; readonly bytes: number }[] {
  const rows = source.shape[0] ?? 1;
  const rowsOf = ({ offset, bytes }: Placed) => ({ offset: offset + (bytes / rows) * first, bytes: (bytes / rows) * (end - first) });
  if (storage.kind !== 'channels' || end - first === rows) return pieces.map(rowsOf);
  const [values, scales] = pieces as readonly [Placed, Placed];
  return [...Array.from({ length: source.shape[1]! }, (_, i) => ({ offset: values.offset + i * rows + first, bytes: end - first })), rowsOf(scales)];
}

/** Reads what a job has written. */
export async function checkWritten(job: ConvertJob, handle: FileHandle): Promise<{ checksum: number; bytes: number }> {
  let [checksum, bytes] = [0, 0];
  const buffer = new Uint8Array(1 << 20);
  for (const part of writtenParts(job)) for (let done = 0; done < part.bytes;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, part.bytes - done), part.offset + done);
    if (bytesRead === 0) throw new RangeError(`${job.file} ends at ${part.offset + done}`);
    checksum = crc32(buffer.subarray(0, bytesRead), checksum);
    done += bytesRead;
    bytes += bytesRead;
  }
  return { checksum, bytes };
}
