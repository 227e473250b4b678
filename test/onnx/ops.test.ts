// One op a test, run in ONNX Runtime and compared with plain JavaScript.
import { describe, expect, test } from 'vitest';
import { bfloat16FromFloat32 } from '../../engine/tensor/half.ts';
import { float32, int64, tensor } from '../../engine/tensor/tensor.ts';
import type { Expr } from '../../engine/onnx/expr.ts';
import type { Ops } from '../../engine/onnx/ops.ts';
import { expectClose, noise, numbers, onnxHarness, parameter } from './harness.ts';

const onnx = onnxHarness();
const a = float32([2, 3], [-2, -0.5, 0, 0.25, 1, 3]);
const b = float32([2, 3], [1, 2, -4, 0.5, 1, -1]);
const bool = (values: readonly boolean[]) => tensor('bool', [values.length], Uint8Array.from(values, Number));

describe('elementwise', () => {
  test.each<[string, (op: Ops, x: Expr, y: Expr) => Expr, (x: number, y: number) => number]>([
    ['add', (op, x, y) => op.add(x, y), (x, y) => x + y],
    ['sub', (op, x, y) => op.sub(x, y), (x, y) => x - y],
    ['mul', (op, x, y) => op.mul(x, y), (x, y) => x * y],
    ['div', (op, x, y) => op.div(x, y), (x, y) => x / y],
    ['min', (op, x, y) => op.min(x, y), Math.min],
    ['max', (op, x, y) => op.max(x, y), Math.max],
    ['greater', (op, x, y) => op.greater(x, y), (x, y) => Number(x > y)],
    ['lessOrEqual', (op, x, y) => op.lessOrEqual(x, y), (x, y) => Number(x <= y)],
    ['equal', (op, x, y) => op.equal(x, y), (x, y) => Number(x === y)],
    ['where', (op, x, y) => op.where(op.greater(x, y), x, y), Math.max],
  ])('%s of two values', async (_name, build, expected) => {
    const { y } = await onnx.compute({ a, b }, (op, { a: left, b: right }) => ({ y: build(op, left!, right!) }));
    expectClose(y, numbers(a).map((x, i) => expected(x, numbers(b)[i]!)));
  });

  test.each<[string, (op: Ops, x: Expr) => Expr, (x: number) => number]>([
    ['sin', (op, x) => op.sin(x), Math.sin],
    ['cos', (op, x) => op.cos(x), Math.cos],
    ['exp', (op, x) => op.exp(x), Math.exp],
    ['sigmoid', (op, x) => op.sigmoid(x), (x) => 1 / (1 + Math.exp(-x))],
    ['silu', (op, x) => op.silu(x), (x) => x / (1 + Math.exp(-x))],
    ['geluTanh', (op, x) => op.geluTanh(x), (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))],
    ['identity', (op, x) => op.identity(x), (x) => x],
    ['clamp', (op, x) => op.clamp(x, -1, 0.5), (x) => Math.min(Math.max(x, -1), 0.5)],
    ['log of exp', (op, x) => op.log(op.exp(x)), (x) => x],
    ['sqrt of a square', (op, x) => op.sqrt(op.mul(x, x)), Math.abs],
    ['a number on the right', (op, x) => op.div(x, 4), (x) => x / 4],
    ['a number on the left', (op, x) => op.sub(1, x), (x) => 1 - x],
  ])('%s', async (_name, build, expected) => {
    const { y } = await onnx.compute({ a }, (op, { a: x }) => ({ y: build(op, x!) }));
    expectClose(y, numbers(a).map(expected), 1e-6);
  });

  test('a row and a column broadcast', async () => {
    const { y } = await onnx.compute({ row: float32([3], [1, 2, 3]), column: float32([2, 1], [10, 20]) }, (op, { row, column }) => ({ y: op.add(row!, column!) }));
    expect(numbers(y)).toEqual([11, 12, 13, 21, 22, 23]);
  });

  test('cast between whole numbers, truth and halves', async () => {
    const made = await onnx.compute({ a }, (op, { a: x }) => ({ whole: op.cast(x!, 'int64'), truth: op.cast(x!, 'bool'), half: op.cast(op.cast(x!, 'bfloat16'), 'float32') }));
    expect(numbers(made['whole'])).toEqual([-2, 0, 0, 0, 1, 3]);
    expect(numbers(made['truth'])).toEqual([1, 1, 0, 1, 1, 1]);
    expect(numbers(made['half'])).toEqual(numbers(a));
  });

  test('what has no rows stays without rows', async () => {
    const empty = { value: float32([0, 3], []), dims: ['rows', 3] };
    const { y } = await onnx.compute({ x: empty, b: float32([3], [1, 2, 3]) }, (op, { x, b: row }) => ({ y: op.silu(op.add(x!, row!)) }));
    expect(y!.shape).toEqual([0, 3]);
  });
});

