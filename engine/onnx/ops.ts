// The vocabulary of forward functions: each op checks shapes, infers its result and appends an ONNX node.
// Which operators are right and fast in ONNX Runtime is decided here and nowhere else.
import type { DType } from '../tensor/dtype.ts';
import { float32, int64, tensor, type Tensor } from '../tensor/tensor.ts';
import { addDims, broadcast, dimsText, sameDim, type Attribute, type Body, type Dim, type Dims, type Expr, type OpNode, type WeightRef } from './expr.ts';
import type { Module, Parameter } from './module.ts';

/** A linear weight in blocks of `block` values along its inputs, `bits` wide, with one float32 scale a block (zero point 2^(bits-1)). */
export interface BlockQuantized {
  readonly bits: 4 | 8;
  readonly block: number;
  /** uint8 [out, blocks, block · bits / 8], blocks = ⌈in / block⌉ */
  readonly packed: WeightRef;
  /** float32 [out, blocks] */
  readonly scales: WeightRef;
}

/** A linear weight with one float32 scale an output: value [o, i] = (codes[i, o] − 128) · scales[o]. Products quantise their rows too, to 8 bits with a scale a row. */
export interface ChannelQuantized {
  /** uint8 [in, out]: as MatMulInteger reads it, so that it may stay mapped. */
  readonly codes: WeightRef;
  /** float32 [out] */
  readonly scales: WeightRef;
}

export type StoredWeight = WeightRef | BlockQuantized | ChannelQuantized;

/** The pieces of files a weight is stored in. */
export function refsOf(stored: StoredWeight): readonly WeightRef[] {
  if ('bits' in stored) return [stored.packed, stored.scales];
  return 'codes' in stored ? [stored.codes, stored.scales] : [stored];
}

/** What all bodies of one part share. */
export interface TraceState {
  stored(parameter: Parameter): StoredWeight;
  /** Casts of 16-bit weights are worked in every run instead of once at load. */
  readonly castsInRun: boolean;
  readonly weights: Map<string, WeightRef>;
  readonly constants: Map<string, Tensor>;
  readonly names: Map<string, number>;
}

type Operand = Expr | number;

export class Ops {
  readonly nodes: OpNode[] = [];
  readonly #state: TraceState;
  readonly #outer: Ops | undefined;
  readonly #casts = new Map<string, Expr>();
  readonly #rows = new Map<string, { codes: Expr; scale: Expr }>();
  #scope: string;

  constructor(state: TraceState, scope: string, outer?: Ops) {
    this.#state = state;
    this.#scope = scope;
    this.#outer = outer;
  }

  // ---- scopes, weights, constants ----

  /** Runs a module's forward with its path as scope. */
  call<A extends readonly unknown[], R>(module: Module & { forward(op: Ops, ...args: A): R }, ...args: A): R {
    const outer = this.#scope;
    this.#scope = module.path;
    try {
      return module.forward(this, ...args);
    } finally {
      this.#scope = outer;
    }
  }

  /** A weight as float32; 16-bit weights are cast (once in each body, folded away at load unless weights stay mapped). */
  weight(parameter: Parameter): Expr {
    const found = this.#cached(parameter.path);
    if (found !== undefined) return found;
    const raw = this.#raw(parameter);
    const value = raw.dtype === 'float32' ? raw : this.#named(`${parameter.path}/Cast`, () => this.cast(raw, 'float32'));
    this.#casts.set(parameter.path, value);
    return value;
  }

  /** Products with it go through codes and scales. */
  isQuantized(weight: Parameter): boolean {
    const stored = this.#state.stored(weight);
    return 'bits' in stored || 'codes' in stored;
  }

  constant(value: Tensor, hint = 'constant'): Expr {
    const name = this.#unique(`${this.#scope}/${hint}`);
    this.#state.constants.set(name, value);
    return { name, dtype: value.dtype, dims: value.shape };
  }

  scalar(value: number): Expr {
    return this.#shared(`scalar ${value}`, () => float32([], [value]));
  }

