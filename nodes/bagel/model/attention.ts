// Exact grouped-query attention over cached rows and new rows, in three bodies of which one runs:
// one row (decoding), causal rows (text), full rows (images). Many rows go in query blocks so that logits stay below 256 MB.
import type { Ops } from '../../../engine/onnx/ops.ts';
import type { Dim, Expr } from '../../../engine/onnx/expr.ts';

/** Logits a block of queries may have: 64 Mi float32 = 256 MB. */
const maxLogits = 64 * 1024 * 1024;

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Keys and values of one layer: one [rows, headDim] value a KV head, so that cached rows lie in one piece and feed without a copy. */
export interface KeysValues {
  readonly keys: readonly Expr[];
  readonly values: readonly Expr[];
}

/** Which body runs. `single`: exactly one new row and at least one cached one. */
export interface AttentionMode {
  readonly single: Expr;
  readonly causal: Expr;
}

/** q [rows, heads · headDim] after rotary; gives [rows, heads · headDim]. */
export function attend(op: Ops, q: Expr, past: KeysValues, fresh: KeysValues, mode: AttentionMode, shape: AttentionShape, blockLogits = maxLogits): Expr {
  const { kvHeads, headDim } = shape;
  const width = (shape.heads / kvHeads) * headDim; // of the queries that share one KV head
  const rows = q.dims[0]!;
  const grouped = op.transpose(op.reshape(q, [rows, kvHeads, width]), [1, 0, 2]); // [kvHeads, rows, group · headDim]
  const merge = (o: Ops, x: Expr) => o.reshape(o.transpose(x, [1, 0, 2]), [rows, kvHeads * width]); // [rows, heads · headDim]
  const many = (causal: boolean) => (o: Ops) => [merge(o, attendCached(o, grouped, past, fresh, causal, shape, blockLogits))];
  return op.if(
    mode.single,
    (o) => [attendOne(o, grouped, past, fresh, shape)],
    (o) => o.if(mode.causal, many(true), many(false)),
  )[0]!;
}

/** One query row: the logits of cached and new rows are joined, never the keys, so the cache is read once and not copied. */
function attendOne(op: Ops, grouped: Expr, past: KeysValues, fresh: KeysValues, { heads, kvHeads, headDim }: AttentionShape): Expr {
  const group = heads / kvHeads;
  const lengths = op.concat([op.lengthOf(past.keys[0]!, 0), op.ints([1])], 0);
  const byHead = op.split(op.reshape(grouped, [kvHeads, group, headDim]), Array.from({ length: kvHeads }, () => 1), 0);
  const outputs = byHead.map((one, head) => {
    const query = op.reshape(one, [group, headDim]);
    const logits = (keys: Expr) => op.matmul(query, keys, { transposeB: true, scale: 1 / Math.sqrt(headDim) });
    const weights = op.softmax(op.concat([logits(past.keys[head]!), logits(fresh.keys[head]!)], 1)); // [group, past + 1]
    const [old, now] = op.splitAt(weights, lengths, ['past', 'one'], 1) as [Expr, Expr];
    return op.add(op.matmul(old, past.values[head]!), op.matmul(now, fresh.values[head]!)); // [group, headDim]
  });
  return op.reshape(op.concat(outputs, 0), ['rows', heads * headDim]);
}

/** Many query rows over cached and new ones; keys and values of all heads are joined once. Gives [kvHeads, rows, group · headDim]. */
function attendCached(op: Ops, grouped: Expr, past: KeysValues, fresh: KeysValues, causal: boolean, shape: AttentionShape, blockLogits: number): Expr {
  const stack = (old: readonly Expr[], now: readonly Expr[]) =>
    op.concat(old.map((rows, head) => op.unsqueeze(op.concat([rows, now[head]!], 0), 0)), 0); // [kvHeads, past + rows, headDim]
  const cached = causal ? op.lengthOf(past.keys[0]!, 0) : undefined;
  return attendBlocks(op, grouped, stack(past.keys, fresh.keys), stack(past.values, fresh.values), shape, cached, blockLogits);
}