describe('shape', () => {
  test('reshape infers one side', async () => {
    const { y } = await onnx.compute({ a: { value: a, dims: ['rows', 3] } }, (op, { a: x }) => ({ y: op.reshape(x!, [3, 'rest']) }));
    expect([y!.shape, numbers(y)]).toEqual([[3, 2], numbers(a)]);
  });
  test('reshapeTo a shape known at run time', async () => {
    const { y } = await onnx.compute({ a, shape: int64([2], [3, 2]) }, (op, { a: x, shape }) => ({ y: op.reshapeTo(x!, shape!, ['p', 'q']) }));
    expect([y!.shape, numbers(y)]).toEqual([[3, 2], numbers(a)]);
  });
  test('transpose', async () => {
    const { y } = await onnx.compute({ a }, (op, { a: x }) => ({ y: op.transpose(x!, [1, 0]) }));
    expect(numbers(y)).toEqual([-2, 0.25, -0.5, 1, 0, 3]);
  });
  test('concat, also with a side that has nothing', async () => {
    const none = { value: float32([0, 3], []), dims: ['none', 3] };
    const { y } = await onnx.compute({ none, a, b }, (op, { none: x, a: left, b: right }) => ({ y: op.concat([x!, left!, right!], 0) }));
    expect([y!.shape, numbers(y)]).toEqual([[4, 3], [...numbers(a), ...numbers(b)]]);
  });
  test('split at lengths known now', async () => {
    const { one, two } = await onnx.compute({ a }, (op, { a: x }) => { const [p, q] = op.split(x!, [1, 2], 1); return { one: p!, two: q! }; });
    expect([numbers(one), numbers(two)]).toEqual([[-2, 0.25], [-0.5, 0, 1, 3]]);
  });
  test.each([[[2, 0]], [[0, 2]], [[1, 1]]])('splitAt lengths known at run time: %j', async (lengths) => {
    const { one, two } = await onnx.compute({ a: { value: a, dims: ['rows', 3] }, lengths: int64([2], lengths) }, (op, { a: x, lengths: at }) => {
      const [p, q] = op.splitAt(x!, at!, ['p', 'q'], 0);
      return { one: p!, two: q! };
    });
    expect([one!.shape[0], two!.shape[0], [...numbers(one), ...numbers(two)]]).toEqual([...lengths, numbers(a)]);
  });
  test.each([[0, 3], [1, 2], [2, 2]])('slice from %i to %i', async (from, to) => {
    const { y } = await onnx.compute({ a, from: int64([1], [from]), to: int64([1], [to]) }, (op, { a: x, from: start, to: end }) => ({ y: op.slice(x!, start!, end!, 1, 'cut') }));
    expect([y!.shape, numbers(y)]).toEqual([[2, to - from], [...numbers(a).slice(from, to), ...numbers(a).slice(3 + from, 3 + to)]]);
  });
  test('gather rows and columns', async () => {
    const { rows, columns } = await onnx.compute({ a, ids: int64([3], [1, 0, 1]) }, (op, { a: x, ids }) => ({ rows: op.gather(x!, ids!), columns: op.gather(x!, ids!, 1) }));
    expect(numbers(rows)).toEqual([0.25, 1, 3, -2, -0.5, 0, 0.25, 1, 3]);
    expect(numbers(columns)).toEqual([-0.5, -2, -0.5, 1, 0.25, 1]);
  });
  test('lengthOf and range', async () => {
    const { length, range } = await onnx.compute({ a: { value: a, dims: ['rows', 'columns'] } }, (op, { a: x }) => ({ length: op.lengthOf(x!, 1), range: op.range(op.lengthOf(x!, 1), 'columns') }));
    expect([numbers(length), numbers(range)]).toEqual([[3], [0, 1, 2]]);
  });
  test('unsqueeze, squeeze and expand', async () => {
    const made = await onnx.compute({ a, shape: int64([3], [2, 2, 3]) }, (op, { a: x, shape }) => {
      const three = op.unsqueeze(x!, 1);
      return { three, two: op.squeeze(three, 1), wide: op.expand(op.unsqueeze(x!, 0), shape!, [2, 2, 3]) };
    });
    expect([made['three']!.shape, made['two']!.shape]).toEqual([[2, 1, 3], [2, 3]]);
    expect(numbers(made['wide'])).toEqual([...numbers(a), ...numbers(a)]);
  });
});

