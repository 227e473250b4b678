// Writes a model folder again in the ways others store weights: DF11, LLM.int8, NF4, FP8. Encoders for tests, apart from all code under test;
// what they write is proven by the decoders' own tests against data of the official ones (golden/encodings.safetensors).
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bfloat16FromFloat32, float32FromBfloat16, float32FromFloat8, toFloat32 } from '../../engine/tensor/half.ts';
import { readEntry, writeSafetensors } from '../../engine/tensor/safetensors.ts';
import { float32, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import type { Df11Layout } from '../../nodes/bagel/weights/df11.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';

export type Encoded = 'df11' | 'int8' | 'nf4' | 'fp8' | 'fp8 scaled';

const linear = /^language_model\.(model\.layers\..*_proj(_moe_gen)?|lm_head)\.weight$|\.mlp(_moe_gen)?\.(gate|up|down)_proj\.weight$/;

/** Writes the model in `from` to `to`. Gives the float32 values that each encoded weight stands for, by key. */
export async function writeEncoded(from: string, to: string, kind: Encoded): Promise<Map<string, Float32Array>> {
  const model = await openModelFolder(from);
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) if (/\.json$|\.txt$|^ae\./.test(name)) await copyFile(path.join(from, name), path.join(to, name));
  const weights = new Map<string, Tensor>();
  for (const [key, ref] of model.llm) weights.set(key, await readEntry(ref));
  const values = new Map<string, Float32Array>();
  if (kind === 'df11') {
    await writeDf11(to, weights, values);
    return values;
  }
  const made = new Map<string, Tensor>();
  for (const [key, weight] of weights) {
    if (!linear.test(key)) made.set(key, weight);
    else values.set(key, encoders[kind](key, weight, made));
  }
  // a name that says nothing
  await writeSafetensors(path.join(to, 'weights-of-somebody.safetensors'), made);
  return values;
}

type Encoder = (key: string, weight: Tensor, into: Map<string, Tensor>) => Float32Array;

const encoders: Readonly<Record<Exclude<Encoded, 'df11'>, Encoder>> = {
  int8(key, weight, into) {
    const [rows, columns] = weight.shape as [number, number];
    const values = toFloat32(weight).data as Float32Array;
    const largest = Float32Array.from({ length: rows }, (_, row) => values.subarray(row * columns, (row + 1) * columns).reduce((most, value) => Math.max(most, Math.abs(value)), 0));
    const codes = Int8Array.from(values, (value, i) => Math.round((value * 127) / largest[Math.floor(i / columns)]!));
    into.set(key, tensor('int8', weight.shape, codes));
    into.set(key.replace(/weight$/, 'SCB'), float32([rows], largest));
    return Float32Array.from(codes, (code, i) => Math.fround(Math.fround(code * largest[Math.floor(i / columns)]!) * Math.fround(7.874015718698502e-3)));
  },
  nf4(key, weight, into) {
    const values = toFloat32(weight).data as Float32Array;
    const largest = Float32Array.from({ length: Math.ceil(values.length / 64) }, (_, block) => values.subarray(block * 64, (block + 1) * 64).reduce((most, value) => Math.max(most, Math.abs(value)), 0));
    const codes = Uint8Array.from(values, (value, i) => nearest(nf4, value / largest[i >> 6]!));
    into.set(key, tensor('uint8', [codes.length / 2, 1], Uint8Array.from({ length: codes.length / 2 }, (_, i) => (codes[2 * i]! << 4) | codes[2 * i + 1]!)));
    into.set(`${key}.absmax`, float32([largest.length], largest));
    into.set(`${key}.quant_map`, float32([16], nf4));
    const state = new TextEncoder().encode(JSON.stringify({ quant_type: 'nf4', blocksize: 64, dtype: 'bfloat16', shape: weight.shape }));
    into.set(`${key}.quant_state.bitsandbytes__nf4`, tensor('uint8', [state.length], state));
    return Float32Array.from(codes, (code, i) => nf4[code]! * largest[i >> 6]!);
  },
  fp8: (key, weight, into) => encodeFloat8(key, weight, into, 1),
  'fp8 scaled': (key, weight, into) => {
    const scale = Math.fround((toFloat32(weight).data as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 448);
    into.set(key.replace(/weight$/, 'scale_weight'), float32([], [scale]));
    return encodeFloat8(key, weight, into, scale);
  },
};

const nf4 = Float32Array.of(-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
  0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1);
const float8 = float32FromFloat8(Uint8Array.from({ length: 127 }, (_, i) => i));

function encodeFloat8(key: string, weight: Tensor, into: Map<string, Tensor>, scale: number): Float32Array {
  const codes = Uint8Array.from(toFloat32(weight).data as Float32Array, (value) => nearest(float8, Math.abs(value / scale)) | (value < 0 ? 128 : 0));
  into.set(key, tensor('float8e4m3fn', weight.shape, codes));
  return Float32Array.from(float32FromFloat8(codes), (value) => value * scale);
}

/** Index of the entry of an ascending table that is nearest to `value`. */
function nearest(table: Float32Array, value: number): number {
  let [low, high] = [0, table.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (table[middle]! <= value) low = middle;
    else high = middle;
  }
  return value - table[low]! <= table[high]! - value ? low : high;
}

const df11Modules = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj',
  'self_attn.q_proj_moe_gen', 'self_attn.k_proj_moe_gen', 'self_attn.v_proj_moe_gen', 'self_attn.o_proj_moe_gen', 'mlp_moe_gen.gate_proj', 'mlp_moe_gen.up_proj', 'mlp_moe_gen.down_proj'];
