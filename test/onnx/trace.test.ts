// What is refused while a part is traced, how modules name their weights, and how a part reads as text.
import { describe, expect, test } from 'vitest';
import { dumpPart } from '../../engine/onnx/dump.ts';
import type { Dims, Expr, WeightRef } from '../../engine/onnx/expr.ts';
import { Embedding, Linear, Module, RmsNorm, bind, parameters } from '../../engine/onnx/module.ts';
import type { Ops } from '../../engine/onnx/ops.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { input, trace, type WeightSource } from '../../engine/onnx/trace.ts';
import { noWeights, parameter } from './harness.ts';

const weight = (key: string, shape: readonly number[], dtype: WeightRef['dtype'] = 'float32'): WeightRef => ({ key, file: '/a/b', dtype, shape, offset: 0, bytes: 4 });
const building = (a: Dims, b: Dims, build: (op: Ops, a: Expr, b: Expr) => Expr, weights: WeightSource = noWeights) => () => {
  const [left, right] = [input('a', 'float32', a), input('b', 'float32', b)];
  return trace('part', [left, right], weights, (op) => ({ y: build(op, left, right) }));
};

describe('shapes that do not fit are refused with both', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['add', building([2, 3], [2, 4], (op, a, b) => op.add(a, b)), /^part: Add: shapes \[2, 3\] and \[2, 4\] do not broadcast/],
    ['where', building([2, 3], [4], (op, a, b) => op.where(op.greater(a, a), a, b)), /Where: shapes \[2, 3\] and \[4\]/],
    ['matmul', building([2, 3], [4, 5], (op, a, b) => op.matmul(a, b)), /MatMul: inner sides of \[2, 3\] and \[4, 5\] differ/],
    ['matmul transposed', building([2, 3], [4, 5], (op, a, b) => op.matmul(a, b, { transposeB: true })), /MatMul: inner sides of \[2, 3\] and \[4, 5\] differ/],
    ['matmul in batches', building([2, 3, 3], [4, 3, 3], (op, a, b) => op.matmul(a, b)), /MatMul: shapes \[2\] and \[4\]/],
    ['concat', building([2, 3], [2, 4], (op, a, b) => op.concat([a, b], 0)), /Concat: \[2, 3\] and \[2, 4\] differ beside axis 0/],
    ['split', building([2, 3], [], (op, a) => op.split(a, [1, 1], 1)[0]!), /Split: axis 1 of \[2, 3\] is not 2 long/],
    ['reshape', building(['a', 'b'], [], (op, a) => op.reshape(a, ['p', 'q'])), /Reshape: \[p, q\] has more than one named side/],
    ['linear', building([2, 3], [], (op, a) => op.linear(a, parameter('w', [5, 4])), new Map([['w', weight('w', [5, 4])]])), /Linear: input \[2, 3\] does not fit weight \[5, 4\]/],
    ['conv2d', building([1, 3, 8, 8], [], (op, a) => op.conv2d(a, parameter('w', [5, 4, 3, 3]), parameter('b', [5]), { stride: 1, padding: 1 })), /Conv: input \[1, 3, 8, 8\] does not fit weight \[5, 4, 3, 3\]/],
    ['types', building([2], [2], (op, a, b) => op.add(a, op.cast(b, 'int64'))), /Add: a is float32, part\/Cast is int64/],
    ['cast', building([2], [2], (op, a) => op.cast(a, 'uint4')), /Cast: to uint4 is not supported/],
    ['if', building([2], [3], (op, a, b) => op.if(op.greater(a, a), () => [a], () => [a, b])[0]!), /If: one body gives 1 value, the other 2/],
    ['types of if', building([2], [3], (op, a, b) => op.if(op.greater(a, a), () => [a], () => [op.unsqueeze(b, 0)])[0]!), /If: one body gives float32 \[2\], the other float32 \[1, 3\]/],
    ['loop', building([2], [3], (op, a) => op.loop(op.squeeze(op.ints([1]), 0), [a], () => [])[0]!), /Loop: 1 value is carried, its body gives 0/],
  ])('%s', (_name, build, message) => expect(build).toThrow(message));

  test('a named side fits any number', () => {
    expect(building(['rows', 3], [2, 3], (op, a, b) => op.add(a, b))().outputs).toEqual([{ name: 'y', dtype: 'float32', dims: [2, 3] }]);
  });
});