describe('reductions', () => {
  const rows = [numbers(a).slice(0, 3), numbers(a).slice(3)];

  test('softmax over the last axis', async () => {
    const { y } = await onnx.compute({ a }, (op, { a: x }) => ({ y: op.softmax(x!) }));
    expectClose(y, rows.flatMap((row) => { const sum = row.reduce((total, x) => total + Math.exp(x), 0); return row.map((x) => Math.exp(x) / sum); }), 1e-6);
  });
  test('norm over an axis and over everything', async () => {
    const { byRow, all } = await onnx.compute({ a }, (op, { a: x }) => ({ byRow: op.norm(x!, 1), all: op.norm(x!) }));
    expectClose(byRow, rows.map((row) => Math.hypot(...row)), 1e-6);
    expectClose(all, [Math.hypot(...numbers(a))], 1e-6);
    expect([byRow!.shape, all!.shape]).toEqual([[2, 1], [1, 1]]);
  });
  test('logSumExp, also where exp alone would overflow', async () => {
    const { y } = await onnx.compute({ x: float32([2, 2], [1, 2, 1000, 1000]) }, (op, { x }) => ({ y: op.logSumExp(x!, 1) }));
    expectClose(y, [Math.log(Math.E + Math.E ** 2), 1000 + Math.LN2], 1e-6);
  });
  test('argMax gives the first of equals', async () => {
    const { y } = await onnx.compute({ x: float32([2, 4], [1, 5, 5, 0, -3, -1, -2, -1]) }, (op, { x }) => ({ y: op.argMax(x!, 1) }));
    expect([y!.shape, numbers(y)]).toEqual([[2], [1, 1]]);
  });
  test('topK, largest first', async () => {
    const { values, ids } = await onnx.compute({ x: float32([1, 5], [1, 7, 3, 9, -2]) }, (op, { x }) => { const [values, ids] = op.topK(x!, 3); return { values, ids }; });
    expect([numbers(values), numbers(ids)]).toEqual([[9, 7, 3], [3, 1, 2]]);
  });
});

/** x [rows, inner] · w [outputs, inner]ᵀ + bias */
function product(x: readonly number[], w: readonly number[], inner: number, bias?: readonly number[]): number[] {
  const outputs = w.length / inner;
  return Array.from({ length: (x.length / inner) * outputs }, (_, at) => {
    const [row, output] = [Math.floor(at / outputs), at % outputs];
    let sum = bias?.[output] ?? 0;
    for (let i = 0; i < inner; i++) sum += x[row * inner + i]! * w[output * inner + i]!;
    return sum;
  });
}

