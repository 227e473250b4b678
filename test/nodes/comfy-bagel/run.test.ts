// ComfyUI-BAGEL's classes on the demo model through the whole engine: the reference's pictures and answers, old and new nodes alike.
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { promptOf, readWorkflowFile } from '../../../engine/cli/workflow.ts';
import { openProcessDevice } from '../../../engine/device/process.ts';
import type { Device } from '../../../engine/device/device.ts';
import { createEngine, type Engine, type RunResult } from '../../../engine/exec/engine.ts';
import { openFiles } from '../../../engine/exec/files.ts';
import { parsePrompt, toGraph, withInput, type ApiPrompt } from '../../../engine/formats/api.ts';
import { jsonOf, type Json } from '../../../engine/formats/json.ts';
import { createRegistry } from '../../../engine/graph/registry.ts';
import { decode } from '../../../engine/image/decode.ts';
import { openSafetensors, readEntry, writeSafetensors } from '../../../engine/tensor/safetensors.ts';
import { nodes as bagelNodes } from '../../../nodes/bagel/index.ts';
import { nodes as comfyNodes } from '../../../nodes/comfy-bagel/index.ts';
import { nodes as coreNodes } from '../../../nodes/core/index.ts';
import { goldenPath } from '../../support/golden.ts';
import { singleFileMetadata } from '../../support/single-file.ts';

const registry = createRegistry([{ name: 'core', nodes: coreNodes }, { name: 'bagel', nodes: bagelNodes }, { name: 'comfy-bagel', nodes: comfyNodes }]);
const models = fileURLToPath(new URL('../../../models', import.meta.url));
const demo = path.join(models, 'bagel-demo');
let output: string;
let device: Device;

beforeAll(async () => {
  output = await mkdtemp(path.join(tmpdir(), 'comfy-bagel-'));
  device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 2 });
});
afterAll(async () => {
  await device.close();
  await rm(output, { recursive: true });
});

/** An engine over golden pictures of the demo model. */
function engineWith(roots: readonly string[] = [models]): Engine & { readonly files: ReturnType<typeof openFiles> } {
  const files = openFiles({ input: goldenPath('demo'), output, temp: output, models: roots });
  return Object.assign(createEngine({ registry, devices: new Map([['cpu:0', device]]), files }), { files });
}

const entry = (type: string, inputs: object) => ({ class_type: type, inputs });

/** A run with the texts and picture files it showed. */
interface Made extends Omit<RunResult, 'texts'> {
  readonly texts: readonly string[];
  readonly files: readonly string[];
}

async function run(nodes: Record<string, object>, engine: Engine = engineWith()): Promise<Made> {
  return runPrompt(parsePrompt(jsonOf(nodes)), engine);
}

async function runPrompt(prompt: ApiPrompt, engine: Engine): Promise<Made> {
  const result = await engine.run(toGraph(prompt).graph);
  await engine.clear();
  const shown = [...result.outputs.values()].map(({ ui }) => ui as ReadonlyMap<string, Json>);
  const lists = (key: string) => shown.flatMap((ui) => (ui.get(key) ?? []) as readonly Json[]);
  return { ...result, texts: lists('text') as string[], files: lists('images').map((image) => path.join(output, (image as ReadonlyMap<string, Json>).get('filename') as string)) };
}

async function expectGolden(file: string, golden: string): Promise<void> {
  const [made, expected] = await Promise.all([decode(file), decode(goldenPath(`demo/${golden}`))]);
  expect([made.width, made.height]).toEqual([expected.width, expected.height]);
  const off = made.data.filter((value, i) => Math.abs(value - expected.data[i]!) > 2).length;
  expect(off / expected.data.length).toBeLessThanOrEqual(1e-3);
}