  ints(values: readonly number[]): Expr {
    return this.#shared(`ints ${values.join(' ')}`, () => int64([values.length], values));
  }

  #shared(name: string, make: () => Tensor): Expr {
    let value = this.#state.constants.get(name);
    if (value === undefined) this.#state.constants.set(name, (value = make()));
    return { name, dtype: value.dtype, dims: value.shape };
  }

  #cached(path: string): Expr | undefined {
    const found = this.#casts.get(path);
    return found !== undefined || this.#outer === undefined ? found : this.#outer.#cached(path);
  }

  #raw(parameter: Parameter): Expr {
    const stored = this.#state.stored(parameter);
    if ('scales' in stored) throw new Error(`${parameter.path}: a quantised weight can only be used by a linear layer`);
    return this.#reference(stored);
  }

  #reference(weight: WeightRef): Expr {
    this.#state.weights.set(weight.key, weight);
    return { name: weight.key, dtype: weight.dtype, dims: weight.shape };
  }

  // ---- emitting ----

  #unique(name: string): string {
    const count = (this.#state.names.get(name) ?? 0) + 1;
    this.#state.names.set(name, count);
    return count === 1 ? name : `${name}_${count}`;
  }

  #named<R>(scope: string, make: () => R): R {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return make();
    } finally {
      this.#scope = outer;
    }
  }

  /** Appends a node with one result. */
  emit(op: string, inputs: readonly (Expr | undefined)[], dtype: DType, dims: Dims, attributes: Record<string, Attribute> = {}, domain = ''): Expr {
    return this.emitMany(op, inputs, [{ dtype, dims }], attributes, domain)[0]!;
  }

  /** Appends a node with several results. */
  emitMany(op: string, inputs: readonly (Expr | undefined)[], results: readonly { dtype: DType; dims: Dims }[], attributes: Record<string, Attribute> = {}, domain = ''): Expr[] {
    const name = this.#unique(`${this.#scope}/${op}`);
    const outputs = results.map((result, i) => ({ name: i === 0 ? name : `${name}.${i}`, ...result }));
    this.nodes.push({ op, domain, name, inputs: inputs.map((input) => input?.name ?? ''), outputs: outputs.map((output) => output.name), attributes });
    return outputs;
  }

  #where(op: string): string {
    return `${this.#scope}: ${op}`;
  }

  #operand(value: Operand): Expr {
    return typeof value === 'number' ? this.scalar(value) : value;
  }

  #elementwise(op: string, left: Operand, right: Operand, dtype?: DType): Expr {
    const a = this.#operand(left);
    const b = this.#operand(right);
    if (a.dtype !== b.dtype) throw new Error(`${this.#where(op)}: ${a.name} is ${a.dtype}, ${b.name} is ${b.dtype}`);
    return this.emit(op, [a, b], dtype ?? a.dtype, broadcast(a.dims, b.dims, this.#where(op)));
  }

  #unary(op: string, x: Expr, attributes: Record<string, Attribute> = {}, domain = ''): Expr {
    return this.emit(op, [x], x.dtype, x.dims, attributes, domain);
  }

  // ---- elementwise ----

  add(a: Operand, b: Operand): Expr { return this.#elementwise('Add', a, b); }
  sub(a: Operand, b: Operand): Expr { return this.#elementwise('Sub', a, b); }
  mul(a: Operand, b: Operand): Expr { return this.#elementwise('Mul', a, b); }
  div(a: Operand, b: Operand): Expr { return this.#elementwise('Div', a, b); }
  greater(a: Operand, b: Operand): Expr { return this.#elementwise('Greater', a, b, 'bool'); }
  lessOrEqual(a: Operand, b: Operand): Expr { return this.#elementwise('LessOrEqual', a, b, 'bool'); }
  equal(a: Operand, b: Operand): Expr { return this.#elementwise('Equal', a, b, 'bool'); }
  min(a: Expr, b: Expr): Expr { return this.#elementwise('Min', a, b); }
  max(a: Operand, b: Operand): Expr { return this.#elementwise('Max', a, b); }
  sin(x: Expr): Expr { return this.#unary('Sin', x); }
  cos(x: Expr): Expr { return this.#unary('Cos', x); }
  exp(x: Expr): Expr { return this.#unary('Exp', x); }
  log(x: Expr): Expr { return this.#unary('Log', x); }
  sqrt(x: Expr): Expr { return this.#unary('Sqrt', x); }
  sigmoid(x: Expr): Expr { return this.#unary('Sigmoid', x); }
  identity(x: Expr): Expr { return this.#unary('Identity', x); }
  /** x · sigmoid(x) */
  silu(x: Expr): Expr { return this.#unary('QuickGelu', x, { alpha: { float: 1 } }, 'com.microsoft'); }
  /** The tanh approximation of GELU. */
  geluTanh(x: Expr): Expr { return this.#unary('Gelu', x, { approximate: { string: 'tanh' } }); }
  cast(x: Expr, dtype: DType): Expr {
    const onnxType = ({ float32: 1, int64: 7, int32: 6, bool: 9, uint8: 2, bfloat16: 16, float16: 10 } as Partial<Record<DType, number>>)[dtype];
    if (onnxType === undefined) throw new Error(`${this.#where('Cast')}: to ${dtype} is not supported`);
    return this.emit('Cast', [x], dtype, x.dims, { to: { int: onnxType } });
  }
  clamp(x: Expr, low: Operand, high: Operand): Expr {
    return this.emit('Clip', [x, this.#operand(low), this.#operand(high)], x.dtype, x.dims);
  }
  where(condition: Expr, a: Expr, b: Expr): Expr {
    return this.emit('Where', [condition, a, b], a.dtype, broadcast(broadcast(condition.dims, a.dims, this.#where('Where')), b.dims, this.#where('Where')));
  }

  // ---- shape ----

  /** At most one side of `dims` may be named; it is inferred at run time. */
  reshape(x: Expr, dims: Dims): Expr {
    if (dims.filter((side) => typeof side === 'string').length > 1) throw new Error(`${this.#where('Reshape')}: ${dimsText(dims)} has more than one named side`);
    return this.emit('Reshape', [x, this.ints(dims.map((side) => (typeof side === 'number' ? side : -1)))], x.dtype, dims);
  }
  /** Reshapes to a run-time shape (an int64 vector); `dims` names the result's sides. */
  reshapeTo(x: Expr, shape: Expr, dims: Dims): Expr {
    return this.emit('Reshape', [x, shape], x.dtype, dims);
  }
  transpose(x: Expr, order: readonly number[]): Expr {
    return this.emit('Transpose', [x], x.dtype, order.map((axis) => x.dims[axis]!), { perm: { ints: order } });
  }
  concat(parts: readonly Expr[], axis: number): Expr {
    if (parts.length === 1) return parts[0]!;
    const first = parts[0]!;
    for (const part of parts) {
      if (part.dims.length !== first.dims.length || part.dims.some((side, i) => i !== axis && !sameDim(side, first.dims[i]!))) {
        throw new Error(`${this.#where('Concat')}: ${dimsText(first.dims)} and ${dimsText(part.dims)} differ beside axis ${axis}`);
      }
    }
    const joined = addDims(parts.map((part) => part.dims[axis]!));
    return this.emit('Concat', parts, first.dtype, first.dims.map((side, i) => (i === axis ? joined : side)), { axis: { int: axis } });
  }
  /** Cuts an axis of known length into parts of the given lengths. */
  split(x: Expr, lengths: readonly number[], axis: number): Expr[] {
    const total = lengths.reduce((sum, length) => sum + length, 0);
    if (x.dims[axis] !== total) throw new Error(`${this.#where('Split')}: axis ${axis} of ${dimsText(x.dims)} is not ${total} long`);
    return this.emitMany('Split', [x, this.ints(lengths)], lengths.map((length) => ({ dtype: x.dtype, dims: x.dims.map((side, i) => (i === axis ? length : side)) })), { axis: { int: axis } });
  }
  /** Cuts an axis at run-time lengths (an int64 vector with `names.length` elements). */
  splitAt(x: Expr, lengths: Expr, names: readonly string[], axis: number): Expr[] {
    return this.emitMany('Split', [x, lengths], names.map((name) => ({ dtype: x.dtype, dims: x.dims.map((side, i) => (i === axis ? name : side)) })), { axis: { int: axis } });
  }
  /** Rows from `start` to `end` (int64 vectors of one element) along an axis; the result's side is called `name`. */
  slice(x: Expr, start: Expr, end: Expr, axis: number, name: Dim): Expr {
    return this.emit('Slice', [x, start, end, this.ints([axis])], x.dtype, x.dims.map((side, i) => (i === axis ? name : side)));
  }
  gather(table: Expr, ids: Expr, axis = 0): Expr {
    return this.emit('Gather', [table, ids], table.dtype, [...table.dims.slice(0, axis), ...ids.dims, ...table.dims.slice(axis + 1)], { axis: { int: axis } });
  }
  /** Length of an axis as an int64 vector of one element. */
  lengthOf(x: Expr, axis: number): Expr {
    return this.emit('Shape', [x], 'int64', [1], { start: { int: axis }, end: { int: axis + 1 } });
  }
  /** 0 … n-1 as int64; n is a vector of one element. */
  range(n: Expr, name: Dim): Expr {
    const scalarOf = (x: Expr) => this.emit('Squeeze', [x], 'int64', []);
    return this.emit('Range', [scalarOf(this.ints([0])), scalarOf(n), scalarOf(this.ints([1]))], 'int64', [name]);
  }
  unsqueeze(x: Expr, axis: number): Expr {
    const dims = [...x.dims];
    dims.splice(axis, 0, 1);
    return this.emit('Unsqueeze', [x, this.ints([axis])], x.dtype, dims);
  }
  squeeze(x: Expr, axis: number): Expr {
    return this.emit('Squeeze', [x, this.ints([axis])], x.dtype, x.dims.filter((_, i) => i !== axis));
  }
  expand(x: Expr, shape: Expr, dims: Dims): Expr {
    return this.emit('Expand', [x, shape], x.dtype, dims);
  }

  // ---- reductions ----

  softmax(x: Expr): Expr { return this.#unary('Softmax', x, { axis: { int: -1 } }); }
  /** √Σx² over an axis (kept), or over everything. */
  norm(x: Expr, axis?: number): Expr {
    const dims = x.dims.map((side, i) => (axis === undefined || i === axis ? 1 : side));
    return this.emit('ReduceL2', axis === undefined ? [x] : [x, this.ints([axis])], x.dtype, dims, { keepdims: { int: 1 } });
  }
  logSumExp(x: Expr, axis: number): Expr {
    return this.emit('ReduceLogSumExp', [x, this.ints([axis])], x.dtype, x.dims.map((side, i) => (i === axis ? 1 : side)), { keepdims: { int: 1 } });
  }
  /** First index of the largest value along an axis (dropped). */
  argMax(x: Expr, axis: number): Expr {
    return this.emit('ArgMax', [x], 'int64', x.dims.filter((_, i) => i !== axis), { axis: { int: axis }, keepdims: { int: 0 } });
  }
  /** The k largest along the last axis, largest first, and their indices. */
  topK(x: Expr, k: number): [Expr, Expr] {
    const dims = [...x.dims.slice(0, -1), k];
    const [values, indices] = this.emitMany('TopK', [x, this.ints([k])], [{ dtype: x.dtype, dims }, { dtype: 'int64', dims }]);
    return [values!, indices!];
  }

  // ---- products ----

  /** Batched a · b (or a · bᵀ), times `scale`. */
  matmul(a: Expr, b: Expr, options: { transposeB?: boolean; scale?: number } = {}): Expr {
    const [rows, inner] = a.dims.slice(-2) as [Dim, Dim];
    const [bRows, bColumns] = b.dims.slice(-2) as [Dim, Dim];
    const [bInner, columns] = options.transposeB === true ? [bColumns, bRows] : [bRows, bColumns];
    if (!sameDim(inner, bInner)) throw new Error(`${this.#where('MatMul')}: inner sides of ${dimsText(a.dims)} and ${dimsText(b.dims)} differ`);
    const dims = [...broadcast(a.dims.slice(0, -2), b.dims.slice(0, -2), this.#where('MatMul')), rows, columns];
    if (options.transposeB !== true && options.scale === undefined) return this.emit('MatMul', [a, b], a.dtype, dims);
    return this.emit('FusedMatMul', [a, b], a.dtype, dims, { transB: { int: options.transposeB === true ? 1 : 0 }, alpha: { float: options.scale ?? 1 } }, 'com.microsoft');
  }

  /** x Wᵀ + b for x [rows, in] and W [out, in] as stored. */
  linear(x: Expr, weight: Parameter, bias?: Parameter): Expr {
    const [outputs, inputs] = weight.shape as [number, number];
    if (x.dims.length !== 2 || x.dims[1] !== inputs) throw new Error(`${this.#where('Linear')}: input ${dimsText(x.dims)} does not fit weight [${weight.shape.join(', ')}]`);
    const dims = [x.dims[0]!, outputs];
    const stored = this.#state.stored(weight);
    if ('bits' in stored) return this.#linearBlocks(x, stored, dims, inputs, outputs, bias);
    if ('codes' in stored) return this.#linearChannels(x, stored, dims, bias);
    const product = (op: Ops) => op.emit('Gemm', [x, op.weight(weight), ...(bias === undefined ? [] : [op.weight(bias)])], 'float32', dims, { transB: { int: 1 } });
    if (!this.#state.castsInRun || stored.dtype === 'float32' || typeof dims[0] === 'number') return product(this);
    // a cast is worked even when there are no rows to multiply. Only here: one that is folded at load inside an If keeps its memory twice (measured)
    const rows = this.lengthOf(x, 0);
    const none = (op: Ops) => op.expand(op.scalar(0), op.concat([rows, op.ints([outputs])], 0), dims);
    return this.if(this.greater(rows, this.ints([0])), (op) => [product(op)], (op) => [none(op)])[0]!;
  }

  #linearBlocks(x: Expr, stored: BlockQuantized, dims: Dims, inputs: number, outputs: number, bias?: Parameter): Expr {
    const attributes = { K: { int: inputs }, N: { int: outputs }, bits: { int: stored.bits }, block_size: { int: stored.block }, accuracy_level: { int: 4 } };
    const y = this.emit('MatMulNBits', [x, this.#reference(stored.packed), this.#reference(stored.scales)], 'float32', dims, attributes, 'com.microsoft');
    return bias === undefined ? y : this.add(y, this.weight(bias));
  }

  #linearChannels(x: Expr, stored: ChannelQuantized, dims: Dims, bias?: Parameter): Expr {
    const { codes, scale } = this.#quantizedRows(x);
    const zero = this.#shared('zero point 128', () => tensor('uint8', [], Uint8Array.of(128)));
    const product = this.emit('MatMulIntegerToFloat', [codes, this.#reference(stored.codes), this.scalar(1), this.#reference(stored.scales), zero, zero], 'float32', dims, {}, 'com.microsoft');
    const y = this.mul(product, scale);
    return bias === undefined ? y : this.add(y, this.weight(bias));
  }

  /** x [rows, columns] as uint8 codes with zero point 128 and a scale a row: its largest magnitude is 127 steps. Made once for all products of x. */
  #quantizedRows(x: Expr): { codes: Expr; scale: Expr } {
    const known = this.#rows.get(x.name);
    if (known !== undefined) return known;
    const largest = this.emit('ReduceMax', [this.#unary('Abs', x), this.ints([1])], 'float32', [x.dims[0]!, 1], { keepdims: { int: 1 } });
    // a row of zeros has no scale of its own
    const scale = this.max(this.mul(largest, 1 / 127), 1e-30);
    const shape = this.lengthOf(x, 0);
    const zeros = this.emit('Expand', [this.#shared('zero point [128]', () => tensor('uint8', [1], Uint8Array.of(128))), shape], 'uint8', [x.dims[0]!]);
    const codes = this.emit('QuantizeLinear', [x, this.squeeze(scale, 1), zeros], 'uint8', x.dims, { axis: { int: 0 } });
    const made = { codes, scale };
    this.#rows.set(x.name, made);
    return made;
  }

  /** Rows of a table; 16-bit tables stay as stored and only the rows are cast. */
  embedding(table: Parameter, ids: Expr): Expr {
    const rows = this.gather(this.#raw(table), ids);
    return rows.dtype === 'float32' ? rows : this.cast(rows, 'float32');
  }

  // ---- normalisation and convolution ----

  rmsNorm(x: Expr, weight: Parameter, eps: number): Expr {
    return this.emit('SimplifiedLayerNormalization', [x, this.weight(weight)], x.dtype, x.dims, { axis: { int: -1 }, epsilon: { float: eps }, stash_type: { int: 1 } });
  }
  layerNorm(x: Expr, weight: Parameter, bias: Parameter, eps: number): Expr {
    return this.emit('LayerNormalization', [x, this.weight(weight), this.weight(bias)], x.dtype, x.dims, { axis: { int: -1 }, epsilon: { float: eps } });
  }
  /** x [batch, channels, height, width]; instance normalisation over groups, then scale and shift a channel. */
  groupNorm(x: Expr, weight: Parameter, bias: Parameter, groups: number, eps: number): Expr {
    const channels = x.dims[1] as number;
    const ones = this.#shared(`ones ${groups}`, () => float32([groups], new Float32Array(groups).fill(1)));
    const zeros = this.#shared(`zeros ${groups}`, () => float32([groups], new Float32Array(groups)));
    const grouped = this.emit('Reshape', [x, this.ints([1, groups, -1])], x.dtype, [1, groups, 'pixels']);
    const normal = this.emit('InstanceNormalization', [grouped, ones, zeros], x.dtype, grouped.dims, { epsilon: { float: eps } });
    const shape = this.emit('Shape', [x], 'int64', [4]);
    const restored = this.emit('Reshape', [normal, shape], x.dtype, x.dims);
    return this.add(this.mul(restored, this.reshape(this.weight(weight), [channels, 1, 1])), this.reshape(this.weight(bias), [channels, 1, 1]));
  }
  conv2d(x: Expr, weight: Parameter, bias: Parameter, options: { stride: number; padding: number }): Expr {
    const [outputs, inputs, kernel] = weight.shape as [number, number, number];
    if (x.dims[1] !== inputs) throw new Error(`${this.#where('Conv')}: input ${dimsText(x.dims)} does not fit weight [${weight.shape.join(', ')}]`);
    const { stride, padding } = options;
    const side = (length: Dim): Dim => {
      if (typeof length === 'number') return Math.floor((length + 2 * padding - kernel) / stride) + 1;
      return stride === 1 && kernel === 2 * padding + 1 ? length : `${length}/${stride}`;
    };
    return this.emit('Conv', [x, this.weight(weight), this.weight(bias)], x.dtype, [x.dims[0]!, outputs, side(x.dims[2]!), side(x.dims[3]!)], {
      kernel_shape: { ints: [kernel, kernel] }, strides: { ints: [stride, stride] }, pads: { ints: [padding, padding, padding, padding] },
    });
  }
  /** Zeros at the bottom and right: x [batch, channels, height, width]. */
  padBottomRight(x: Expr): Expr {
    const grow = (side: Dim): Dim => (typeof side === 'number' ? side + 1 : `${side}+1`);
    return this.emit('Pad', [x, this.ints([0, 0, 0, 0, 0, 0, 1, 1])], x.dtype, [x.dims[0]!, x.dims[1]!, grow(x.dims[2]!), grow(x.dims[3]!)]);
  }
  /** Doubles height and width by repeating pixels. */
  upsampleNearest(x: Expr): Expr {
    const double = (side: Dim): Dim => (typeof side === 'number' ? side * 2 : `${side}*2`);
    const scales = this.#shared('scales 1 1 2 2', () => float32([4], [1, 1, 2, 2]));
    return this.emit('Resize', [x, undefined, scales], x.dtype, [x.dims[0]!, x.dims[1]!, double(x.dims[2]!), double(x.dims[3]!)], {
      mode: { string: 'nearest' }, coordinate_transformation_mode: { string: 'asymmetric' }, nearest_mode: { string: 'floor' },
    });
  }

  // ---- control flow ----

  /** One of two bodies by a bool scalar. Both give as many values; sides that differ get the name from `otherwise`. */
  if(condition: Expr, then: (op: Ops) => readonly Expr[], otherwise: (op: Ops) => readonly Expr[]): Expr[] {
    const yes = this.#body('then', [], then);
    const no = this.#body('else', [], otherwise);
    if (yes.outputs.length !== no.outputs.length) throw new Error(`${this.#where('If')}: one body gives ${valuesText(yes.outputs)}, the other ${no.outputs.length}`);
    yes.outputs.forEach((value, i) => {
      const other = no.outputs[i]!;
      if (value.dtype !== other.dtype || value.dims.length !== other.dims.length) throw new Error(`${this.#where('If')}: one body gives ${value.dtype} ${dimsText(value.dims)}, the other ${other.dtype} ${dimsText(other.dims)}`);
    });
    const results = yes.outputs.map((value, i) => ({ dtype: value.dtype, dims: value.dims.map((side, axis) => (side === no.outputs[i]!.dims[axis] ? side : `${no.outputs[i]!.dims[axis]}`)) }));
    return this.emitMany('If', [condition], results, { then_branch: { graph: yes }, else_branch: { graph: no } });
  }

  /** Runs a body `trips` times (int64 scalar); carried values go from one turn to the next. `body` gets the turn (int64 scalar). */
  loop(trips: Expr, carried: readonly Expr[], body: (op: Ops, turn: Expr, carried: readonly Expr[]) => readonly Expr[]): Expr[] {
    const prefix = this.#unique(`${this.#scope}/loop`);
    const turn: Expr = { name: `${prefix}/turn`, dtype: 'int64', dims: [] };
    const goes: Expr = { name: `${prefix}/goes`, dtype: 'bool', dims: [] };
    const inner = carried.map((value, i): Expr => ({ name: `${prefix}/carried${i}`, dtype: value.dtype, dims: value.dims }));
    const graph = this.#body('loop', [turn, goes, ...inner], (op) => [op.identity(goes), ...body(op, turn, inner)]);
    if (graph.outputs.length !== carried.length + 1) throw new Error(`${this.#where('Loop')}: ${valuesText(carried)} ${carried.length === 1 ? 'is' : 'are'} carried, its body gives ${graph.outputs.length - 1}`);
    return this.emitMany('Loop', [trips, undefined, ...carried], graph.outputs.slice(1).map((value) => ({ dtype: value.dtype, dims: value.dims })), { body: { graph } });
  }

  #body(kind: string, inputs: readonly Expr[], make: (op: Ops) => readonly Expr[]): Body {
    const name = this.#unique(`${this.#scope}/${kind}`);
    const op = new Ops(this.#state, name, this);
    const made = make(op);
    // An outer value cannot be a body's output: it must be made inside.
    const own = new Set(op.nodes.flatMap((node) => node.outputs));
    const outputs = made.map((value) => (own.has(value.name) ? value : op.identity(value)));
    return { name, inputs, outputs, nodes: op.nodes };
  }
}

function valuesText(values: readonly unknown[]): string {
  return `${values.length} value${values.length === 1 ? '' : 's'}`;
}
