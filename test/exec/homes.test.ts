// Runs that overlap are spread over the devices; one after another they are all at home on the first.
import { expect, test } from 'vitest';
import { memoryDevice } from '../../engine/device/memory.ts';
import { Homes } from '../../engine/exec/homes.ts';

const homes = () => new Homes(new Map(['cpu:0', 'cpu:1'].map((name) => [name, memoryDevice({}, { name })])));
const first = (devices: ReadonlyMap<string, unknown>) => [...devices.keys()];

test('two at once are on two devices, and each sees all', () => {
  const spread = homes();
  const [a, b, c] = [spread.enter(), spread.enter(), spread.enter()];
  expect([a, b, c].map(({ devices }) => first(devices))).toEqual([['cpu:0', 'cpu:1'], ['cpu:1', 'cpu:0'], ['cpu:0', 'cpu:1']]);
  b.leave();
  expect(first(spread.enter().devices)[0]).toBe('cpu:1');
});

test('one after another they are on the first', () => {
  const spread = homes();
  for (let i = 0; i < 3; i++) {
    const home = spread.enter();
    expect(first(home.devices)[0]).toBe('cpu:0');
    home.leave();
  }
});

test('without devices there is no home', () => {
  expect([...new Homes(new Map()).enter().devices]).toEqual([]);
});
