// Every tensor of the reference's golden folders, recomputed by our engine in a real worker process. `nano` came with the project;
// `odd` was dumped the same way for shapes nothing else has: one layer, head size 6, latent patch 3, 8 latent channels, float32, a palette picture with transparency.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { Device } from '../../engine/device/device.ts';
import { verifyFolder } from '../../nodes/bagel/verify/golden-folder.ts';
import type { Verdict } from '../../nodes/bagel/verify/compare.ts';
import { goldenPath } from '../support/golden.ts';

describe.each([['nano', 60], ['odd', 43]])('%s', (folder, keys) => {
  let device: Device;
  const verdicts: Verdict[] = [];

  beforeAll(async () => {
    device = await openProcessDevice({ name: 'cpu:0', threads: 2, provider: 'cpu' });
    for await (const verdict of verifyFolder(goldenPath(folder), device, new AbortController().signal)) verdicts.push(verdict);
  });
  afterAll(() => device.close());

  test('every key is within its tolerance', () => {
    expect(verdicts.filter((verdict) => !verdict.passed)).toEqual([]);
    expect(verdicts).toHaveLength(keys);
  });

  test('the whole way from source.png is among them', () => {
    expect(verdicts.map((verdict) => verdict.key)).toContain('edit_channel.rgb from source.png');
  });

  test('nothing is left on the device but what contexts hold', async () => {
    const { handles } = await device.stats();
    expect(handles.bytes).toBeLessThan(64 * 1024 * 1024);
  });
});