const [chunkBytes, threads] = [8, 16] as const;
export const df11Layout: Df11Layout = { chunkBytes, blockBytes: chunkBytes * threads };

/** A file a block, as the published model has them; blocks of 128 bytes, so that small models have several. */
async function writeDf11(to: string, weights: ReadonlyMap<string, Tensor>, values: Map<string, Float32Array>): Promise<void> {
  const left = new Map(weights);
  const layers = [...weights.keys()].filter((key) => key.endsWith('.input_layernorm.weight')).map((key) => key.slice(0, -'.input_layernorm.weight'.length));
  const blocks = [...layers.map((name) => ({ name, keys: df11Modules.map((module) => `${name}.${module}.weight`) })), { name: 'language_model.lm_head', keys: ['language_model.lm_head.weight'] }];
  for (const { name, keys } of blocks) {
    const parts = keys.map((key) => {
      const weight = left.get(key)!;
      left.delete(key);
      const bits = weight.dtype === 'bfloat16' ? (weight.data as Uint16Array) : bfloat16FromFloat32(toFloat32(weight).data as Float32Array);
      values.set(key, float32FromBfloat16(bits));
      return bits;
    });
    await writeSafetensors(path.join(to, `${name.replaceAll('.', '_')}.safetensors`), encodeDf11(name, parts));
  }
  await writeSafetensors(path.join(to, 'model.safetensors'), left);
  const config = JSON.parse(await readFile(path.join(to, 'config.json'), 'utf8')) as Record<string, unknown>;
  const patterns = { 'language_model\\.model\\.layers\\.\\d+': df11Modules, 'language_model\\.lm_head': [] };
  await writeFile(path.join(to, 'config.json'), JSON.stringify({ ...config, dfloat11_config: { version: '0.5.0', threads_per_block: [threads], bytes_per_thread: chunkBytes, pattern_dict: patterns } }));
}

/** The pieces of one block of weights, as tensors; codes in `df11Layout`. */
export function encodeDf11(name: string, parts: readonly Uint16Array[]): Map<string, Tensor> {
  const all = parts.flatMap((part) => [...part]);
  const codes = huffman(all.map((bits) => (bits >> 7) & 255));
  const bits: string[] = [];
  const [starts, positions]: [number[], number[]] = [[], []];
  let at = 0;
  all.forEach((value, i) => {
    while (starts.length <= at / (chunkBytes * 8)) starts.push(at - starts.length * chunkBytes * 8);
    while (positions.length <= at / (chunkBytes * threads * 8)) positions.push(i);
    const code = codes.get((value >> 7) & 255)!;
    bits.push(code);
    at += code.length;
  });
  const stream = bits.join('').padEnd(Math.ceil(at / 8) * 8, '1').match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2));
  const blocks = Math.ceil(stream.length / (chunkBytes * threads));
  while (positions.length < blocks) positions.push(all.length);
  const gaps = Array.from({ length: blocks * threads }, (_, i) => (starts[i] ?? 0).toString(2).padStart(5, '0')).join('').match(/.{1,8}/g)!.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
  let end = 0;
  const splits = parts.slice(0, -1).map((part) => BigInt((end += part.length)));
  const u8 = (list: ArrayLike<number>, shape = [list.length]) => tensor('uint8', shape, Uint8Array.from(list));
  const luts = tables(codes);
  return new Map([
    [`${name}.split_positions`, tensor('int64', [splits.length], BigInt64Array.from(splits))],
    [`${name}.output_positions`, u8(new Uint8Array(Uint32Array.from([...positions, all.length]).buffer))],
    [`${name}.luts`, u8(luts.flat(), [luts.length, 256])],
    [`${name}.encoded_exponent`, u8(stream)], [`${name}.gaps`, u8(gaps)],
    [`${name}.sign_mantissa`, u8(all.map((value) => ((value >> 8) & 0x80) | (value & 0x7f)))],
  ]);
}

/** Codes of 0 and 1 by symbol. One more symbol stands for the end, so that no code is empty. */
function huffman(symbols: readonly number[]): Map<number, string> {
  const counts = new Map<number, number>();
  for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
  let nodes = [[-1, 1] as const, ...counts].map(([symbol, count]) => ({ count, codes: [[symbol, '']] as [number, string][] }));
  while (nodes.length > 1) {
    nodes.sort((a, b) => a.count - b.count);
    const [a, b, ...rest] = nodes as [typeof nodes[0], typeof nodes[0], ...typeof nodes];
    const join = (bit: string, { codes }: typeof a) => codes.map(([symbol, code]): [number, string] => [symbol, bit + code]);
    nodes = [...rest, { count: a.count + b.count, codes: [...join('0', a), ...join('1', b)] }];
  }
  return new Map(nodes[0]!.codes.filter(([symbol]) => symbol >= 0));
}

/** Tables by eight bits: symbols, 256 − table where a code goes on; last the lengths. */
function tables(codes: ReadonlyMap<number, string>): number[][] {
  const prefixes = ['', ...new Set([...codes.values()].flatMap((code) => Array.from({ length: Math.floor((code.length - 1) / 8) }, (_, i) => code.slice(0, (i + 1) * 8))))].sort((a, b) => a.length - b.length);
  const made = prefixes.map((prefix) => Array.from({ length: 256 }, (_, byte) => {
    const next = prefix + byte.toString(2).padStart(8, '0');
    const found = [...codes].find(([, code]) => code.length > prefix.length && next.startsWith(code));
    return found?.[0] ?? (prefixes.includes(next) ? 256 - prefixes.indexOf(next) : 0);
  }));
  return [...made, Array.from({ length: 256 }, (_, symbol) => codes.get(symbol)?.length ?? 0)];
}
