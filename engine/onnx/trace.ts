// Traces a forward function into a Part: binds parameters to stored weights, checks their shapes, collects nodes.
import type { Part, Expr } from './expr.ts';
import type { Parameter } from './module.ts';
import { Ops, type StoredWeight, type TraceState } from './ops.ts';

/** Finds where a weight is stored; undefined when the checkpoint has no such key. */
export interface WeightSource {
  get(key: string): StoredWeight | undefined;
  /** True: 16-bit weights stay as stored, so a product without rows must not cast its weight. Goes with ProgramOptions.expandWeights false. */
  readonly castsInRun?: boolean;
}

/** An Expr that is an input of the part. */
export function input(name: string, dtype: Expr['dtype'], dims: Expr['dims']): Expr {
  return { name, dtype, dims };
}

/**
 * Builds a part. `build` gets the ops and gives the outputs by name.
 * Throws when a weight is missing or has another shape than its module says.
 */
export function trace(name: string, inputs: readonly Expr[], weights: WeightSource, build: (op: Ops) => Readonly<Record<string, Expr>>): Part {
  const state: TraceState = { stored: (parameter) => checked(parameter, weights), castsInRun: weights.castsInRun ?? false, weights: new Map(), constants: new Map(), names: new Map() };
  const op = new Ops(state, name);
  const made = build(op);
  const outputs = Object.entries(made).map(([outputName, value]) => rename(op, outputName, value));
  return { name, inputs, outputs, nodes: op.nodes, weights: [...state.weights.values()], constants: state.constants };
}

function checked(parameter: Parameter, weights: WeightSource): StoredWeight {
  const stored = weights.get(parameter.path);
  if (stored === undefined) throw new Error(`weight ${parameter.path} [${parameter.shape.join(', ')}] is not in the model files`);
  const given = storedShape(stored, parameter.shape[1]);
  if (given.length !== parameter.shape.length || given.some((side, i) => side !== parameter.shape[i])) {
    throw new Error(`weight ${parameter.path} has shape [${given.join(', ')}], the model needs [${parameter.shape.join(', ')}]`);
  }
  return stored;
}

/** The shape a weight stands for. The last of its blocks may reach over the end, so `inputs` count as fitting if their number of blocks does. */
export function storedShape(stored: StoredWeight, inputs?: number): readonly number[] {
  if ('codes' in stored) return [...stored.codes.shape].reverse();
  if (!('bits' in stored)) return stored.shape;
  const [outputs, blocks] = stored.scales.shape as readonly [number, number];
  return [outputs, inputs !== undefined && Math.ceil(inputs / stored.block) === blocks ? inputs : blocks * stored.block];
}

function rename(op: Ops, name: string, value: Expr): Expr {
  op.nodes.push({ op: 'Identity', domain: '', name: `output ${name}`, inputs: [value.name], outputs: [name], attributes: {} });
  return { ...value, name };
}
