// The graph of every part of the nano model as text. A commit that says "no behaviour change" may not alter one;
// a commit that means to changes them with `npx vitest run -u test/bagel/parts.test.ts`.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpPart } from '../../engine/onnx/dump.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { openProcessDevice, type ProcessDevice } from '../../engine/device/process.ts';
import { renormTypes } from '../../nodes/bagel/model/guidance.ts';
import { buildPart, planCuts } from '../../nodes/bagel/model/parts.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { goldenPath } from '../support/golden.ts';

const folder = await openModelFolder(goldenPath('nano'));
const { config } = folder;
const cuts = planCuts(config);
const indexed = (name: string, spans: readonly unknown[]) => spans.map((_span, i) => `${name}:${i}`);
const names = [
  'embed', 'latent', ...indexed('llm', cuts.llm), 'flow', 'head', 'top', 'patches', ...indexed('vit', cuts.vit), ...indexed('encoder', cuts.encoder), 'posterior', ...indexed('decoder', cuts.decoder),
  'image', 'unpack', 'pack', ...renormTypes.flatMap((type) => [`guide:${type}:text`, `guide:${type}:both`]), 'step', `copy:${config.llm.headDim}`, 'combine', 'stack', 'unstack',
];
const build = (name: string) => buildPart(name, config, { llm: folder.llm, vae: folder.vae }, cuts);
const fileOf = (name: string) => `${name.replaceAll(':', '-')}.txt`;

describe('parts of the nano model', () => {
  let device: ProcessDevice;
  beforeAll(async () => { device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu' }); });
  afterAll(() => device.close());

  test.each(names)('%s', async (name) => {
    const part = build(name);
    await expect(`${dumpPart(part)}\n`).toMatchFileSnapshot(`__snapshots__/nano/${fileOf(name)}`);
    // ONNX Runtime checks types and shapes of the whole graph when it loads it
    await device.free([await device.load({ name, bytes: encodeModel(part) })]);
  });

  test('no text is left of a part that is gone', () => {
    expect(readdirSync(fileURLToPath(new URL('__snapshots__/nano', import.meta.url))).sort()).toEqual(names.map(fileOf).sort());
  });

  test('an unknown part is refused by name', () => expect(() => build('llm2')).toThrow('no part is called llm2'));
});
