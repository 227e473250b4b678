// What an imported folder holds: how each weight is stored in a format, and where its pieces lie in the file. Pure; touches no file.
import type { DType } from '../../../engine/tensor/dtype.ts';
import { bytesOf } from '../../../engine/tensor/tensor.ts';
import type { EncodedTensor } from './encoding.ts';
import { blocksIn } from './quantize.ts';

/** Precision of the linear weights of the decoder layers, for each expert: `und` serves text and read pictures, `gen` drawn pictures alone. */
export interface Precision {
  readonly und: 'float32' | 'bf16' | 'int8' | 'int4';
  readonly gen: 'float32' | 'bf16' | 'int8';
}

export const undPrecisions: readonly Precision['und'][] = ['bf16', 'int8', 'int4', 'float32'];
export const genPrecisions: readonly Precision['gen'][] = ['bf16', 'int8', 'float32'];

export const formats = {
  bf16: { und: 'bf16', gen: 'bf16' },
  int8: { und: 'int8', gen: 'int8' },
  int4: { und: 'int4', gen: 'int8' },
} as const satisfies Record<string, Precision>;

export type Storage =
  | { readonly kind: 'plain'; readonly dtype: DType }
  /** MatMulNBits: a scale a block of inputs. */
  | { readonly kind: 'blocks'; readonly bits: 4 | 8; readonly block: 128 }
  /** MatMulInteger: a scale an output, and rows quantised in the run. */
  | { readonly kind: 'channels' };

const block = 128;
const decoderLinear = /^language_model\.model\.layers\.(\d+)\.(?:self_attn|mlp(?:_moe_gen)?)\.(\w+_proj)(_moe_gen)?\.weight$/;
const visionLinear = /^vit_model\..*\.(?:[qkv]_proj|out_proj|fc[12])\.weight$/;
const headKey = 'language_model.lm_head.weight';

/** True for the many weights of the generation expert. */
export function isGeneration(key: string): boolean {
  return key.includes('_moe_gen');
}

/**
 * How a weight of the checkpoint is stored. Embeddings, norms, connectors and position tables stay as they are. With 4 bits the weights to which a
 * model is most sensitive keep 8: keys and values, which all query heads of a group share, and the first and the last layer.
 */
export function storageFor({ key, shape, encoding }: EncodedTensor, precision: Precision, layers: number): Storage {
  const linear = decoderLinear.exec(key);
  const isQuantized = precision.und.startsWith('int');
  if (linear !== null) {
    if (isGeneration(key)) return precision.gen === 'int8' ? { kind: 'channels' } : plain(precision.gen);
    if (precision.und === 'int8') return { kind: 'blocks', bits: 8, block };
    if (precision.und !== 'int4') return plain(precision.und);
    const layer = Number(linear[1]);
    const isSensitive = layer === 0 || layer === layers - 1 || linear[2] === 'k_proj' || linear[2] === 'v_proj';
    return { kind: 'blocks', bits: isSensitive ? 8 : 4, block };
  }
  // the head is read for each token that is written; the tower's rows are as many as those of a picture, but it is small
  if (isQuantized && (key === headKey || visionLinear.test(key))) return { kind: 'blocks', bits: 8, block };
  if (encoding.kind === 'plain' && (isQuantized || precision.und === 'float32' || shape.length < 2)) return { kind: 'plain', dtype: encoding.values.dtype };
  return plain(precision.und === 'float32' ? 'float32' : 'bf16');
}

function plain(precision: 'float32' | 'bf16'): Storage {
  return { kind: 'plain', dtype: precision === 'bf16' ? 'bfloat16' : 'float32' };
}

/** A piece of a file. */
export interface Piece {
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The pieces a weight is stored in: values first, then scales. */
export function piecesOf(key: string, shape: readonly number[], storage: Storage): readonly Piece[] {
  if (storage.kind === 'plain') return [{ key, dtype: storage.dtype, shape }];
  const [outputs, inputs] = shape as readonly [number, number];
  if (storage.kind === 'channels') return [{ key: `${key}.codes`, dtype: 'uint8', shape: [inputs, outputs] }, { key: `${key}.scales`, dtype: 'float32', shape: [outputs] }];
  const blocks = blocksIn(inputs, storage.block);
  return [
    { key: `${key}.blocks`, dtype: 'uint8', shape: [outputs, blocks, (storage.block * storage.bits) / 8] },
    { key: `${key}.scales`, dtype: 'float32', shape: [outputs, blocks] },
  ];
}

export interface Placed extends Piece {
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface FileLayout {
  /** The bytes before the first piece. */
  readonly header: Uint8Array;
  readonly pieces: ReadonlyMap<string, Placed>;
  /** Size of the file. */
  readonly bytes: number;
}

/** Pieces that are worth mapping begin at a page. */
const pageBytes = 4096;
const largeBytes = 64 * 1024;

const headerNames: Partial<Record<DType, string>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16', uint8: 'U8' };

/** Lays pieces out as a safetensors file. The gaps before pieces are tensors too (`__gap__.N`), since other readers allow none. */
export function layOut(pieces: readonly Piece[], metadata: Readonly<Record<string, string>>): FileLayout {
  let at = 0;
  let gaps = 0;
  const entries: [string, unknown][] = [['__metadata__', metadata]];
  const begins = new Map<string, number>();
  const add = (key: string, dtype: DType, shape: readonly number[]): void => {
    const name = headerNames[dtype];
    if (name === undefined) throw new RangeError(`${key}: ${dtype} is not stored`);
    const bytes = bytesOf({ dtype, shape });
    entries.push([key, { dtype: name, shape, data_offsets: [at, at + bytes] }]);
    begins.set(key, at);
    at += bytes;
  };
  for (const { key, dtype, shape } of pieces) {
    const alignment = bytesOf({ dtype, shape }) >= largeBytes ? pageBytes : 16;
    const gap = (alignment - (at % alignment)) % alignment;
    if (gap > 0) add(`__gap__.${gaps++}`, 'uint8', [gap]);
    add(key, dtype, shape);
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const start = Math.ceil((8 + text.length) / pageBytes) * pageBytes;
  const header = new Uint8Array(start).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(start - 8), true);
  header.set(text, 8);
  return { header, bytes: start + at, pieces: new Map(pieces.map((piece) => [piece.key, { ...piece, offset: start + begins.get(piece.key)!, bytes: bytesOf(piece) }])) };
}

/** True for the tensors that only fill the file up. */
export function isGap(key: string): boolean {
  return key.startsWith('__gap__.');
}