const loader = entry('BagelModelLoader', { model_path: 'bagel-demo', allow_auto_download: false, quantization_mode: 'BF16' });
const drawn = { model: ['m', 0], prompt: 'a large red circle on a blue background', seed: 1, image_ratio: '1:1', cfg_text_scale: 4, num_timesteps: 25, cfg_interval: 0, timestep_shift: 2 };
const edited = { model: ['m', 0], image: ['i', 0], prompt: 'make the circle blue', seed: 11, cfg_text_scale: 4, cfg_img_scale: 2, num_timesteps: 25, timestep_shift: 2 };
const quick = { num_timesteps: 10, cfg_text_scale: 1 };
const save = entry('SaveImage', { images: ['d', 0], filename_prefix: 'made' });
const show = (source: readonly [string, number]) => entry('ShowText|pysssss', { text: source });

describe('1.0 nodes', () => {
  test('draw the reference\'s picture', async () => {
    const { files, texts, notices, seed } = await run({ m: loader, d: entry('BagelTextToImage', drawn), s: save, t: show(['d', 1]) });
    await expectGolden(files[0]!, 'circle.png');
    expect([texts, notices, seed]).toEqual([[''], [], 1n]);
  });

  test('think as the reference does', async () => {
    const { files, texts } = await run({ m: loader, d: entry('BagelTextToImage', { ...drawn, prompt: 'draw the sun', seed: 3, show_thinking: true }), s: save, t: show(['d', 1]) });
    await expectGolden(files[0]!, 'sun.png');
    expect(texts).toEqual(['<think> The sun is a bright round disc in the blue sky, so I will draw a large yellow circle in the center on a blue background. </think> a large yellow circle in the center on a blue background']);
  });

  test('edit as the reference does', async () => {
    const { files } = await run({ m: loader, i: entry('LoadImage', { image: 'recolor-source.png' }), d: entry('BagelImageEdit', edited), s: save });
    await expectGolden(files[0]!, 'recolor.png');
  });

  test.each([[false, 'what-color-source.png', 'what color is the circle?', 'red'], [true, 'think-count-source.png', 'how many shapes are there?', '<think> I see a large blue circle on the left and a small red star on the right on a yellow background. </think> 2']])('answer as the reference does, thinking: %s', async (show_thinking, image, prompt, answer) => {
    const { texts } = await run({ m: loader, i: entry('LoadImage', { image }), d: entry('BagelImageUnderstanding', { model: ['m', 0], image: ['i', 0], prompt, show_thinking }), t: show(['d', 0]) });
    expect(texts).toEqual([answer]);
  });

  test.each([['16:9', 128, 80], ['3:4', 96, 128], ['9:16', 80, 128]])('%s is %i × %i: the long side is the model\'s own default', async (image_ratio, width, height) => {
    const { files, notices } = await run({ m: loader, d: entry('BagelTextToImage', { ...drawn, ...quick, image_ratio }), s: save });
    expect(await decode(files[0]!)).toMatchObject({ width, height });
    expect(notices).toEqual([]);
  });

  test('several pictures make one in the size of the last', async () => {
    const { files, failure } = await run({
      m: loader, i: entry('LoadImage', { image: 'recolor-source.png' }), j: entry('LoadImage', { image: 'wide.png' }),
      d: entry('BagelMultiImageEdit', { ...edited, ...quick, image: undefined, ref_image_1: ['i', 0], ref_image_2: ['i', 0], ref_image_3: ['j', 0] }), s: save,
    });
    expect(failure).toBeUndefined();
    expect(await decode(files[0]!)).toMatchObject({ width: 192, height: 128 });
  });

  test('of a batch the first picture is taken, as the original does', async () => {
    const batch = entry('ImageBatch', { image1: ['i', 0], image2: ['j', 0] });
    const { texts, notices } = await run({
      m: loader, i: entry('LoadImage', { image: 'what-color-source.png' }), j: entry('LoadImage', { image: 'caption-source.png' }), b: batch,
      d: entry('BagelImageUnderstanding', { model: ['m', 0], image: ['b', 0], prompt: 'what color is the circle?' }), t: show(['d', 0]),
    });
    expect([texts, notices]).toEqual([['red'], ['only the first of 2 pictures is used']]);
  });

  test('`local` is renormalisation per token', async () => {
    const fine = entry('Bagel.TextToImage', { ...drawn, image_ratio: undefined, cfg_text_scale: undefined, num_timesteps: undefined, cfg_interval: undefined, timestep_shift: undefined,
      width: 128, height: 128, steps: 10, shift: 2, cfg_text: 4, cfg_image: 1.5, cfg_start: 0, cfg_end: 1, renorm: 'channel', renorm_min: 0, taylorseer: false, think: false, max_tokens: 2, sample: false, temperature: 0.3 });
    const files = await Promise.all([entry('BagelTextToImage', { ...drawn, num_timesteps: 10, cfg_renorm_type: 'local' }), fine].map(async (d) => readPixels((await run({ m: loader, d, s: save })).files[0]!)));
    expect(files[0]).toEqual(files[1]);
  });
});

