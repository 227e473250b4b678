// Runs a handful of ops for real: traces them into a part, loads it into a worker and gives the results. For tests of engine/onnx and of model code.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Device, ProgramOptions } from '../../engine/device/device.ts';
import { openProcessDevice, type ProcessDevice } from '../../engine/device/process.ts';
import type { Dims, Expr, Part, WeightRef } from '../../engine/onnx/expr.ts';
import { Parameter } from '../../engine/onnx/module.ts';
import type { Ops } from '../../engine/onnx/ops.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { input, trace, type WeightSource } from '../../engine/onnx/trace.ts';
import { openSafetensors, writeSafetensors } from '../../engine/tensor/safetensors.ts';
import { float32, sizeOf, type Tensor } from '../../engine/tensor/tensor.ts';

export const noWeights: WeightSource = { get: () => undefined };

/** A feed, and the shape the graph is told: by default the tensor's own. */
export type Given = Tensor | { readonly value: Tensor; readonly dims: Dims };

export interface OnnxHarness {
  readonly device: () => Device;
  /** Values of the outputs that `build` names. */
  compute(given: Readonly<Record<string, Given>>, build: (op: Ops, values: Readonly<Record<string, Expr>>) => Readonly<Record<string, Expr>>, options?: { weights?: WeightSource; program?: ProgramOptions }): Promise<Record<string, Tensor>>;
  run(part: Part, feeds: Readonly<Record<string, Tensor>>, program?: ProgramOptions): Promise<Record<string, Tensor>>;
  /** Writes tensors into a safetensors file of their own and says where they are. */
  store(tensors: Readonly<Record<string, Tensor>>): Promise<ReadonlyMap<string, WeightRef>>;
}

/** One worker and one temp folder for a test file; both end with it. */
export function onnxHarness(): OnnxHarness {
  const folder = mkdtempSync(join(tmpdir(), 'bagelgraph-onnx-'));
  let files = 0;
  let opened: Promise<ProcessDevice> | undefined;
  let device: ProcessDevice | undefined;
  afterAll(async () => {
    await device?.close();
    rmSync(folder, { recursive: true });
  });

  async function run(part: Part, feeds: Readonly<Record<string, Tensor>>, program: ProgramOptions = {}): Promise<Record<string, Tensor>> {
    device = await (opened ??= openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 1 }));
    const session = await device.load({ name: part.name, bytes: encodeModel(part), options: program });
    const result = await device.run(session, feeds, Object.fromEntries(part.outputs.map(({ name }) => [name, 'tensor' as const])));
    await device.free([session]);
    for (const { name, dtype, dims } of part.outputs) {
      const made = result[name] as Tensor;
      // what was inferred must be what came out
      expect(made.dtype).toBe(dtype);
      expect(made.shape).toEqual(dims.map((side, axis) => (typeof side === 'number' ? side : made.shape[axis])));
    }
    return result as Record<string, Tensor>;
  }

  return {
    device: () => device!,
    run,
    async compute(given, build, { weights = noWeights, program } = {}) {
      const entries = Object.entries(given).map(([name, one]) => ({ name, ...('value' in one ? one : { value: one, dims: one.shape }) }));
      const exprs = Object.fromEntries(entries.map(({ name, value, dims }) => [name, input(name, value.dtype, dims)]));
      const part = trace('test', Object.values(exprs), weights, (op) => build(op, exprs));
      return run(part, Object.fromEntries(entries.map(({ name, value }) => [name, value])), program);
    },
    async store(tensors) {
      const path = join(folder, `${files++}.safetensors`);
      await writeSafetensors(path, new Map(Object.entries(tensors)));
      return (await openSafetensors(path)).entries;
    },
  };
}

/** A parameter that is bound to a key. */
export function parameter(key: string, shape: readonly number[]): Parameter {
  const made = new Parameter(shape);
  made.path = key;
  return made;
}

/** Repeatable values in −1…1. */
export function noise(shape: readonly number[], seed = 1): Tensor {
  let state = (seed * 2654435761) >>> 0 || 1;
  return float32(shape, Float32Array.from({ length: sizeOf(shape) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  }));
}

export function numbers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor!.data, Number);
}

/** Largest difference over the largest expected value (or 1). */
export function expectClose(actual: Tensor | undefined, expected: ArrayLike<number>, tolerance = 1e-5): void {
  const given = numbers(actual);
  expect(given).toHaveLength(expected.length);
  const scale = Array.from(expected).reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 1);
  const worst = given.reduce((most, value, i) => Math.max(most, Object.is(value, expected[i]) ? 0 : Math.abs(value - expected[i]!)), 0);
  expect(worst / scale).toBeLessThanOrEqual(tolerance);
}
