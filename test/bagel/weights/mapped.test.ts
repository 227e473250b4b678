// What an imported model takes on a device: each weight is held once, as packed memory or as pages of its file. Bounds are wide. And what the demo model draws in each format.
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '../../../engine/device/device.ts';
import { openProcessDevice } from '../../../engine/device/process.ts';
import { refsOf } from '../../../engine/onnx/ops.ts';
import { BagelModel } from '../../../nodes/bagel/bagel-model.ts';
import { distance, make, type Drawing, type Made } from '../../../nodes/bagel/verify/compare-models.ts';
import { importModel } from '../../../nodes/bagel/weights/import.ts';
import { openModel, openSource } from '../../../nodes/bagel/weights/installed.ts';
import { formats, type Precision } from '../../../nodes/bagel/weights/layout.ts';
import { writeModelFolder } from '../../support/model-folder.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-mapped-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function imported(source: string, name: string, precision: Precision): Promise<string> {
  const to = path.join(directory, name);
  await importModel(await openSource(source), { to, format: name, precision, threads: availableParallelism(), signal: new AbortController().signal, progress: () => undefined });
  return to;
}

describe.runIf(process.platform === 'linux')('memory of the layers of an imported model', () => {
  const source = path.join(directory, 'source');
  beforeAll(async () => {
    await writeModelFolder(source, { hidden: 512, ffn: 2752, layers: 2, heads: 8, kvHeads: 2 });
    await copyFile('models/bagel-demo/tokenizer.json', path.join(source, 'tokenizer.json'));
  });

  /** What loading all layers adds to the memory of a worker, as parts of their bytes. */
  async function growth(name: string, precision: Precision): Promise<{ anonymous: number; file: number }> {
    const model = new BagelModel(await openModel(await imported(source, name, precision)), { expandWeights: true });
    const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 1 });
    try {
      await model.session(device, 'step'); // the runtime's own pages
      const before = (await device.stats()).memory!;
      let bytes = 0;
      for (const i of model.cuts.llm.keys()) {
        await model.session(device, `llm:${i}`);
        bytes += model.part(`llm:${i}`).weights.reduce((sum, ref) => sum + ref.bytes, 0);
      }
      const after = (await device.stats()).memory!;
      return { anonymous: (after.anonymous - before.anonymous) / bytes, file: (after.file - before.file) / bytes };
    } finally {
      await device.close();
    }
  }

  test.each([['int8', formats.int8], ['int4', formats.int4]] as const)('%s: packed once, and no page of the file beside it', async (name, precision) => {
    const { anonymous, file } = await growth(`memory-${name}`, precision);
    expect(anonymous).toBeLessThan(1.7);
    expect(anonymous + file).toBeLessThan(1.9); // twice would be 2
  });
  test('float32: nothing but pages of the file', async () => {
    const { anonymous } = await growth('memory-float32', { und: 'float32', gen: 'float32' });
    expect(anonymous).toBeLessThan(0.3);
  });
});

describe('what the demo model draws', () => {
  const drawing: Drawing = { prompt: 'a large red circle on a blue background', seed: 7n, width: 128, height: 128, steps: 15, tokens: 8 };
  let device: Device;
  let expected: Made;
  beforeAll(async () => {
    device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 2 });
    expected = await make(await openModel('models/bagel-demo'), drawing, device, new AbortController().signal);
  });
  afterAll(() => device.close());

  test.each([['bf16', formats.bf16, 0.001, 0.0001], ['int8', formats.int8, 2, 0.05], ['int4', formats.int4, 2, 0.1]] as const)('%s', async (name, precision, picture, keys) => {
    const folder = await openModel(await imported('models/bagel-demo', `demo-${name}`, precision));
    const off = distance(expected, await make(folder, drawing, device, new AbortController().signal));
    expect(off.picture).toBeLessThan(picture);
    expect(off.keys).toBeLessThan(keys);
    expect(off.sameTokens).toBe(off.tokens);
    const bytes = [...folder.llm.values()].flatMap(refsOf).reduce((sum, ref) => sum + ref.bytes, 0);
    const original = [...(await openModel('models/bagel-demo')).llm.values()].flatMap(refsOf).reduce((sum, ref) => sum + ref.bytes, 0);
    expect(bytes / original).toBeLessThan(name === 'bf16' ? 1.0001 : name === 'int8' ? 0.65 : 0.55);
    expect((await device.stats()).sessions).toBe(0);
  });
});
