// Budgets hold when several calls are under way at once, and after a worker was lost.
import { expect, test } from 'vitest';
import { budgeted } from '../../engine/device/budget.ts';
import type { Device, Forecaster, Program } from '../../engine/device/device.ts';
import { forward } from '../../engine/device/forward.ts';
import { memoryDevice } from '../../engine/device/memory.ts';
import type { Port } from '../../engine/device/move.ts';

const programs = { a: () => ({}), b: () => ({}), c: () => ({}), d: () => ({}) };
const program = (name: string, weightBytes: number): Program => ({
  name, bytes: new Uint8Array(), forecast: { weightBytes, of: () => { throw new Error('nothing runs'); } } satisfies Forecaster,
});
const memory = () => memoryDevice(programs);
const port = (device: Device): Device & Port => forward(device as Device & Port);

test('values that are written at once count together', async () => {
  const device = budgeted(port(memory()), 100);
  const ends = await Promise.allSettled([1, 2].map(() => device.write({ dtype: 'float32', shape: [15] }))); // 60 bytes each
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await device.write({ dtype: 'float32', shape: [10] }); // what was refused counts no more
});

test('a program that loads counts whatever is freed and loaded meanwhile', async () => {
  const inner = memory();
  const gates = new Map<string, () => void>();
  const device = budgeted(Object.assign(port(inner), { load: async (one: Program) => {
    if (one.name === 'b' || one.name === 'c') await new Promise<void>((open) => gates.set(one.name, open));
    return inner.load(one);
  } }), 100);
  const first = await device.load(program('a', 10));
  const slow = device.load(program('b', 50));
  await device.free([first]);
  const quick = device.load(program('c', 10));
  gates.get('c')!();
  await quick;
  await expect(device.load(program('d', 60))).rejects.toThrow('holds 60 bytes of weights');
  gates.get('b')!();
  await slow;
});

test('a program loaded by the next worker counts', async () => {
  const inner = memory();
  const device = budgeted(Object.assign(port(inner), { load: (one: Program) => {
    if (one.name === 'a') inner.crash(); // lost after the account was looked at, before the load was sent
    return inner.load(one);
  } }), 100);
  await device.load(program('a', 80));
  await expect(device.load(program('b', 50))).rejects.toThrow('holds 80 bytes of weights');
});