async function readPixels(file: string): Promise<Uint8Array> {
  return (await decode(file)).data;
}

describe('seeds', () => {
  test('0 is a random one, told and recorded, anew in each run', async () => {
    const engine = engineWith();
    const results = [];
    for (let i = 0; i < 2; i++) results.push(await engine.run(toGraph(parsePrompt(jsonOf({ m: loader, d: entry('BagelTextToImage', { ...drawn, ...quick, seed: 0 }), s: save }))).graph));
    await engine.clear();
    for (const { seed, notices } of results) {
      expect(seed).toBeGreaterThan(0n);
      expect(notices).toEqual([`seed 0 means a random one: ${seed} is used`]);
    }
    expect(results[0]!.seed).not.toBe(results[1]!.seed);
  });

  test('beyond the declared range run, and an equal one makes nothing again', async () => {
    const engine = engineWith();
    const graph = () => toGraph(parsePrompt(jsonOf({ m: loader, d: entry('BagelTextToImage', { ...drawn, ...quick, seed: 493218878032302n }), s: save }))).graph;
    expect(await engine.run(graph())).toMatchObject({ seed: 493218878032302n, failure: undefined, counts: { denoise: 9 } });
    expect((await engine.run(graph())).counts).toEqual({});
    await engine.clear();
  });

  test('from a linked primitive', async () => {
    const { seed, failure } = await run({ n: entry('PrimitiveInt', { value: 7 }), m: loader, d: entry('BagelTextToImage', { ...drawn, ...quick, seed: ['n', 0] }), s: save });
    expect([seed, failure]).toEqual([7n, undefined]);
  });
});

describe('loaders', () => {
  const understood = { i: entry('LoadImage', { image: 'what-color-source.png' }), d: entry('BagelImageUnderstanding', { model: ['m', 0], image: ['i', 0], prompt: 'what color is the circle?' }), t: show(['d', 0]) };

  test.each([
    [{ model_path: 'bagel-demo', allow_auto_download: true, quantization_mode: 'NF4' }, ['allow_auto_download has no effect: models are not downloaded', 'quantization_mode NF4 has no effect: the weights are used as they are stored']],
    [{ model_path: 'Yejy53/Echo-4o', allow_auto_download: 'BF16', quantization_mode: 'BF16' }, ['allow_auto_download is "BF16", which is neither true nor false: it is taken as false', 'the model "Yejy53/Echo-4o" is not installed: bagel-demo is used in its place']],
    [{ model_path: 'bagel-demo', allow_auto_download: 1, quantization_mode: 'BF16' }, ['allow_auto_download is 1, which is neither true nor false: it is taken as false']],
  ])('%j', async (inputs, expected) => {
    const { texts, notices } = await run({ m: entry('BagelModelLoader', inputs), ...understood });
    expect([texts, notices]).toEqual([['red'], expected]);
  });

  test('without an installed model nothing runs, and the problem says where to put one', async () => {
    const engine = engineWith([path.join(output, 'nothing')]);
    const checked = await engine.validate(toGraph(parsePrompt(jsonOf({ m: loader, ...understood }))).graph);
    expect(checked.problems.map(({ message }) => message)).toEqual([expect.stringContaining(`no BAGEL is installed in ${path.join(output, 'nothing')}`)]);
  });

  test('a node fails with its reason where the original gives a black picture', async () => {
    const { failure, files } = await run({ m: entry('BAGELModelLoader', { model: 'bagel-demo' }), d: entry('BAGELTextToImage', { ...native, prompt: 'x', width: 1024, height: 1024 }), v: entry('VAELoader', { vae_name: 'ae.safetensors' }), p: entry('VAEDecode', { samples: ['d', 0], vae: ['v', 0] }), s: entry('SaveImage', { images: ['p', 0], filename_prefix: 'made' }) });
    expect(failure).toMatchObject({ real: 'd', message: expect.stringContaining('1024×1024 is beyond what bagel-demo can draw: at most 256 pixels a side') as string });
    expect(files).toEqual([]);
  });
});

