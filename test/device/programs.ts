// The programs of the device tests, each as a function and as an ONNX model.
import type { Program } from '../../engine/device/device.ts';
import type { ProgramFunction } from '../../engine/device/memory.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import type { Attribute, Dims, Expr, OpNode, Part, WeightRef } from '../../engine/onnx/expr.ts';
import type { DType } from '../../engine/tensor/dtype.ts';
import { float32, tensor } from '../../engine/tensor/tensor.ts';

export function edge(name: string, dims: Dims, dtype: DType = 'float32'): Expr {
  return { name, dtype, dims };
}

export function node(op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}, domain = ''): OpNode {
  return { op, domain, name: `${op} ${outputs.join()}`, inputs, outputs, attributes };
}

export function program(name: string, inputs: Expr[], outputs: Expr[], nodes: OpNode[], weights: WeightRef[] = [], options: Program['options'] = {}): Program {
  const part: Part = { name, inputs, outputs, nodes, weights, constants: new Map() };
  return { name, bytes: encodeModel(part), options };
}

/** sum = x + y, twice = sum + sum. */
export const add = program('add', [edge('x', ['rows', 4]), edge('y', ['rows', 4])], [edge('sum', ['rows', 4]), edge('twice', ['rows', 4])], [
  node('Add', ['x', 'y'], ['sum']), node('Add', ['sum', 'sum'], ['twice']),
]);

/** What a cache of keys does: all = past followed by fresh, fresh = x + x. */
export const append = program('append', [edge('past', ['past', 4]), edge('x', ['rows', 4])], [edge('all', ['length', 4]), edge('fresh', ['rows', 4])], [
  node('Add', ['x', 'x'], ['fresh']), node('Concat', ['past', 'fresh'], ['all'], { axis: { int: 0 } }),
]);

/** Chooses by a bool scalar: flag ? x : -x, as int64. */
export const pick = program('pick', [edge('flag', [], 'bool'), edge('x', ['n'], 'int64')], [edge('y', ['n'], 'int64')], [
  node('Neg', ['x'], ['minus']), node('Where', ['flag', 'x', 'minus'], ['y']),
]);

export const functions: Record<string, ProgramFunction> = {
  add({ x, y }) {
    const sum = Float32Array.from(x!.data as Float32Array, (value, i) => value + Number(y!.data[i]));
    return { sum: float32(x!.shape, sum), twice: float32(x!.shape, sum.map((value) => value + value)) };
  },
  append({ past, x }) {
    const fresh = (x!.data as Float32Array).map((value) => value + value);
    return { fresh: float32(x!.shape, fresh), all: float32([past!.shape[0]! + x!.shape[0]!, 4], Float32Array.of(...past!.data as Float32Array, ...fresh)) };
  },
  pick({ flag, x }) {
    return { y: tensor('int64', x!.shape, flag!.data[0] ? x!.data.slice() : (x!.data as BigInt64Array).map((value) => -value)) };
  },
};

/** Many products of [n, n] matrices in a row: takes 2·n³·count operations. */
export function slow(count: number, n: number): Program {
  const nodes = Array.from({ length: count }, (_, i) => node('MatMul', [i === 0 ? 'x' : `x${i}`, 'x'], [i === count - 1 ? 'y' : `x${i + 1}`]));
  return program('slow', [edge('x', [n, n])], [edge('y', [n, n])], nodes);
}
