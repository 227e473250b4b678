// A quantised model that is loaded twice, placed in two ways, holds its packed weights once, and as long as one of both lives.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { sharing } from '../../engine/device/sharing.ts';
import { Lifetime } from '../../engine/exec/lifetime.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { onOneDevice, type Placement } from '../../nodes/bagel/placement.ts';
import { BAGEL_MODEL } from '../../nodes/bagel/types.ts';
import { openImported } from '../../nodes/bagel/weights/imported.ts';
import { formats } from '../../nodes/bagel/weights/layout.ts';
import { writeSyntheticImport } from '../bench/full-checkpoint.ts';
import { backends } from '../device/backends.ts';
import { configOf } from '../support/model-folder.ts';

const directory = await mkdtemp(path.join(tmpdir(), 'bagelgraph-shared-'));
// 2 layers of 2 experts of 19 million weights, so many that each is a part under every placement
const config = configOf({ hidden: 1024, ffn: 5632, layers: 2, heads: 8, kvHeads: 2, vocab: 2048 });
beforeAll(() => writeSyntheticImport(directory, config, 'int8', formats.int8, () => undefined));
afterAll(() => rm(directory, { recursive: true }));
const opened: Device[] = [];
afterEach(async () => { await Promise.all(opened.splice(0).map((device) => device.close())); });

const split: Placement = { strategy: 'split layers', devices: ['cpu:0', 'cpu:1'] };

describe.each(backends)('$title', ({ backend }) => {
  async function load(device: Device, placement: Placement): Promise<BagelModel> {
    const model = new BagelModel(await openImported(directory), { expandWeights: true, placement });
    for (const index of model.cuts.llm.keys()) await model.session(device, `llm:${index}`);
    return model;
  }
  async function open(): Promise<Device> {
    const device = sharing(await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend }));
    opened.push(device);
    return device;
  }
  const anonymous = async (device: Device) => (await device.stats()).memory?.anonymous ?? 0;

  test('the same parts under another placement take no more memory, and outlive the first', async () => {
    const device = await open();
    const lifetime = new Lifetime(new Map([['cpu:0', device]]));
    const before = await anonymous(device);
    const parallel = await load(device, { strategy: 'parallel branches', devices: ['cpu:0', 'cpu:1'] });
    const once = await anonymous(device) - before;
    const second = await load(device, split);
    expect(second.cuts).toEqual(parallel.cuts);
    expect((await device.stats()).sessions).toBe(2);
    if (process.platform === 'linux') {
      expect(once).toBeGreaterThan(60e6);
      expect(await anonymous(device) - before - once).toBeLessThan(once / 10);
    }
    const [a, b] = [parallel, second].map((model) => lifetime.carriersOf(model, BAGEL_MODEL));
    lifetime.retain(a!);
    lifetime.retain(b!);
    lifetime.release(a!);
    await lifetime.flush();
    expect(second.held().every((session) => device.holds(session))).toBe(true);
    lifetime.release(b!);
    await lifetime.flush();
    expect((await device.stats()).sessions).toBe(0);
  });

  test('parts that are cut otherwise are others', async () => {
    const device = await open();
    await load(device, split);
    const whole = await load(device, onOneDevice);
    expect([whole.cuts.llm.length, (await device.stats()).sessions]).toEqual([1, 3]);
  });
});