const native = {
  model: ['m', 0], cfg_text_scale: 4, cfg_interval: 0, timestep_shift: 2, num_timesteps: 25, cfg_renorm_min: 0, cfg_renorm_type: 'text_channel', show_thinking: false, max_think_tokens: 1024, do_sample: false, text_temperature: 0.3, seed: 11,
};
const nativeEdit = {
  i: entry('LoadImage', { image: 'recolor-source.png' }), v: entry('VAELoader', { vae_name: 'ae.safetensors' }), l: entry('VAEEncode', { pixels: ['i', 0], vae: ['v', 0] }),
  e: entry('BAGELImageEdit', { ...native, image: ['i', 0], vae_latent: ['l', 0], prompt: 'make the circle blue', cfg_img_scale: 2 }),
  d: entry('VAEDecode', { samples: ['e', 0], vae: ['v', 0] }), s: save,
};

describe('1.1 nodes', () => {
  test('edit as the reference does, over latents', async () => {
    const { files, failure } = await run({ m: entry('BAGELModelLoader', { model: 'bagel-demo' }), ...nativeEdit });
    expect(failure).toBeUndefined();
    await expectGolden(files[0]!, 'recolor.png');
  });

  test('a model in one file makes the same, with the autoencoder of models/vae', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'one-file-'));
    for (const folder of ['bagel', 'vae']) await mkdir(path.join(root, folder));
    const { entries } = await openSafetensors(path.join(demo, 'ema.safetensors'));
    const tensors = new Map(await Promise.all([...entries].map(async ([key, one]) => [key, await readEntry(one)] as const)));
    await writeSafetensors(path.join(root, 'bagel/bagel-7b-mot.safetensors'), tensors, { comfyui_bagel: JSON.stringify(await singleFileMetadata(demo)) });
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) await cp(path.join(demo, name), path.join(root, 'bagel', name));
    const engine = () => engineWith([root]);
    const nodes = { m: entry('BAGELModelLoader', { model: 'bagel-7b-mot.safetensors' }), ...nativeEdit };
    expect((await engine().validate(toGraph(parsePrompt(jsonOf(nodes))).graph)).problems.map(({ message }) => message)).toEqual([expect.stringContaining('no autoencoder is installed')]);
    await cp(path.join(demo, 'ae.safetensors'), path.join(root, 'vae/ae.safetensors'));
    const { files, failure, notices } = await run(nodes, engine());
    expect([failure, notices]).toEqual([undefined, []]);
    await expectGolden(files[0]!, 'recolor.png');
    await rm(root, { recursive: true });
  });

  test('a latent of a size that cannot be read is made again from the picture, as the reference fits it', async () => {
    const scaled = { i: entry('LoadImage', { image: 'recolor-source.png' }), j: entry('ImageScale', { image: ['i', 0], upscale_method: 'lanczos', width: 300, height: 156, crop: 'disabled' }) };
    const { files, notices, failure } = await run({
      m: entry('BAGELModelLoader', { model: 'bagel-demo' }), ...nativeEdit, ...scaled, l: entry('VAEEncode', { pixels: ['j', 0], vae: ['v', 0] }),
      e: entry('BAGELImageEdit', { ...native, ...quick, image: ['j', 0], vae_latent: ['l', 0], prompt: 'make the circle blue', cfg_img_scale: 2 }),
    });
    expect(failure).toBeUndefined();
    expect(notices).toContain('the latent is 296×152 pixels, which bagel-demo cannot read: the picture is encoded again at 256×128');
    expect(await decode(files[0]!)).toMatchObject({ width: 256, height: 128 });
  });

  test('pictures survive the autoencoder and come back in their size, batches too', async () => {
    const { files } = await run({
      i: entry('LoadImage', { image: 'circle.png' }), j: entry('LoadImage', { image: 'two.png' }), b: entry('ImageBatch', { image1: ['i', 0], image2: ['j', 0] }), v: entry('VAELoader', { vae_name: 'ae.safetensors' }),
      l: entry('VAEEncode', { pixels: ['b', 0], vae: ['v', 0] }), d: entry('VAEDecode', { samples: ['l', 0], vae: ['v', 0] }), s: save,
    });
    for (const [i, name] of ['circle.png', 'two.png'].entries()) {
      const [made, given] = await Promise.all([readPixels(files[i]!), readPixels(goldenPath(`demo/${name}`))]);
      const distance = made.reduce((sum, value, at) => sum + Math.abs(value - given[at]!), 0) / made.length;
      expect(distance).toBeLessThan(8);
    }
  });

  const workflows = fileURLToPath(new URL('./workflows', import.meta.url));
  async function example(name: string, changes: readonly (readonly [string, string, Json])[]): Promise<Awaited<ReturnType<typeof runPrompt>>> {
    const engine = engineWith();
    const { prompt } = await promptOf(await readWorkflowFile(path.join(workflows, `${name}.json`)), registry, { files: engine.files, devices: new Map() }, undefined);
    return runPrompt(changes.reduce((changed, [node, input, value]) => withInput(changed, node, input, value), prompt), engine);
  }

  test('the native text-to-image example runs at a size of the demo model', async () => {
    const { files, seed, failure } = await example('native_text_to_image', [['8', 'width', 256n], ['8', 'height', 256n], ['8', 'num_timesteps', 10n]]);
    expect([failure, seed]).toEqual([undefined, 493218878032302n]);
    expect(await decode(files[0]!)).toMatchObject({ width: 256, height: 256 });
  });

  test('the native edit example runs', async () => {
    const { files, texts, failure } = await example('native_image_edit', [['10', 'image', 'wide.png'], ['18', 'num_timesteps', 10n], ['18', 'show_thinking', true], ['18', 'max_think_tokens', 64n]]);
    expect(failure).toBeUndefined();
    expect(texts[0]).not.toBe('');
    expect(await decode(files[0]!)).toMatchObject({ width: 192, height: 128 });
  });

  test('the native understanding example shows its answer twice: itself, and by Show Text', async () => {
    const { texts, outputs, failure } = await example('native_image_understanding', [['2', 'image', 'what-color-source.png'], ['3', 'prompt', 'what color is the circle?']]);
    expect([failure, texts, [...outputs.values()].map(({ display }) => display)]).toEqual([undefined, ['red', 'red'], ['3', '4']]);
  });
});

test('Show Text takes and gives whole lists', async () => {
  const { texts } = await run({
    a: entry('PrimitiveString', { value: 'one' }), t: show(['a', 0]), u: show(['t', 0]),
  });
  expect(texts).toEqual(['one', 'one']);
});

test('saved workflows name both spellings', async () => {
  const text = await readFile(path.join(goldenPath('workflows'), 'bagel_image_editing.json'), 'utf8');
  expect(text).toContain('"BagelImageEdit"');
  expect([registry.get('BagelImageEdit')?.outputs[0]?.type.name, registry.get('BAGELImageEdit')?.outputs[0]?.type.name, registry.get('bagelimageedit')]).toEqual(['IMAGE', 'LATENT', undefined]);
});
