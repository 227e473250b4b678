// Every tensor of the reference's golden folder, recomputed by our engine in a real worker process.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { Device } from '../../engine/device/device.ts';
import { verifyFolder } from '../../nodes/bagel/verify/golden-folder.ts';
import type { Verdict } from '../../nodes/bagel/verify/compare.ts';
import { goldenPath } from '../support/golden.ts';

describe('nano', () => {
  let device: Device;
  const verdicts: Verdict[] = [];

  beforeAll(async () => {
    device = await openProcessDevice({ name: 'cpu:0', threads: 2, provider: 'cpu' });
    for await (const verdict of verifyFolder(goldenPath('nano'), device, new AbortController().signal)) verdicts.push(verdict);
  });
  afterAll(() => device.close());

  test('every key is within its tolerance', () => {
    expect(verdicts.filter((verdict) => !verdict.passed)).toEqual([]);
    expect(verdicts.length).toBeGreaterThanOrEqual(60);
  });

  test('the whole way from source.png is among them', () => {
    expect(verdicts.map((verdict) => verdict.key)).toContain('edit_global.rgb from source.png');
  });

  test('nothing is left on the device but what contexts hold', async () => {
    const { handles } = await device.stats();
    expect(handles.bytes).toBeLessThan(64 * 1024 * 1024);
  });
});
