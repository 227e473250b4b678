// Weights are held once on a device, also by two models of one folder, and a model that a budget has no room for is read from its file in every pass.
// What the worker's own memory says; bounds are wide.
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { budgeted } from '../../../engine/device/budget.ts';
import type { Device, DeviceStats } from '../../../engine/device/device.ts';
import { openProcessDevice } from '../../../engine/device/process.ts';
import { BagelModel } from '../../../nodes/bagel/bagel-model.ts';
import { choosePlacement } from '../../../nodes/bagel/choose-placement.ts';
import { emptyContext } from '../../../nodes/bagel/context.ts';
import { readTokens } from '../../../nodes/bagel/encode.ts';
import { generateTokens } from '../../../nodes/bagel/generate-text.ts';
import { modelBytes, wholeBytes } from '../../../nodes/bagel/model-bytes.ts';
import { importModel } from '../../../nodes/bagel/weights/import.ts';
import { openModel, openSource } from '../../../nodes/bagel/weights/installed.ts';
import type { Precision } from '../../../nodes/bagel/weights/layout.ts';
import { writeModelFolder } from '../../support/model-folder.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-held-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function imported(source: string, name: string, precision: Precision): Promise<string> {
  const to = path.join(directory, name);
  await importModel(await openSource(source), { to, format: name, precision, threads: availableParallelism(), signal: new AbortController().signal, progress: () => undefined });
  return to;
}

/** Reads a text and writes a few words: every weight of the understanding expert is used. */
async function answer(model: BagelModel, device: Device): Promise<number[]> {
  const work = { device, count: () => undefined };
  const context = await readTokens(emptyContext(model), [10, 11, 12, 13], work);
  const tokens: number[] = [];
  for await (const token of generateTokens(context, { maxTokens: 6, seed: 0n }, work)) tokens.push(token);
  return tokens;
}

/** Bytes of the layers' weights that reading uses. */
function readBytes(model: BagelModel): number {
  return model.cuts.llm.flatMap((_, i) => model.part(`llm:${i}`).weights).filter(({ key }) => !key.includes('moe_gen')).reduce((sum, { bytes }) => sum + bytes, 0);
}

const memoryOf = async (device: Device): Promise<NonNullable<DeviceStats['memory']>> => (await device.stats()).memory!;

describe.runIf(process.platform === 'linux')('two models of one folder on one device', () => {
  test('the demo model as float32: the second shares the pages of the first', async () => {
    const folder = await imported('models/bagel-demo', 'demo-float32', { und: 'float32', gen: 'float32' });
    const [first, second] = [new BagelModel(await openModel(folder), { expandWeights: true }), new BagelModel(await openModel(folder), { expandWeights: true })];
    const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 1 });
    try {
      const other = new BagelModel(await openModel('models/bagel-demo'), { expandWeights: true });
      await answer(other, device); // the runtime's own pages, and room for values
      const before = await memoryOf(device);
      const said = await answer(first, device);
      const once = await memoryOf(device);
      expect(await answer(second, device)).toEqual(said);
      const twice = await memoryOf(device);
      const bytes = readBytes(first);
      const pages = ({ proportional, anonymous }: typeof once) => proportional - anonymous; // of files, those mapped twice counted once
      expect((pages(once) - pages(before)) / bytes).toBeGreaterThan(0.8); // it is there
      expect((twice.file - once.file) / bytes).toBeGreaterThan(0.8); // mapped again …
      expect((twice.shared - once.shared) / bytes).toBeGreaterThan(0.8);
      expect((pages(twice) - pages(once)) / bytes).toBeLessThan(0.3); // … and held once
    } finally {
      await device.close();
    }
  });
});

describe.runIf(process.platform === 'linux')('a bfloat16 model on a device with room for half of it', () => {
  const source = path.join(directory, 'source');
  beforeAll(async () => {
    await writeModelFolder(source, { hidden: 512, ffn: 2752, layers: 4, heads: 8, kvHeads: 2 });
    await copyFile('models/bagel-demo/tokenizer.json', path.join(source, 'tokenizer.json'));
  });

  test('is streamed from its file, and says what it says expanded', async () => {
    const folder = await openModel(await imported(source, 'bf16', { und: 'bf16', gen: 'bf16' }));
    const sizes = { expanded: wholeBytes(modelBytes(folder, 'expanded')), mapped: wholeBytes(modelBytes(folder, 'mapped')) };
    const budgetBytes = sizes.expanded / 2;
    const room = { strategy: 'auto', rooms: [{ name: 'cpu:0', budgetBytes }] } as const;
    const { expandWeights } = choosePlacement('model', room, (expand) => modelBytes(folder, expand ? 'expanded' : 'mapped'));
    expect(expandWeights).toBe(false);

    const own = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 1 });
    const small = budgeted(own, budgetBytes);
    try {
      const expanded = new BagelModel(folder, { expandWeights: true });
      await expect((async () => { for (const i of expanded.cuts.llm.keys()) await expanded.session(small, `llm:${i}`); })()).rejects.toThrow(/may use .* do not fit/);
      await small.free(expanded.held());
      const before = await memoryOf(small);
      const streamed = new BagelModel(folder, { expandWeights: false });
      const said = await answer(streamed, small);
      const after = await memoryOf(small);
      expect(after.anonymous - before.anonymous).toBeLessThan(budgetBytes);
      expect((after.file - before.file) / readBytes(streamed)).toBeGreaterThan(0.8);
      await own.free(streamed.held());
      expect(await answer(new BagelModel(folder, { expandWeights: true }), own)).toEqual(said);
    } finally {
      await own.close();
    }
  });
});
