// Checks what is fed to a program against what its graph says, so that a mistake is told in the host's words. Knows no runtime.
import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/tensor.ts';
import { DeviceError, shapeText } from './errors.ts';
import type { Edge } from './protocol.ts';

export interface Edges {
  readonly inputs: ReadonlyMap<string, Edge & { readonly index: number }>;
  readonly outputs: ReadonlyMap<string, Edge & { readonly index: number }>;
}

export function indexEdges(inputs: readonly Edge[], outputs: readonly Edge[]): Edges {
  const index = (edges: readonly Edge[]): Edges['inputs'] => new Map(edges.map((edge, i) => [edge.name, { ...edge, index: i }]));
  return { inputs: index(inputs), outputs: index(outputs) };
}

/** Types that enter a graph as the bits they are: ONNX Runtime's JavaScript binding refuses them at graph edges. */
const bitsOf: Partial<Record<DType, DType>> = { bfloat16: 'uint16', float8e4m3fn: 'uint8' };

/** The edge a tensor goes to; throws a DeviceError when name, type or a known side does not fit. */
export function inputFor(edges: Edges, name: string, dtype: DType, shape: Shape, where: string): Edge & { readonly index: number } {
  const edge = edges.inputs.get(name);
  if (edge === undefined) throw new DeviceError(`${where}: there is no input ${name}; inputs are ${[...edges.inputs.keys()].join(', ')}`);
  const fits = (edge.dtype === dtype || edge.dtype === bitsOf[dtype])
    && edge.dims.length === shape.length && edge.dims.every((side, i) => typeof side === 'string' || side === shape[i]);
  if (!fits) throw new DeviceError(`${where}: input ${name} takes ${edge.dtype} [${edge.dims.join(', ')}], got ${dtype} ${shapeText(shape)}`);
  return edge;
}

export function outputFor(edges: Edges, name: string, where: string): Edge & { readonly index: number } {
  const edge = edges.outputs.get(name);
  if (edge === undefined) throw new DeviceError(`${where}: there is no output ${name}; outputs are ${[...edges.outputs.keys()].join(', ')}`);
  return edge;
}

/** Throws when an input is not fed. */
export function checkAllFed(edges: Edges, fed: Readonly<Record<string, unknown>>, where: string): void {
  const missing = [...edges.inputs.keys()].filter((name) => fed[name] === undefined);
  if (missing.length > 0) throw new DeviceError(`${where}: ${missing.length === 1 ? 'input' : 'inputs'} ${missing.join(', ')} not fed`);
}
