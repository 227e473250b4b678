// Attention against a naive one in JavaScript: one row, causal and full, behind cached rows, grouped heads, many query blocks.
import { describe, expect, test } from 'vitest';
import { float32, int64, tensor, type Tensor } from '../../../../engine/tensor/tensor.ts';
import { attend, attendBlocks, rotate, rotaryAngles } from '../../../../nodes/bagel/model/attention.ts';
import { expectClose, noise, numbers, onnxHarness, type Given } from '../../../onnx/harness.ts';

const onnx = onnxHarness();
const headDim = 8;

interface Naive { readonly q: Tensor; readonly k: readonly Tensor[]; readonly v: readonly Tensor[]; readonly heads: number; readonly rows: number; readonly past: number; readonly causal: boolean }

/** q [rows, heads · headDim]; k and v a KV head [past + rows, headDim]. */
function naive({ q, k, v, heads, rows, past, causal }: Naive): number[] {
  const result: number[] = [];
  for (let row = 0; row < rows; row++) for (let head = 0; head < heads; head++) {
    const query = q.data.subarray((row * heads + head) * headDim, (row * heads + head + 1) * headDim) as Float32Array;
    const [keys, values] = [k, v].map((one) => one[Math.floor(head / (heads / k.length))]!.data as Float32Array);
    const seen = causal ? past + row + 1 : past + rows;
    const logits = Array.from({ length: seen }, (_, at) => query.reduce((sum, x, i) => sum + x * keys![at * headDim + i]!, 0) / Math.sqrt(headDim));
    const most = Math.max(...logits);
    const exps = logits.map((x) => Math.exp(x - most));
    const total = exps.reduce((sum, x) => sum + x, 0);
    for (let i = 0; i < headDim; i++) result.push(exps.reduce((sum, x, at) => sum + (x / total) * values![at * headDim + i]!, 0));
  }
  return result;
}

const rowsOf = (one: Tensor, from: number, end: number) => float32([end - from, headDim], (one.data as Float32Array).slice(from * headDim, end * headDim));
const bool = (value: boolean) => tensor('bool', [], Uint8Array.of(Number(value)));

interface Case { readonly rows: number; readonly past: number; readonly heads: number; readonly kvHeads: number; readonly causal: boolean; readonly single?: boolean; readonly blockLogits?: number }

async function check({ rows, past, heads, kvHeads, causal, single = false, blockLogits }: Case): Promise<void> {
  const q = noise([rows, heads * headDim], 1);
  const kv = (seed: number) => Array.from({ length: kvHeads }, (_, head) => noise([past + rows, headDim], seed + head));
  const [k, v] = [kv(10), kv(20)];
  const given: Record<string, Given> = { q: { value: q, dims: ['rows', heads * headDim] }, single: bool(single), causal: bool(causal) };
  for (const [name, values] of [['k', k], ['v', v]] as const) values.forEach((one, head) => {
    given[`past_${name}${head}`] = { value: rowsOf(one, 0, past), dims: ['past', headDim] };
    given[`${name}${head}`] = { value: rowsOf(one, past, past + rows), dims: ['rows', headDim] };
  });
  const { y } = await onnx.compute(given, (op, values) => {
    const all = (name: string) => Array.from({ length: kvHeads }, (_, head) => values[`${name}${head}`]!);
    const mode = { single: values['single']!, causal: values['causal']! };
    return { y: attend(op, values['q']!, { keys: all('past_k'), values: all('past_v') }, { keys: all('k'), values: all('v') }, mode, { heads, kvHeads, headDim }, blockLogits) };
  });
  expect(y!.shape).toEqual([rows, heads * headDim]);
  expectClose(y, naive({ q, k, v, heads, rows, past, causal }), 1e-6);
}

describe('one row', () => {
  test.each([1, 2, 4])('of 4 heads over %i KV heads', async (kvHeads) => {
    for (const past of [1, 100]) await check({ rows: 1, past, heads: 4, kvHeads, causal: true, single: true });
  });
  test('also as a case of many', async () => {
    for (const past of [0, 1, 100]) await check({ rows: 1, past, heads: 4, kvHeads: 2, causal: true });
  });
});

describe.each([['causal', true], ['full', false]] as const)('%s', (_name, causal) => {
  test.each([0, 1, 100])('behind %i rows', async (past) => {
    for (const kvHeads of [1, 2, 4]) await check({ rows: 7, past, heads: 4, kvHeads, causal });
  });
  test.each([[4 * 10 * 3, 'three rows'], [1, 'one row'], [4 * 10 * 7, 'all rows']])('in query blocks of %i logits: %s', async (blockLogits) => {
    await check({ rows: 7, past: 3, heads: 4, kvHeads: 2, causal, blockLogits });
  });
});

test('every head has keys of its own, as in a vision tower', async () => {
  const [heads, rows] = [3, 10];
  const [q, k, v] = [1, 2, 3].map((seed) => noise([rows, heads * headDim], seed)) as [Tensor, Tensor, Tensor];
  const byHead = (one: Tensor) => Array.from({ length: heads }, (_, head) => float32([rows, headDim], Array.from({ length: rows * headDim }, (_one, at) => numbers(one)[Math.floor(at / headDim) * heads * headDim + head * headDim + (at % headDim)]!)));
  const { y } = await onnx.compute(Object.fromEntries(Object.entries({ q, k, v }).map(([name, value]) => [name, { value, dims: ['rows', heads * headDim] }])), (op, values) => (
    { y: attendBlocks(op, values['q']!, values['k']!, values['v']!, { heads, headDim }, heads * rows * 4) }));
  expectClose(y, naive({ q, k: byHead(k), v: byHead(v), heads, rows, past: 0, causal: false }), 1e-6);
});

test('rotary turns the halves of each head by its row\'s position', async () => {
  const [rows, heads] = [3, 2];
  const x = noise([rows, heads, headDim]);
  const positions = [0, 7, 3000];
  const { y } = await onnx.compute({ x, positions: int64([rows], positions) }, (op, values) => ({ y: rotate(op, values['x']!, rotaryAngles(op, values['positions']!, headDim, 1e6)) }));
  const half = headDim / 2;
  const expected = numbers(x).map((value, at, all) => {
    const [row, i] = [Math.floor(at / (heads * headDim)), at % headDim];
    const angle = positions[row]! / 1e6 ** ((2 * (i % half)) / headDim);
    return value * Math.cos(angle) + (i < half ? -all[at + half]! : all[at - half]!) * Math.sin(angle);
  });
  expectClose(y, expected, 2e-5);
});
