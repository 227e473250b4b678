// Proves that an imported folder holds what its source does: opens it as any reader would, decodes rows of each weight anew and compares them with the source's.
// Nothing of the writing is used but its figures.
import { UserError } from '../errors.ts';
import { readEntry } from '../../../engine/tensor/safetensors.ts';
import { toFloat32 } from '../../../engine/tensor/half.ts';
import { sizeOf } from '../../../engine/tensor/tensor.ts';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import type { StoredWeight } from '../../../engine/onnx/ops.ts';
import type { Converted, ConvertJob } from './convert.ts';
import { readRows } from './encoding.ts';
import type { ModelSource } from './folder.ts';
import { deviationsByKey, relativeError } from './import-errors.ts';
import type { ImportPlan } from './import-plan.ts';
import { openImported } from './imported.ts';
import { dequantizeBlocks } from './quantize.ts';

/** Rows that are compared, spread over each weight. */
const sampledRows = 4;
/** Columns of a row that are compared where each is a read of its own. */
const sampledColumns = 32;

interface VerifyOptions {
  readonly signal: AbortSignal;
  progress(progress: { phase: 'verifying'; done: number; total: number }): void;
}

/** Throws a UserError naming the first weight that is not what it should be. */
export async function verifyImport(source: ModelSource, plan: ImportPlan, folder: string, results: ReadonlyMap<ConvertJob, Converted>, { signal, progress }: VerifyOptions): Promise<void> {
  const model = await openImported(folder);
  const deviations = deviationsByKey(results);
  const weights = plan.files.flatMap((file) => file.weights);
  for (const [done, { source: one }] of weights.entries()) {
    signal.throwIfAborted();
    progress({ phase: 'verifying', done, total: weights.length });
    const stored = model.llm.get(one.key) ?? model.vae.get(one.key);
    if (stored === undefined) throw new UserError(`${folder}: the weight ${one.key} was not written`);
    const rows = one.shape[0] ?? 1;
    for (let i = 0; i < Math.min(rows, sampledRows); i++) {
      const row = Math.floor((rows * i) / Math.min(rows, sampledRows));
      const expected = toFloat32(await readRows(one, row, row + 1)).data as Float32Array;
      checkRow(one.key, row, await readStoredRow(stored, one.shape, row), expected, deviations.get(one.key)!.largest);
    }
    // a weight whose values went anywhere else than they should would be off by its own size
    const relative = relativeError(deviations.get(one.key)!);
    if (!(relative < 0.5)) throw new UserError(`${source.path}: the weight ${one.key} cannot be stored in this format: its error is ${(relative * 100).toFixed(0)} % of its size. Import it as bf16`);
  }
  progress({ phase: 'verifying', done: weights.length, total: weights.length });
}

/** Values of a row by their columns. */
type Sample = ReadonlyMap<number, number>;

function checkRow(key: string, row: number, given: Sample, expected: Float32Array, largest: number): void {
  for (const [column, value] of given) {
    if (Math.abs(value - expected[column]!) <= largest) continue;
    throw new UserError(`the weight ${key} was not written as it should be: value ${column} of row ${row} is ${value}, the source has ${expected[column]}. The disk may be failing; import the model again`);
  }
}

/** A row of a weight as it is stored; some of its columns where they do not lie together. */
async function readStoredRow(stored: StoredWeight, shape: readonly number[], row: number): Promise<Sample> {
  const columns = sizeOf(shape.slice(1));
  if ('bits' in stored) {
    const [packed, scales] = await Promise.all([readOne(stored.packed, row), readOne(stored.scales, row)]);
    return new Map(dequantizeBlocks({ packed: packed as Uint8Array, scales: scales as Float32Array }, [1, columns], { bits: stored.bits, block: stored.block as 128 }).entries());
  }
  if (!('codes' in stored)) return new Map((toFloat32(await readRow(stored, row, shape)).data as Float32Array).entries());
  const [scale] = (await readOne(stored.scales, row)) as Float32Array;
  const sample = Array.from({ length: Math.min(columns, sampledColumns) }, (_, i) => Math.floor((columns * i) / Math.min(columns, sampledColumns)));
  const codes = await Promise.all(sample.map((column) => readEntry({ ...stored.codes, shape: [1], offset: stored.codes.offset + column * shape[0]! + row, bytes: 1 })));
  return new Map(sample.map((column, i) => [column, Math.fround((Number(codes[i]!.data[0]) - 128) * scale!)]));
}

function readRow(ref: WeightRef, row: number, shape: readonly number[]): ReturnType<typeof readEntry> {
  const bytes = ref.bytes / (shape[0] ?? 1);
  return readEntry({ ...ref, shape: [sizeOf(shape.slice(1))], offset: ref.offset + bytes * row, bytes });
}

/** One row along the first side. */
async function readOne(ref: WeightRef, row: number): Promise<Uint8Array | Float32Array> {
  return (await readRow(ref, row, ref.shape)).data as Uint8Array | Float32Array;
}
