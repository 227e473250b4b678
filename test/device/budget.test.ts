// A device with a budget refuses what would not fit before anything is done, with the numbers; what is freed counts no more.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { budgeted } from '../../engine/device/budget.ts';
import type { Device, Forecaster, Handle } from '../../engine/device/device.ts';
import { lazyDevice } from '../../engine/device/lazy.ts';
import { isPort, move } from '../../engine/device/move.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { float32 } from '../../engine/tensor/tensor.ts';
import { add as addProgram } from './programs.ts';

const zeros = (rows: number) => float32([rows, 4], new Float32Array(rows * 4)); // 16 bytes a row
const forecast = (weightBytes: number, scratchBytes: number, mappedBytes = 0): Forecaster => ({
  weightBytes, mappedBytes, of: (feeds) => ({ outputs: { sum: { dtype: 'float32', shape: feeds['x']!.shape } }, flops: 0, readBytes: 0, scratchBytes: scratchBytes * feeds['x']!.shape[0]! }),
});

let device: Device;
beforeEach(() => {
  device = budgeted(lazyDevice('cpu:0', () => openProcessDevice({ name: 'cpu:0', provider: 'cpu' })), 160);
});
afterEach(() => device.close());

const add = (of: Forecaster) => ({ ...addProgram, forecast: of });

describe('a budget of 160 bytes', () => {
  test('values that do not fit are refused; freed ones make room', async () => {
    const first = await device.write(zeros(8));
    await expect(device.write(zeros(4))).rejects.toThrow('cpu:0 may use 160 bytes and holds 0 bytes of weights and 128 bytes of values: the 64 bytes for values float32 [4, 4] do not fit');
    await device.free([first]);
    await device.free([await device.write(zeros(9))]);
  });

  test('weights that do not fit are refused, those that stay in their file do not count', async () => {
    await expect(device.load(add(forecast(320, 0)))).rejects.toMatchObject({ name: 'OutOfBudgetError', device: 'cpu:0', message: expect.stringContaining('320 bytes to load add') as string });
    const session = await device.load(add(forecast(320, 0, 310)));
    const other = await device.load(add(forecast(140, 0)));
    await expect(device.load(add(forecast(140, 0)))).rejects.toThrow('holds 150 bytes of weights');
    await device.free([other]);
    await device.free([session, await device.load(add(forecast(140, 0)))]);
  });

  test('a run whose work would not fit is refused before it begins, and a smaller one runs', async () => {
    const session = await device.load(add(forecast(16, 16)));
    const [small, large] = [await device.write(zeros(1)), await device.write(zeros(3))];
    await expect(device.run(session, { x: { handle: large }, y: { handle: large } }, { sum: 'handle' })).rejects.toThrow('the 96 bytes at work in add do not fit');
    const { sum } = await device.run(session, { x: { handle: small }, y: { handle: small } }, { sum: 'handle' });
    expect((await device.read(sum as Handle)).shape).toEqual([1, 4]);
  });
});

test('a lazy device hands its tensors to another without the host', async () => {
  const open = (name: string) => budgeted(lazyDevice(name, () => openProcessDevice({ name, provider: 'cpu' })), 1e6);
  const [from, to] = [open('cpu:0'), open('cpu:1')];
  expect(isPort(from) && isPort(to)).toBe(true);
  const { handle, bytes } = await move(await from.write(float32([2], [1, 2])), from, to);
  expect({ bytes, data: [...(await to.read(handle)).data] }).toEqual({ bytes: 8, data: [1, 2] });
  await Promise.all([from.close(), to.close()]);
});
