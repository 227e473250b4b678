// Tells from tensors and their types how the weights of a checkpoint are stored, and joins the tensors that make up one weight. File names play no part.
// Reads headers and a few small tensors, never weights. Sources: dfloat11 0.5, bitsandbytes 0.45 (Params4bit, Int8Params), ComfyUI-style and compressed-tensors fp8 scales.
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { readEntry } from '../../../engine/tensor/safetensors.ts';
import { sizeOf } from '../../../engine/tensor/tensor.ts';
import { UserError } from '../errors.ts';
import type { JsonSection } from '../model/config.ts';
import { readDf11Blocks } from './detect-df11.ts';
import type { EncodedTensor, Nested } from './encoding.ts';
import { incompleteWeight, unknownQuantization } from './errors.ts';

export interface Detected {
  readonly tensors: ReadonlyMap<string, EncodedTensor>;
  /** Names of the formats in use, such as `bfloat16` or `DF11`, the one with the most weights first. */
  readonly formats: readonly string[];
}

const formatNames: Readonly<Record<Exclude<EncodedTensor['encoding']['kind'], 'plain'>, string>> = { df11: 'DF11', int8: 'INT8 (LLM.int8)', nf4: 'NF4', fp8: 'FP8' };

/** What stands beside a float8 weight. The last names a factor too, in spite of its name. */
const scaleNames = ['.scale_weight', '.weight_scale', '.weight_scale_inv'] as const;
const floats: ReadonlySet<string> = new Set(['float32', 'float64', 'float16', 'bfloat16']);
/** Tensors that say something about others and are no weights: scales of activations, markers, statistics. */
const besideWeights = /(^|\.)(scaled_fp8|scale_input|input_scale|weight_format|comfy_quant|k_scale|v_scale)$/;

/** Throws a UserError where pieces of a weight are missing or of a kind that is not known. `config` is config.json, which DF11 needs. */
export async function detectWeights(refs: ReadonlyMap<string, WeightRef>, config: JsonSection | undefined): Promise<Detected> {
  const left = new Map(refs);
  const take = (key: string): WeightRef | undefined => {
    const ref = left.get(key);
    left.delete(key);
    return ref;
  };
  const tensors = new Map<string, EncodedTensor>();
  for (const one of await readDf11Blocks(left, take, config)) tensors.set(one.key, one);
  for (const [key, ref] of [...left]) {
    const one = (await asTable(key, ref, left, take)) ?? (await asInt8(key, ref, left, take)) ?? asFloat8(key, ref, take);
    if (one === undefined) continue;
    left.delete(key);
    tensors.set(key, one);
  }
  for (const [key, values] of left) if (!besideWeights.test(key)) tensors.set(key, { key, shape: values.shape, encoding: { kind: 'plain', values } });
  return { tensors, formats: countFormats(tensors) };
}

type Take = (key: string) => WeightRef | undefined;

/** NF4 and FP4: `X.weight` as bytes, `X.weight.absmax`, `X.weight.quant_map` and the rest as JSON in a tensor of bytes. */
async function asTable(key: string, values: WeightRef, left: ReadonlyMap<string, WeightRef>, take: Take): Promise<EncodedTensor | undefined> {
  const state = ['nf4', 'fp4'].map((kind) => `${key}.quant_state.bitsandbytes__${kind}`).find((name) => left.has(name));
  if (state === undefined) {
    if (left.has(`${key}.absmax`)) throw incompleteWeight(values.file, key, `${key}.quant_state.bitsandbytes__nf4`);
    return undefined;
  }
  const text = new TextDecoder().decode((await readEntry(take(state)!)).data as Uint8Array);
  const { block, shape, nested } = parseState(values.file, key, text);
  const [table, largest] = [needed(key, `${key}.quant_map`, values, take), needed(key, `${key}.absmax`, values, take)];
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / block);
  if (values.dtype !== 'uint8' || sizeOf(values.shape) !== Math.ceil(size / 2)) throw unknownQuantization(values.file, key, `${values.dtype} [${values.shape.join(', ')}] for ${size} values of 4 bits`);
  if (sizeOf(table.shape) !== 16 || sizeOf(largest.shape) !== blocks) throw unknownQuantization(values.file, key, `${sizeOf(largest.shape)} scales and a table of ${sizeOf(table.shape)}, expected ${blocks} and 16`);
  const inner: Nested | undefined = nested && { ...nested, table: needed(key, `${key}.nested_quant_map`, values, take), scales: needed(key, `${key}.nested_absmax`, values, take) };
  expectFloats(key, inner === undefined ? [table, largest] : [table, inner.table, inner.scales]);
  if (inner !== undefined && (largest.dtype !== 'uint8' || sizeOf(inner.table.shape) !== 256 || sizeOf(inner.scales.shape) !== Math.ceil(blocks / inner.block))) throw unknownQuantization(values.file, key, 'double quantisation of another shape');
  return { key, shape, encoding: { kind: 'nf4', values, table, largest, block, ...(inner === undefined ? {} : { nested: inner }) } };
}

