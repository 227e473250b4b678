// Weights of the outer graph inside an If: mapped ones stay in their file, packed ones are packed once. Bounds are wide.
import { describe, expect, test } from 'vitest';
import type { DeviceStats, ProgramOptions } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { input, trace } from '../../engine/onnx/trace.ts';
import { bfloat16FromFloat32 } from '../../engine/tensor/half.ts';
import { float32, tensor } from '../../engine/tensor/tensor.ts';
import { noise, onnxHarness, parameter } from './harness.ts';

const onnx = onnxHarness();
const [outputs, inputs, layers] = [1024, 1024, 8] as const;

/** Memory that a session with an If around products takes, beyond that of the worker, as parts of the stored bytes. */
async function growth(dtype: 'float32' | 'bfloat16', program: ProgramOptions, castsInRun = false): Promise<{ anonymous: number; file: number } | undefined> {
  const values = noise([outputs, inputs]).data as Float32Array;
  const stored = dtype === 'float32' ? float32([outputs, inputs], values) : tensor('bfloat16', [outputs, inputs], bfloat16FromFloat32(values));
  const refs = await onnx.store(Object.fromEntries(Array.from({ length: layers }, (_, i) => [`w${i}`, stored])));
  const [x, choice] = [input('x', 'float32', ['rows', inputs]), input('choice', 'bool', [])];
  const part = trace('if', [x, choice], { get: (key) => refs.get(key), castsInRun }, (op) => ({
    y: op.if(choice, (o) => [Array.from({ length: layers }).reduce((rows: typeof x, _, i) => o.linear(rows, parameter(`w${i}`, [outputs, inputs])), x)], () => [x])[0]!,
  }));
  const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu' });
  try {
    const feeds = { x: float32([1, inputs], new Float32Array(inputs).fill(1)), choice: tensor('bool', [], Uint8Array.of(1)) };
    // a first session brings in the runtime's own pages
    const first = trace('first', [x], { get: () => undefined }, (op) => ({ y: op.silu(x) }));
    await device.run(await device.load({ name: 'first', bytes: encodeModel(first) }), { x: feeds.x }, { y: 'tensor' });
    const before = (await device.stats()).memory;
    await device.run(await device.load({ name: 'if', bytes: encodeModel(part), options: program }), feeds, { y: 'tensor' });
    const after = (await device.stats()).memory;
    return before === undefined || after === undefined ? undefined : partsOf(before, after, layers * outputs * inputs * (dtype === 'float32' ? 4 : 2));
  } finally {
    await device.close();
  }
}

function partsOf(before: NonNullable<DeviceStats['memory']>, after: NonNullable<DeviceStats['memory']>, bytes: number): { anonymous: number; file: number } {
  return { anonymous: (after.anonymous - before.anonymous) / bytes, file: (after.file - before.file) / bytes };
}

describe.runIf(process.platform === 'linux')('inside an If', () => {
  test('float32 weights are packed once', async () => {
    const grown = (await growth('float32', {}))!;
    expect(grown.anonymous).toBeLessThan(1.6); // twice would be 2
    expect(grown.file).toBeLessThan(0.5);
  });
  test('left unpacked they stay in their file', async () => {
    const grown = (await growth('float32', { packWeights: false }))!;
    expect(grown.anonymous).toBeLessThan(0.5);
    expect(grown.file).toBeGreaterThan(0.9);
  });
  test('bfloat16 weights that are cast in the run stay in their file, beside casts that share memory', async () => {
    const grown = (await growth('bfloat16', { expandWeights: false }, true))!;
    expect(grown.anonymous).toBeLessThan(1.2); // all casts at once would be 2
    expect(grown.file).toBeGreaterThan(0.9);
  });
});
