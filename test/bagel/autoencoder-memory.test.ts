// What the autoencoder has in memory at its peak, as plans foresee it, beside what a worker really has.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Device, Handle } from '../../engine/device/device.ts';
import { DryDevice } from '../../engine/device/dry.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { pixels } from '../../engine/image/pixels.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { decodeLatent, encodeMoments } from '../../nodes/bagel/encode.ts';
import { autoencoderPeakBytes, scratchOfAll } from '../../nodes/bagel/model/forecast.ts';
import { openModelFolder, type ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { describeNative } from '../device/backends.ts';
import { writeModelFolder } from '../support/model-folder.ts';

const side = 512;
const directory = await mkdtemp(path.join(tmpdir(), 'bagelgraph-autoencoder-'));
let folder: ModelFolder;
beforeAll(async () => {
  // few channels, so that the values of the picture's size are nearly all there is; cut for large pictures, so that each stage is a part, as in the real model
  await writeModelFolder(directory, { vae: { ch: 32, chMult: [1, 2, 4], resBlocks: 1 }, vaeImage: { max_size: 4096, min_size: 256, stride: 16 } });
  folder = await openModelFolder(directory);
});
afterAll(() => rm(directory, { recursive: true }));

const decoding = async (device: Device, model: BagelModel): Promise<void> => {
  const { zChannels, downsample } = model.config.vae;
  const latent: Handle = await device.write({ dtype: 'float32', shape: [1, zChannels, side / downsample, side / downsample] });
  await decodeLatent(model, { handle: latent, width: side, height: side }, { device, count: () => undefined });
  await device.free([latent]);
};
const encoding = async (device: Device, model: BagelModel): Promise<void> => {
  await device.free([await encodeMoments(model, pixels(side, side, 3, new Uint8Array(side * side * 3).fill(99)), { device, count: () => undefined })]);
};

test('its parts are large enough to share their scratch, so that stages give theirs back', () => {
  const model = new BagelModel(folder, { expandWeights: true });
  expect(scratchOfAll(model.config, model.cuts)).toBeGreaterThan(1e9);
});

test('the FLUX autoencoder at 1024 × 1024: three values of 256 channels, of 1.07 GB each', () => {
  const flux = { ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16, scale: 1, shift: 0 };
  expect(autoencoderPeakBytes(flux, 1024 ** 2)).toBe(3 * 256 * 1024 ** 2 * 4);
});

// onnxruntime-node's values are JavaScript's, which takes its time to collect them
describeNative('on the native backend', () => {
  test.runIf(process.platform === 'linux').each([['decoding', decoding], ['encoding', encoding]])('%s takes the memory that is planned', async (_name, work) => {
    const dry = new DryDevice('cpu:0');
    await work(dry, new BagelModel(folder, { expandWeights: true }));
    const weights = [...dry.tallies.values()].reduce((sum, { residentBytes }) => sum + residentBytes, 0);
    const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend: 'native', threads: 1 });
    try {
      const model = new BagelModel(folder, { expandWeights: true });
      for (const name of dry.tallies.keys()) await model.session(device, name);
      const { pid } = await device.stats();
      const status = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
      const before = status('VmRSS');
      writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the peak begins anew
      await work(device, model);
      const ratio = (status('VmHWM') - before) / (dry.neededBytes - weights);
      expect(ratio).toBeGreaterThan(0.85);
      expect(ratio).toBeLessThan(1.2);
    } finally {
      await device.close();
    }
  });
});
