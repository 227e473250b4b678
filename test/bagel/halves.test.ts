// Understanding loads the understanding expert alone; it says the same as with the whole model, and a drawing with the same model takes the whole in its place.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Device } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { emptyContext, type Work } from '../../nodes/bagel/context.ts';
import { denoise } from '../../nodes/bagel/denoise.ts';
import { readTokens, unpackLatent } from '../../nodes/bagel/encode.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import { packedSize } from '../../nodes/bagel/model/parts.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { float32 } from '../../engine/tensor/tensor.ts';

let device: Device;
const loaded: string[] = [];
beforeAll(async () => {
  const own = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 1 });
  device = Object.assign(Object.create(Object.prototype) as Device, {
    name: own.name, get epoch() { return own.epoch; },
    load: (program: Parameters<Device['load']>[0]) => { loaded.push(program.name); return own.load(program); },
    run: own.run.bind(own), write: own.write.bind(own), read: own.read.bind(own), free: own.free.bind(own), stats: own.stats.bind(own), holds: own.holds.bind(own), close: own.close.bind(own),
  });
});
afterAll(() => device.close());

const open = async (onlyReads: boolean) => new BagelModel(await openModelFolder('models/bagel-demo'), { expandWeights: true, onlyReads });
const work = (): Work => ({ device, count: () => undefined });

async function answer(model: BagelModel): Promise<number[]> {
  const context = await readTokens(emptyContext(model), [10, 11, 12, 13], work());
  const tokens: number[] = [];
  for await (const token of generateTokens(context, { maxTokens: 12, seed: 0n }, work())) tokens.push(token);
  return tokens;
}

async function draw(model: BagelModel): Promise<number> {
  const noise = await unpackLatent(model, float32([16, packedSize(model.config)], new Float32Array(16 * packedSize(model.config)).fill(0.5)), { width: 64, height: 64 }, work());
  const empty = emptyContext(model);
  const options = { timesteps: 3, timestepShift: 3, cfgText: 1, cfgImage: 1, cfgInterval: [0, 1], renormType: 'global', renormMin: 0, taylorSeer: false } as const;
  const steps = denoise(model, { conditional: empty, text: empty, image: empty }, noise, options, work());
  let next = await steps.next();
  while (next.done !== true) next = await steps.next();
  return Number((await device.read(next.value.handle)).data[0]);
}

test('half the model says what the whole one says; drawing loads the whole and lets go of the half', async () => {
  const half = await open(true);
  const said = await answer(half);
  expect(loaded.filter((name) => name.startsWith('llm'))).toEqual(half.cuts.llm.map((_, i) => `llm:${i}:und`));
  const sessions = (await device.stats()).sessions;
  const drawn = await draw(half);
  expect(loaded.filter((name) => name.startsWith('llm'))).toEqual([...half.cuts.llm.map((_, i) => `llm:${i}:und`), ...half.cuts.llm.map((_, i) => `llm:${i}`)]);
  const drawingParts = new Set(loaded).size - sessions;
  expect((await device.stats()).sessions).toBe(sessions + drawingParts - half.cuts.llm.length); // the halves are gone

  const whole = await open(false);
  expect(said.length).toBeGreaterThan(0);
  expect(await answer(whole)).toEqual(said);
  expect(await answer(half)).toEqual(said);
  expect(await draw(whole)).toBe(drawn);
});
