// What tests of other folders rely on: the memory device's log and its crash; and scopes over it.
import { describe, expect, it } from 'vitest';
import type { Handle } from '../../engine/device/device.ts';
import { DeviceLostError } from '../../engine/device/errors.ts';
import { memoryDevice } from '../../engine/device/memory.ts';
import { move } from '../../engine/device/move.ts';
import { scoped } from '../../engine/device/scoped.ts';
import { float32, type Tensor } from '../../engine/tensor/tensor.ts';
import { add, append, functions } from './programs.ts';

const row = (value: number): Tensor => float32([1, 4], new Float32Array(4).fill(value));

describe('memory device', () => {
  it('logs what it was asked', async () => {
    const device = memoryDevice(functions);
    const session = await device.load(append);
    const buffer = await device.write({ dtype: 'float32', shape: [8, 4] });
    const outputs = await device.run(session, { past: { handle: buffer, rows: 2 }, x: row(1) }, { fresh: { into: buffer, row: 2 }, all: 'handle' });
    await device.read(outputs['all'] as Handle, 1);
    await device.free([buffer, session]);
    await device.read(outputs['all'] as Handle);
    expect(device.log).toEqual([
      'load append',
      'reserve float32[8, 4] -> #2',
      'run append past=#2[0:2] x=float32[1, 4] -> fresh→#2[2:3] all=#3',
      'read #3[0:1]',
      'free #2 #1',
      'read #3',
    ]);
  });

  it('knows only its programs', async () => {
    await expect(memoryDevice({}, { name: 'x' }).load(add)).rejects.toThrow('device x, load of add: there is no program add');
  });

  it('loses everything in a crash and goes on', async () => {
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => { begin = resolve; });
    const device = memoryDevice({ ...functions, add: async () => { begin(); await new Promise(() => undefined); return {}; } });
    const session = await device.load(add);
    const handle = await device.write(row(1));
    const calls = [device.run(session, { x: row(1), y: row(1) }, { sum: 'handle' }), device.read(handle)].map((call) => call.catch((error: unknown) => error));
    await begun;
    device.crash();
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(DeviceLostError);
    expect(await calls[0]).toMatchObject({ message: 'device memory:0, run of add: worker crashed', epoch: 0 });
    await expect(device.read(handle)).rejects.toThrow('was lost with worker 0 of this device (now 1)');
    const again = await device.load(append);
    expect(await device.run(again, { past: row(0), x: row(1) }, { fresh: 'tensor' })).toEqual({ fresh: row(2) });
    expect(await device.stats()).toMatchObject({ epoch: 1, restarts: 1, sessions: 1, handles: { count: 0, bytes: 0 } });
  });
});

describe('scope', () => {
  it('frees what was made in it and not kept, sessions excepted', async () => {
    const device = memoryDevice(functions);
    const { device: inner, keep, end } = scoped(device);
    const session = await inner.load(add);
    const [given, kept, rest] = [await device.write(row(1)), await inner.write(row(2)), await inner.write(row(3))];
    const { sum, twice } = await inner.run(session, { x: { handle: given }, y: { handle: kept } }, { sum: 'handle', twice: 'handle' }) as Record<string, Handle>;
    const late = inner.write(row(4));
    keep([kept, twice!, session]);
    await end();
    expect([given, kept, rest, sum!, twice!, session, await late].map((held) => device.holds(held))).toEqual([true, true, false, false, true, true, false]);
  });
});

describe('move', () => {
  it('copies between devices of any kind', async () => {
    const [a, b] = [memoryDevice({}, { name: 'a' }), memoryDevice({}, { name: 'b' })];
    const from = await a.write(float32([2, 2], [1, 2, 3, 4]));
    const { handle, bytes } = await move(from, a, b, 1);
    expect(bytes).toBe(8);
    expect(await b.read(handle)).toEqual(float32([1, 2], [1, 2]));
    expect(a.holds(from)).toBe(true);
  });
});
