// How much of two devices denoising uses, on a clock that is only reckoned: branches on replicas, layers split and pipelined, prompts spread.
// The host's code runs as it is; only the devices compute nothing, each run taking what its forecast says.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Clock } from '../../engine/device/clock.ts';
import { DryDevice } from '../../engine/device/dry.ts';
import { float32 } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { claimRows, emptyContext, type Work } from '../../nodes/bagel/context.ts';
import { denoise, type Contexts, type DenoiseOptions } from '../../nodes/bagel/denoise.ts';
import { unpackLatent } from '../../nodes/bagel/encode.ts';
import { packedSize } from '../../nodes/bagel/model/parts.ts';
import { placedWork, type Placement, type Strategy } from '../../nodes/bagel/placement.ts';
import { openModelFolder, type ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { writeModelFolder } from '../support/model-folder.ts';

const names = ['cpu:0', 'cpu:1'];
const size = { width: 128, height: 128 };
const two: DenoiseOptions = { timesteps: 5, timestepShift: 3, cfgText: 4, cfgImage: 1, cfgInterval: [0, 1], renormType: 'global', renormMin: 0, taylorSeer: false };
const three: DenoiseOptions = { ...two, cfgImage: 2 };
const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-overlap-'));
let folder: ModelFolder;

beforeAll(async () => {
  await writeModelFolder(directory, { dtype: 'float32', hidden: 64, ffn: 256, layers: 8, heads: 4, kvHeads: 2, vocab: 300, maxLatentSize: 32 });
  folder = await openModelFolder(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Seconds on the clock of one or more drawings that begin together, each at home on the next device. */
async function secondsOf(strategy: Strategy, options: DenoiseOptions, drawings = 1, spread = 0, told: { seconds: number; step: number }[] = []): Promise<number> {
  const clock = new Clock();
  const devices = new Map(names.map((name) => [name, new DryDevice(name, { pace: { clock, flops: 1e9, bytes: 1e12, transferBytes: 1e10 } })]));
  const model = new BagelModel(folder, { expandWeights: true, placement: { strategy, devices: names } satisfies Placement });
  const draw = async (home: string) => {
    const work: Work = placedWork({ device: devices.get(home)!, count: () => undefined }, model.placement, model.cuts, devices);
    const of = async (key: string, length: number) => {
      const empty = emptyContext(model);
      return { ...empty, length, rope: length, key: `${home} ${key}`, buffers: await claimRows(empty, length, work) };
    };
    const contexts: Contexts = { conditional: await of('conditional', 64), text: await of('text', 32), image: await of('image', 48) };
    const noise = await unpackLatent(model, float32([64, packedSize(model.config)], new Float32Array(64 * packedSize(model.config))), size, work);
    let step = 0;
    const began = clock.now;
    const expected = (seconds: number) => { told.push({ seconds: began + seconds, step }); };
    const steps = denoise(model, contexts, noise, options, { ...work, expect: ({ seconds, autoencoderSeconds }) => expected(seconds - autoencoderSeconds) });
    for (let next = await steps.next(); next.done !== true; step++) next = await steps.next();
  };
  await Promise.all(Array.from({ length: drawings }, (_, i) => draw(names[i * spread % names.length]!)));
  return clock.now;
}

test.each([
  ['two branches on two replicas', 'parallel branches', two, 2],
  ['three branches on two replicas: the third is shared', 'parallel branches', three, 2],
  ['layers split, two branches', 'split layers', two, 4 / 3],
  ['layers split, three branches', 'split layers', three, 3 / 2],
] as const)('%s', async (_title, strategy, options, ideal) => {
  const gain = (await secondsOf('one device', options)) / (await secondsOf(strategy, options));
  expect(gain / ideal).toBeGreaterThan(0.9);
  expect(gain / ideal).toBeLessThan(1.05);
});

test.each([
  ['through split layers', 'split layers', 0],
  ['each on its own replica', 'one device', 1],
  ['over replicas that share branches', 'parallel branches', 1],
] as const)('two prompts %s', async (_title, strategy, spread) => {
  const gain = (2 * (await secondsOf('one device', two))) / (await secondsOf(strategy, two, 2, spread));
  expect(gain).toBeGreaterThan(1.75);
});

test('how long it takes is told once, before the first step is done', async () => {
  const told: { seconds: number; step: number }[] = [];
  await secondsOf('one device', three, 1, 0, told);
  expect(told).toEqual([{ seconds: expect.any(Number) as number, step: 0 }]);
});
