// Modules as PyTorch has them: the field path is the checkpoint key and the scope of the ONNX nodes.
// A Parameter declares a shape; where its bytes are is decided when the graph is traced.
import type { Expr } from './expr.ts';
import type { Ops } from './ops.ts';

/** A weight by shape. Its key is its path from the root module. */
export class Parameter {
  readonly shape: readonly number[];
  path = '';
  constructor(shape: readonly number[]) {
    this.shape = shape;
  }
}

/** Base of all modules. Fields that are Parameters, Modules or arrays of Modules get their paths from `bind`. */
export abstract class Module {
  path = '';
}

/** A module whose forward takes one value and gives one. */
export abstract class Layer extends Module {
  abstract forward(op: Ops, x: Expr): Expr;
}

/** Gives every module and parameter below `root` its path. Returns root. */
export function bind<M extends Module>(root: M, prefix: string): M {
  root.path = prefix;
  const join = (name: string | number) => (prefix === '' ? String(name) : `${prefix}.${name}`);
  const visit = (path: string, value: unknown): void => {
    if (value instanceof Parameter) value.path = path;
    else if (value instanceof Module) bind(value, path);
    else if (Array.isArray(value)) value.forEach((element, i) => visit(`${path}.${i}`, element));
  };
  for (const [name, value] of Object.entries(root)) if (name !== 'path') visit(join(name), value);
  return root;
}

/** All parameters below a bound module, in field order. */
export function parameters(root: Module): Parameter[] {
  const found: Parameter[] = [];
  const visit = (value: unknown): void => {
    if (value instanceof Parameter) found.push(value);
    else if (value instanceof Module) Object.values(value).forEach(visit);
    else if (Array.isArray(value)) value.forEach(visit);
  };
  visit(root);
  return found;
}

/** y = x Wᵀ + b with W stored [out, in], as PyTorch does. */
export class Linear extends Layer {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  constructor(inputs: number, outputs: number, options: { bias?: boolean } = {}) {
    super();
    this.weight = new Parameter([outputs, inputs]);
    if (options.bias ?? true) this.bias = new Parameter([outputs]);
  }
  forward(op: Ops, x: Expr): Expr {
    return op.linear(x, this.weight, this.bias);
  }
}

/** x / sqrt(mean(x²) + eps) · weight over the last axis. */
export class RmsNorm extends Layer {
  readonly weight: Parameter;
  readonly #eps: number;
  constructor(size: number, eps: number) {
    super();
    this.weight = new Parameter([size]);
    this.#eps = eps;
  }
  forward(op: Ops, x: Expr): Expr {
    return op.rmsNorm(x, this.weight, this.#eps);
  }
}

export class LayerNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #eps: number;
  constructor(size: number, eps: number) {
    super();
    this.weight = new Parameter([size]);
    this.bias = new Parameter([size]);
    this.#eps = eps;
  }
  forward(op: Ops, x: Expr): Expr {
    return op.layerNorm(x, this.weight, this.bias, this.#eps);
  }
}

/** Rows of a table by index. */
export class Embedding extends Layer {
  readonly weight: Parameter;
  constructor(rows: number, size: number) {
    super();
    this.weight = new Parameter([rows, size]);
  }
  forward(op: Ops, ids: Expr): Expr {
    return op.embedding(this.weight, ids);
  }
}

export class Conv2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #options: { stride: number; padding: number };
  constructor(inputs: number, outputs: number, kernel: number, options: { stride?: number; padding?: number } = {}) {
    super();
    this.weight = new Parameter([outputs, inputs, kernel, kernel]);
    this.bias = new Parameter([outputs]);
    this.#options = { stride: options.stride ?? 1, padding: options.padding ?? 0 };
  }
  forward(op: Ops, x: Expr): Expr {
    return op.conv2d(x, this.weight, this.bias, this.#options);
  }
}

export class GroupNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #groups: number;
  readonly #eps: number;
  constructor(groups: number, channels: number, eps: number) {
    super();
    this.weight = new Parameter([channels]);
    this.bias = new Parameter([channels]);
    this.#groups = groups;
    this.#eps = eps;
  }
  forward(op: Ops, x: Expr): Expr {
    return op.groupNorm(x, this.weight, this.bias, this.#groups, this.#eps);
  }
}
