// Programs of equal keys are one session, and loaded again once it is gone.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Device } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { sharing } from '../../engine/device/sharing.ts';
import { add, append } from './programs.ts';

let device: Device;
beforeEach(async () => { device = sharing(await openProcessDevice({ name: 'cpu:0', provider: 'cpu' })); });
afterEach(() => device.close());

const keyed = { ...add, key: 'model 1 add' };
const count = async () => (await device.stats()).sessions;

test('equal keys share a session, also while it loads; other keys and none do not', async () => {
  const [first, second] = await Promise.all([device.load(keyed), device.load(keyed)]);
  expect(second).toBe(first);
  expect(await device.load(keyed)).toBe(first);
  expect(await count()).toBe(1);
  await device.load({ ...add, key: 'model 2 add' });
  await device.load(add);
  await device.load(add);
  expect(await count()).toBe(4);
});

test('a session that was freed is loaded again, once', async () => {
  const first = await device.load(keyed);
  await device.free([first]);
  const [second, third] = await Promise.all([device.load(keyed), device.load(keyed)]);
  expect(second.id).not.toBe(first.id);
  expect(third).toBe(second);
  expect([await count(), device.holds(second)]).toEqual([1, true]);
});

test('a load that fails is tried again by the next', async () => {
  const broken = { name: 'broken', key: 'one', bytes: new Uint8Array([1, 2, 3]) };
  await expect(Promise.all([device.load(broken), device.load(broken)])).rejects.toThrow('broken');
  const made = await device.load({ ...append, key: 'one' });
  expect(device.holds(made)).toBe(true);
});