describe('products', () => {
  test('matmul, batched', async () => {
    const { y } = await onnx.compute({ x: float32([2, 1, 2], [1, 2, 3, 4]), w: float32([2, 2, 1], [1, 1, 10, 1]) }, (op, { x, w }) => ({ y: op.matmul(x!, w!) }));
    expect([y!.shape, numbers(y)]).toEqual([[2, 1, 1], [3, 34]]);
  });
  test('matmul with the second transposed and a scale', async () => {
    const [x, w] = [noise([3, 8]), noise([5, 8], 2)];
    const { y } = await onnx.compute({ x, w }, (op, values) => ({ y: op.matmul(values['x']!, values['w']!, { transposeB: true, scale: 0.125 }) }));
    expectClose(y, product(numbers(x), numbers(w), 8).map((value) => value * 0.125), 1e-6);
  });

  describe('linear', () => {
    const [x, w, bias] = [noise([3, 8]), noise([5, 8], 2), noise([5], 3)];
    const layer = { weight: parameter('w', [5, 8]), bias: parameter('b', [5]) };

    test('float32 with and without bias', async () => {
      const weights = await onnx.store({ w, b: bias });
      const { y, plain } = await onnx.compute({ x }, (op, { x: rows }) => ({ y: op.linear(rows!, layer.weight, layer.bias), plain: op.linear(rows!, layer.weight) }), { weights });
      expectClose(y, product(numbers(x), numbers(w), 8, numbers(bias)), 1e-6);
      expectClose(plain, product(numbers(x), numbers(w), 8), 1e-6);
    });

    test.each([true, false])('bfloat16 as stored, expanded at load: %j', async (expandWeights) => {
      const stored = tensor('bfloat16', [5, 8], bfloat16FromFloat32(w.data as Float32Array));
      const rounded = Array.from(stored.data as Uint16Array, (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!);
      const weights = await onnx.store({ w: stored });
      const { y } = await onnx.compute({ x }, (op, { x: rows }) => ({ y: op.linear(rows!, layer.weight) }), { weights, program: { expandWeights } });
      expectClose(y, product(numbers(x), rounded, 8), 1e-6);
    });

    test.each([0, 3])('%i rows by a weight that is cast in the run, if there are rows', async (count) => {
      const stored = tensor('bfloat16', [5, 8], bfloat16FromFloat32(w.data as Float32Array));
      const refs = await onnx.store({ w: stored, b: bias });
      const given = { value: float32([count, 8], (x.data as Float32Array).subarray(0, count * 8)), dims: ['rows', 8] };
      const compute = (castsInRun: boolean) => onnx.compute({ x: given }, (op, { x: rows }) => ({ y: op.linear(rows!, layer.weight, layer.bias) }), { weights: { get: (key) => refs.get(key), castsInRun }, program: { expandWeights: !castsInRun } });
      const [inRun, atLoad] = [await compute(true), await compute(false)];
      expect(inRun['y']!.shape).toEqual([count, 5]);
      expectClose(inRun['y'], numbers(atLoad['y']), 1e-6);
    });

    test('no rows', async () => {
      const weights = await onnx.store({ w, b: bias });
      const { y } = await onnx.compute({ x: { value: float32([0, 8], []), dims: ['rows', 8] } }, (op, { x: rows }) => ({ y: op.linear(rows!, layer.weight, layer.bias) }), { weights });
      expect(y!.shape).toEqual([0, 5]);
    });
  });

  test.each(['float32', 'bfloat16'] as const)('embedding rows of a %s table', async (dtype) => {
    const values = [1, 2, 3, 4, 5, 6];
    const table = dtype === 'float32' ? float32([3, 2], values) : tensor('bfloat16', [3, 2], bfloat16FromFloat32(Float32Array.from(values)));
    const weights = await onnx.store({ table });
    const { y } = await onnx.compute({ ids: int64([2], [2, 0]) }, (op, { ids }) => ({ y: op.embedding(parameter('table', [3, 2]), ids!) }), { weights });
    expect([y!.shape, numbers(y)]).toEqual([[2, 2], [5, 6, 1, 2]]);
  });
});

describe('normalisation', () => {
  const x = noise([3, 8]);
  const [gain, shift] = [noise([8], 2), noise([8], 3)];
  const rows = Array.from({ length: 3 }, (_, row) => numbers(x).slice(row * 8, row * 8 + 8));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test('rmsNorm', async () => {
    const weights = await onnx.store({ w: gain });
    const { y } = await onnx.compute({ x }, (op, { x: value }) => ({ y: op.rmsNorm(value!, parameter('w', [8]), 1e-3) }), { weights });
    expectClose(y, rows.flatMap((row) => row.map((value, i) => (value / Math.sqrt(mean(row.map((one) => one * one)) + 1e-3)) * numbers(gain)[i]!)), 1e-6);
  });
  test('layerNorm', async () => {
    const weights = await onnx.store({ w: gain, b: shift });
    const { y } = await onnx.compute({ x }, (op, { x: value }) => ({ y: op.layerNorm(value!, parameter('w', [8]), parameter('b', [8]), 1e-3) }), { weights });
    expectClose(y, rows.flatMap((row) => {
      const middle = mean(row);
      const deviation = Math.sqrt(mean(row.map((one) => (one - middle) ** 2)) + 1e-3);
      return row.map((value, i) => ((value - middle) / deviation) * numbers(gain)[i]! + numbers(shift)[i]!);
    }), 1e-5);
  });
  test('groupNorm over channels and pixels of a group', async () => {
    const [channels, groups, pixels] = [4, 2, 6];
    const picture = noise([1, channels, 2, 3], 4);
    const weights = await onnx.store({ w: noise([channels], 5), b: noise([channels], 6) });
    const { y } = await onnx.compute({ x: { value: picture, dims: [1, channels, 'height', 'width'] } }, (op, { x: value }) => (
      { y: op.groupNorm(value!, parameter('w', [channels]), parameter('b', [channels]), groups, 1e-6) }), { weights });
    const expected = Array.from({ length: groups }, (_, group) => {
      const values = numbers(picture).slice(group * 12, group * 12 + 12);
      const middle = mean(values);
      const deviation = Math.sqrt(mean(values.map((one) => (one - middle) ** 2)) + 1e-6);
      return values.map((value, i) => {
        const channel = group * 2 + Math.floor(i / pixels);
        return ((value - middle) / deviation) * numbers(noise([channels], 5))[channel]! + numbers(noise([channels], 6))[channel]!;
      });
    });
    expectClose(y, expected.flat(), 1e-5);
  });
});

describe('pictures', () => {
  /** A plain convolution of x [1, inputs, height, width] with w [outputs, inputs, k, k]. */
  function convolve(x: readonly number[], [inputs, height, width]: readonly [number, number, number], w: readonly number[], outputs: number, k: number, stride: number, padding: number, bias: readonly number[]): number[] {
    const side = (length: number) => Math.floor((length + 2 * padding - k) / stride) + 1;
    const result: number[] = [];
    for (let output = 0; output < outputs; output++) for (let row = 0; row < side(height); row++) for (let column = 0; column < side(width); column++) {
      let sum = bias[output]!;
      for (let channel = 0; channel < inputs; channel++) for (let dy = 0; dy < k; dy++) for (let dx = 0; dx < k; dx++) {
        const [y, z] = [row * stride + dy - padding, column * stride + dx - padding];
        if (y >= 0 && y < height && z >= 0 && z < width) sum += x[(channel * height + y) * width + z]! * w[((output * inputs + channel) * k + dy) * k + dx]!;
      }
      result.push(sum);
    }
    return result;
  }

  test.each([[3, 1, 1], [3, 2, 0], [1, 1, 0], [3, 2, 1]])('conv2d with kernel %i, stride %i, padding %i', async (kernel, stride, padding) => {
    const [x, w, bias] = [noise([1, 2, 5, 7]), noise([3, 2, kernel, kernel], 2), noise([3], 3)];
    const weights = await onnx.store({ w, b: bias });
    const { y } = await onnx.compute({ x: { value: x, dims: [1, 2, 'height', 'width'] } }, (op, { x: value }) => (
      { y: op.conv2d(value!, parameter('w', [3, 2, kernel, kernel]), parameter('b', [3]), { stride, padding }) }), { weights });
    expectClose(y, convolve(numbers(x), [2, 5, 7], numbers(w), 3, kernel, stride, padding, numbers(bias)), 1e-6);
  });
  test('padBottomRight adds a row and a column of zeros', async () => {
    const { y } = await onnx.compute({ x: float32([1, 1, 2, 2], [1, 2, 3, 4]) }, (op, { x }) => ({ y: op.padBottomRight(x!) }));
    expect([y!.shape, numbers(y)]).toEqual([[1, 1, 3, 3], [1, 2, 0, 3, 4, 0, 0, 0, 0]]);
  });
  test('upsampleNearest repeats pixels', async () => {
    const { y } = await onnx.compute({ x: float32([1, 1, 1, 2], [1, 2]) }, (op, { x }) => ({ y: op.upsampleNearest(x!) }));
    expect([y!.shape, numbers(y)]).toEqual([[1, 1, 2, 4], [1, 1, 2, 2, 1, 1, 2, 2]]);
  });
});

describe('control flow', () => {
  test.each([true, false])('if takes the body that %j chooses; bodies see outer values', async (choice) => {
    const { y } = await onnx.compute({ choice: bool([choice]), a }, (op, { choice: picked, a: x }) => {
      const outer = op.add(x!, 1);
      return { y: op.if(picked!, (o) => [o.mul(outer, 2)], () => [outer])[0]! };
    });
    expect(numbers(y)).toEqual(numbers(a).map((value) => (choice ? 2 : 1) * (value + 1)));
  });
  test.each([0, 1, 5])('loop carries values through %i turns', async (turns) => {
    const { sum, product: made } = await onnx.compute({ turns: int64([], [turns]) }, (op, { turns: count }) => {
      const [sum, doubled] = op.loop(count!, [op.ints([0]), op.ints([1])], (o, turn, [total, value]) => [o.add(total!, o.unsqueeze(turn, 0)), o.add(value!, value!)]);
      return { sum: sum!, product: doubled! };
    });
    expect([numbers(sum)[0], numbers(made)[0]]).toEqual([turns === 0 ? 0 : (turns * (turns - 1)) / 2, 2 ** turns]);
  });
  test('a weight is seen from an if inside a loop', async () => {
    const weights = await onnx.store({ w: float32([2, 2], [0, 1, 1, 0]) });
    const { y } = await onnx.compute({ x: float32([1, 2], [1, 2]), turns: int64([], [3]), yes: tensor('bool', [], Uint8Array.of(1)) }, (op, { x, turns, yes }) => (
      { y: op.loop(turns!, [x!], (o, _turn, [value]) => o.if(yes!, (inner) => [inner.linear(value!, parameter('w', [2, 2]))], () => [value!]))[0]! }), { weights });
    expect(numbers(y)).toEqual([2, 1]);
  });
});