function parseState(file: string, key: string, text: string): { block: number; shape: number[]; nested?: { block: number; offset: number } } {
  let state: Record<string, unknown>;
  try {
    state = JSON.parse(text.replace(/\0+$/, '')) as Record<string, unknown>;
  } catch {
    throw unknownQuantization(file, key, `a quant_state that is no JSON: ${JSON.stringify(text.slice(0, 40))}`);
  }
  const isSize = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;
  const { blocksize: block, shape, nested_blocksize: nestedBlock, nested_offset: offset } = state;
  if (!isSize(block) || block % 2 !== 0 || !Array.isArray(shape) || !shape.every(isSize)) throw unknownQuantization(file, key, `a quant_state without block size and shape: ${text.slice(0, 80)}`);
  if (nestedBlock === undefined) return { block, shape };
  if (!isSize(nestedBlock) || typeof offset !== 'number') throw unknownQuantization(file, key, 'a quant_state with half of a double quantisation');
  return { block, shape, nested: { block: nestedBlock, offset } };
}

/** LLM.int8: `X.weight` of int8 and `X.SCB`, the largest magnitude of each row. */
async function asInt8(key: string, values: WeightRef, left: ReadonlyMap<string, WeightRef>, take: Take): Promise<EncodedTensor | undefined> {
  if (values.dtype !== 'int8' || !key.endsWith('.weight')) return undefined;
  const module = key.slice(0, -'.weight'.length);
  if (!left.has(`${module}.SCB`)) throw incompleteWeight(values.file, key, `${module}.SCB`);
  const largest = take(`${module}.SCB`)!;
  if (values.shape.length !== 2 || sizeOf(largest.shape) !== values.shape[0] || largest.dtype !== 'float32') throw unknownQuantization(values.file, key, `int8 [${values.shape.join(', ')}] with SCB ${largest.dtype} [${largest.shape.join(', ')}]`);
  const format = take(`${module}.weight_format`);
  const order = format === undefined ? 0 : Number((await readEntry(format)).data[0]);
  if (order !== 0) throw unknownQuantization(values.file, key, `a layout for one kind of GPU (weight_format ${order}); save the model again with row order`);
  return { key, shape: values.shape, encoding: { kind: 'int8', values, largest } };
}

function asFloat8(key: string, values: WeightRef, take: Take): EncodedTensor | undefined {
  if (values.dtype !== 'float8e4m3fn') return undefined;
  const module = key.endsWith('.weight') ? key.slice(0, -'.weight'.length) : key;
  const scales = scaleNames.map((name) => take(`${module}${name}`)).find((ref) => ref !== undefined);
  if (scales === undefined) return { key, shape: values.shape, encoding: { kind: 'fp8', values } };
  expectFloats(key, [scales]);
  const [rows, ...rest] = values.shape;
  const columns = sizeOf(rest);
  const [down, across] = [scales.shape[0] ?? 1, sizeOf(scales.shape.slice(1))];
  const isBlocks = down === Math.ceil(rows! / 128) && across === Math.ceil(columns / 128);
  if (!isBlocks && !((down === 1 || down === rows) && across === 1)) throw unknownQuantization(values.file, key, `scales [${scales.shape.join(', ')}] for float8 [${values.shape.join(', ')}]; known are one for all, one a row, or one a block of 128 × 128`);
  return { key, shape: values.shape, encoding: { kind: 'fp8', values, scales } };
}

/** Tables and scales are floats; read as something else they would scale a weight by nonsense. */
function expectFloats(key: string, refs: readonly WeightRef[]): void {
  for (const { file, dtype, shape } of refs) if (!floats.has(dtype)) throw unknownQuantization(file, key, `a table or scales of ${dtype} [${shape.join(', ')}], expected floats`);
}

function needed(key: string, name: string, { file }: WeightRef, take: Take): WeightRef {
  const ref = take(name);
  if (ref === undefined) throw incompleteWeight(file, key, name);
  return ref;
}

function countFormats(tensors: ReadonlyMap<string, EncodedTensor>): string[] {
  const sizes = new Map<string, number>();
  for (const { shape, encoding } of tensors.values()) {
    const name = encoding.kind === 'plain' ? encoding.values.dtype : formatNames[encoding.kind];
    sizes.set(name, (sizes.get(name) ?? 0) + sizeOf(shape));
  }
  return [...sizes].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** The weights as they lie in their files, for a checkpoint that can run as it is. Throws a UserError, made by `refuse`, where some must be decoded first. */
export function plainWeights({ tensors, formats }: Detected, refuse: (formats: readonly string[]) => UserError): ReadonlyMap<string, WeightRef> {
  const refs = new Map<string, WeightRef>();
  for (const { key, encoding } of tensors.values()) {
    if (encoding.kind !== 'plain') throw refuse(formats);
    refs.set(key, encoding.values);
  }
  return refs;
}