/**
 * Blocks of queries over all keys: grouped [kvHeads, rows, group · headDim], keys and values [kvHeads, total, headDim] → as grouped.
 * With `cached` (int64 [1], rows before the first query) it is causal.
 */
export function attendBlocks(op: Ops, grouped: Expr, keys: Expr, values: Expr, shape: AttentionShape, cached?: Expr, blockLogits = maxLogits): Expr {
  const { heads, kvHeads, headDim } = shape;
  const group = heads / kvHeads;
  const rowCount = op.lengthOf(grouped, 1);
  const total = op.lengthOf(keys, 1);
  const block = op.max(op.div(op.ints([Math.floor(blockLogits / heads)]), total), op.ints([1]));
  const trips = op.squeeze(op.div(op.add(rowCount, op.sub(block, op.ints([1]))), block), 0);
  const none = op.slice(grouped, op.ints([0]), op.ints([0]), 1, 'done');
  return op.loop(trips, [none], (o, turn, [done]) => {
    const start = o.mul(o.reshape(turn, [1]), block);
    const queries = o.slice(grouped, start, o.min(o.add(start, block), rowCount), 1, 'block');
    const flat = o.reshape(queries, [kvHeads, 'block·group', headDim]);
    const logits = o.matmul(flat, keys, { transposeB: true, scale: 1 / Math.sqrt(headDim) }); // [kvHeads, block · group, total]
    const weights = o.softmax(cached === undefined ? logits : maskFuture(o, logits, start, cached, group));
    const attended = o.reshape(o.matmul(weights, values), [kvHeads, 'block', group * headDim]);
    return [o.concat([done!, attended], 1)];
  })[0]!;
}

/** Sets logits of later rows to -inf. Query row r of the block stands at cached + start + r. */
function maskFuture(op: Ops, logits: Expr, start: Expr, cached: Expr, group: number): Expr {
  const [, queries, total] = logits.dims as [Dim, Dim, Dim];
  const row = op.div(op.range(op.lengthOf(logits, 1), queries), op.ints([group])); // group queries a row
  const last = op.unsqueeze(op.add(row, op.add(start, cached)), 1); // [block · group, 1]
  const seen = op.lessOrEqual(op.unsqueeze(op.range(op.lengthOf(logits, 2), total), 0), last); // [block · group, past + rows]
  return op.where(seen, logits, op.scalar(-Infinity));
}

/** cos and sin of the rotary angles: positions int64 [rows] → two [rows, headDim / 2]. (Su et al. 2021; half-split pairing as in Qwen2.) */
export function rotaryAngles(op: Ops, positions: Expr, headDim: number, theta: number): { cos: Expr; sin: Expr; order: Expr } {
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / headDim)));
  const inverse = op.constant({ dtype: 'float32', shape: [headDim / 2], data: frequencies }, 'inv_freq');
  const angles = op.mul(op.unsqueeze(op.cast(positions, 'float32'), 1), inverse); // [rows, headDim / 2]
  const order = op.unsqueeze(op.range(op.lengthOf(positions, 0), positions.dims[0]!), 0); // [1, rows]
  return { cos: op.cos(angles), sin: op.sin(angles), order };
}

/** x [rows, heads, headDim] rotated by its row's angles; gives [rows, heads · headDim]. */
export function rotate(op: Ops, x: Expr, angles: { cos: Expr; sin: Expr; order: Expr }): Expr {
  const [rows, heads, headDim] = x.dims as [Dim, number, number];
  const flat = op.reshape(x, [1, rows, heads * headDim]);
  const turned = op.emit('RotaryEmbedding', [flat, angles.order, angles.cos, angles.sin], x.dtype, flat.dims, { num_heads: { int: heads } }, 'com.microsoft');
  return op.reshape(turned, [rows, heads * headDim]);
}
