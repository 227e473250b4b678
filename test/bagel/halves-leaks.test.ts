// Halves are let go of on the device they lie on, and when reading a token failed while they were loaded.
import { expect, test } from 'vitest';
import { openProcessDevice } from '../../engine/device/process.ts';
import { memoryDevice } from '../../engine/device/memory.ts';
import type { Device } from '../../engine/device/device.ts';
import { forward } from '../../engine/device/forward.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { claimRows, emptyContext } from '../../nodes/bagel/context.ts';
import { Halves } from '../../nodes/bagel/halves.ts';
import { openTokenReader } from '../../nodes/bagel/token-reader.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';

test('drawing on one device lets go of halves on another', async () => {
  const devices = ['memory:0', 'memory:1'].map((name) => memoryDevice({ half: () => ({}) }, { name }));
  const halves = new Halves(true);
  const sessions = await Promise.all(devices.map((device) => device.load({ name: 'half', bytes: new Uint8Array() })));
  await halves.enter(false);
  sessions.forEach((session, i) => { halves.keep(session, devices[i]!); });
  await halves.leave();
  await halves.enter(true);
  expect(devices.map((device, i) => device.holds(sessions[i]!))).toEqual([false, false]);
});

test('a token that failed while halves were loaded leaves none behind a drawing', async () => {
  const own = await openProcessDevice({ name: 'cpu:0', provider: 'cpu' });
  try {
    let fails = true;
    const device = Object.assign(forward(own), { load: (program: Parameters<Device['load']>[0]) => (fails && program.name === 'head' ? Promise.reject(new Error('no room')) : own.load(program)) });
    const work = { device, count: () => undefined };
    const model = new BagelModel(await openModelFolder('models/bagel-demo'), { expandWeights: true, onlyReads: true });
    const empty = emptyContext(model);
    const context = { ...empty, buffers: await claimRows(empty, 1, work) };
    const reader = await openTokenReader(model, work);
    await expect(reader.read(context, 10, 'token')).rejects.toThrow('no room');
    fails = false;
    await device.write({ dtype: 'float32', shape: [1] }); // behind every load that was still under way
    await model.halves.enter(true);
    expect((await device.stats()).sessions).toBe(1); // the embedding
  } finally {
    await own.close();
  }
});
