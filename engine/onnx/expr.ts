// Values of a graph under construction and the finished Part. Knows shapes and names; touches no file and no runtime.
import type { DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A side of a shape: known, or named and known only at run time (`tokens`). */
export type Dim = number | string;
export type Dims = readonly Dim[];

/** A value in a graph: what an op gives and takes. */
export interface Expr {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: Dims;
}

export type Attribute =
  | { readonly int: number } | { readonly ints: readonly number[] }
  | { readonly float: number } | { readonly floats: readonly number[] }
  | { readonly string: string } | { readonly tensor: Tensor } | { readonly graph: Body };

/** One ONNX node. Inputs are value names, '' for an absent optional one. */
export interface OpNode {
  readonly op: string;
  /** '' is the ONNX standard domain. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Nodes in execution order between inputs and outputs: a whole graph, or the body of an If or Loop. */
export interface Body {
  readonly name: string;
  readonly inputs: readonly Expr[];
  readonly outputs: readonly Expr[];
  readonly nodes: readonly OpNode[];
}

/** Where a weight's bytes are: a file, an offset and a length. It is never copied into a graph. */
export interface WeightRef {
  readonly key: string;
  /** Absolute path without symbolic links. */
  readonly file: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** A compiled piece of a model, such as `vit` or `llm.0-13`. */
export interface Part extends Body {
  readonly weights: readonly WeightRef[];
  /** Small constants that lie inside the graph. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

export function dimsText(dims: Dims): string {
  return `[${dims.join(', ')}]`;
}

/** Shape of an elementwise op over two shapes, by NumPy's broadcasting. Throws naming both. */
export function broadcast(a: Dims, b: Dims, where: string): Dims {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    if (typeof left === 'string') return right;
    if (typeof right === 'string') return left;
    throw new Error(`${where}: shapes ${dimsText(a)} and ${dimsText(b)} do not broadcast`);
  });
}

/** Length of a joined axis; named when a part is named. */
export function addDims(sides: readonly Dim[]): Dim {
  return sides.every((side) => typeof side === 'number') ? sides.reduce((sum, side) => sum + side, 0) : sides.join('+');
}

export function sameDim(a: Dim, b: Dim): boolean {
  return a === b || typeof a === 'string' || typeof b === 'string';
}