describe('weights', () => {
  const linear = (given: ReadonlyMap<string, Parameters<typeof weight> | WeightRef>) => building([1, 4], [], (op, a) => op.linear(a, parameter('layer.weight', [5, 4])), given as ReadonlyMap<string, WeightRef>);

  test('missing', () => expect(linear(new Map())).toThrow('weight layer.weight [5, 4] is not in the model files'));
  test('of another shape', () => expect(linear(new Map([['layer.weight', weight('layer.weight', [4, 5])]]))).toThrow('weight layer.weight has shape [4, 5], the model needs [5, 4]'));
  test('in blocks where a whole weight is needed', () => {
    const blocks = { bits: 4 as const, block: 4, packed: weight('p', [5, 1, 2], 'uint8'), scales: weight('s', [5, 1]) };
    const build = building([1, 4], [], (op) => op.weight(parameter('w', [5, 4])), { get: () => blocks });
    expect(build).toThrow('w: a quantised weight can only be used by a linear layer');
  });
  test('in blocks of another shape', () => {
    const blocks = { bits: 4 as const, block: 2, packed: weight('p', [5, 1, 1], 'uint8'), scales: weight('s', [5, 1]) };
    expect(building([1, 4], [], (op, a) => op.linear(a, parameter('w', [5, 4])), { get: () => blocks })).toThrow('weight w has shape [5, 2], the model needs [5, 4]');
  });
  test('used twice they are listed and cast once', () => {
    const part = building([1, 4], [], (op, a) => op.add(op.linear(a, parameter('w', [4, 4])), op.linear(a, parameter('w', [4, 4]))), new Map([['w', weight('w', [4, 4], 'bfloat16')]]))();
    expect(part.weights).toHaveLength(1);
    expect(part.nodes.filter(({ op }) => op === 'Cast')).toHaveLength(1);
  });
});

test('a weight that is cast in the run is cast where there are rows alone, and seen from outside', () => {
  const rows = input('x', 'float32', ['rows', 4]);
  const source = { get: (key: string) => weight(key, [4, 4], 'bfloat16'), castsInRun: true };
  const part = trace('p', [rows], source, (op) => ({ y: op.linear(rows, parameter('w', [4, 4])) }));
  expect(part.nodes.map(({ op }) => op)).toEqual(['Shape', 'Greater', 'If', 'Identity']);
  expect(part.weights.map(({ key, dtype }) => [key, dtype])).toEqual([['w', 'bfloat16']]);
  expect(dumpPart(part)).toContain('  then_branch:\n    w/Cast/Cast = Cast(w)');
});

class Block extends Module {
  readonly up_proj = new Linear(4, 8);
  readonly norm = new RmsNorm(4, 1e-6);
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.up_proj, op.call(this.norm, x));
  }
}

class Model extends Module {
  readonly embed = new Embedding(10, 4);
  readonly layers = [new Block(), new Block()];
  forward(op: Ops, ids: Expr): Expr {
    return op.call(this.layers[1]!, op.call(this.embed, ids));
  }
}

const model = bind(new Model(), 'm');
const weights: WeightSource = { get: (key) => weight(key, parameters(model).find(({ path }) => path === key)!.shape) };
const ids = input('ids', 'int64', ['tokens']);
const traced = (name = 'small') => trace(name, [ids], weights, (op) => ({ y: op.call(model, ids) }));

describe('modules', () => {
  test('field paths are the keys of weights', () => {
    expect(parameters(model).map(({ path }) => path)).toEqual(['m.embed.weight', 'm.layers.0.up_proj.weight', 'm.layers.0.up_proj.bias', 'm.layers.0.norm.weight', 'm.layers.1.up_proj.weight', 'm.layers.1.up_proj.bias', 'm.layers.1.norm.weight']);
  });

  test('a part holds only the weights it uses, and its nodes carry their modules\' paths', () => {
    expect(dumpPart(traced())).toMatchInlineSnapshot(`
      "part small
      weight m.embed.weight: float32 [10, 4]
      weight m.layers.1.norm.weight: float32 [4]
      weight m.layers.1.up_proj.weight: float32 [8, 4]
      weight m.layers.1.up_proj.bias: float32 [8]
      in  ids: int64 [tokens]
      m.embed/Gather = Gather(m.embed.weight, ids) axis=0
      m.layers.1.norm/SimplifiedLayerNormalization = SimplifiedLayerNormalization(m.embed/Gather, m.layers.1.norm.weight) axis=-1 epsilon=0.000001 stash_type=1
      m.layers.1.up_proj/Gemm = Gemm(m.layers.1.norm/SimplifiedLayerNormalization, m.layers.1.up_proj.weight, m.layers.1.up_proj.bias) transB=1
      y = Identity(m.layers.1.up_proj/Gemm)
      out y: float32 [tokens, 8]"
    `);
  });

  test('equal graphs give equal bytes', () => {
    expect(encodeModel(traced())).toEqual(encodeModel(traced()));
    expect(encodeModel(traced('other'))).not.toEqual(encodeModel(traced()));
  });
});
