// What of an imported model takes memory that the system cannot take back, as plans foresee it, beside what its worker really has.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DryDevice } from '../../../engine/device/dry.ts';
import { openProcessDevice } from '../../../engine/device/process.ts';
import { BagelModel } from '../../../nodes/bagel/bagel-model.ts';
import { modelBytes, wholeBytes } from '../../../nodes/bagel/model-bytes.ts';
import { openImported } from '../../../nodes/bagel/weights/imported.ts';
import { formats } from '../../../nodes/bagel/weights/layout.ts';
import { writeSyntheticImport } from '../../bench/full-checkpoint.ts';
import { describeNative } from '../../device/backends.ts';
import { configOf } from '../../support/model-folder.ts';

const directory = await mkdtemp(path.join(tmpdir(), 'bagelgraph-resident-'));
afterAll(() => rm(directory, { recursive: true }));

describeNative('an imported model on the native backend', () => {
  test.runIf(process.platform === 'linux')('takes what is planned: packed layers with their scales, and the autoencoder though it is mapped; no table', async () => {
    const config = configOf({ hidden: 1024, ffn: 5632, layers: 2, heads: 8, kvHeads: 2, vocab: 8192, vae: { ch: 128, chMult: [1, 2, 2], resBlocks: 2 } });
    await writeSyntheticImport(directory, config, 'int4', formats.int4, () => undefined);
    const folder = await openImported(directory);
    const [model, planned] = [new BagelModel(folder, { expandWeights: true }), new BagelModel(folder, { expandWeights: true })];
    const counted = (kind: 'llm' | 'encoder' | 'decoder') => [...model.cuts[kind].keys()].map((i) => `${kind}:${i}`);
    const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend: 'native' });
    try {
      const anonymous = async () => (await device.stats()).memory!.anonymous;
      const ratioOf = async (parts: readonly string[]): Promise<{ ratio: number; bytes: number }> => {
        const dry = new DryDevice('cpu:0');
        const before = await anonymous();
        for (const part of parts) {
          await model.session(device, part);
          await planned.session(dry, part);
        }
        return { ratio: (await anonymous() - before) / dry.neededBytes, bytes: dry.neededBytes };
      };
      await device.free([await device.write({ dtype: 'float32', shape: [1] })]);
      const autoencoder = await ratioOf([...counted('encoder'), ...counted('decoder')]);
      const layers = await ratioOf([...counted('llm'), 'head']);
      for (const { ratio } of [autoencoder, layers]) {
        expect(ratio).toBeGreaterThan(0.9);
        expect(ratio).toBeLessThan(1.15);
      }
      // a placement is chosen by the same sum and that of some small parts, from the headers alone
      const whole = wholeBytes(modelBytes(folder, 'expanded')) / (autoencoder.bytes + layers.bytes);
      expect(whole).toBeGreaterThan(1);
      expect(whole).toBeLessThan(1.12);
    } finally {
      await device.close();
    }
  });
});
