// A model that is one safetensors file: made from the demo model's tensors as ComfyUI-BAGEL 1.1 writes it, in ComfyUI's folders.
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSafetensors, readEntry, writeSafetensors } from '../../../../engine/tensor/safetensors.ts';
import type { Tensor } from '../../../../engine/tensor/tensor.ts';
import { UserError } from '../../../../nodes/bagel/errors.ts';
import { openAutoencoder } from '../../../../nodes/bagel/weights/autoencoder-file.ts';
import { findModel, findSimilarAutoencoder, findSimilarModel, listModels, openModel } from '../../../../nodes/bagel/weights/installed.ts';
import { isSingleFile } from '../../../../nodes/bagel/weights/single-file.ts';
import { singleFileMetadata } from '../../../support/single-file.ts';

const demo = fileURLToPath(new URL('../../../../models/bagel-demo', import.meta.url));
const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt'];

let root: string;
let tensors: Map<string, Tensor>;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'single-file-'));
  const { entries } = await openSafetensors(path.join(demo, 'ema.safetensors'));
  tensors = new Map(await Promise.all([...entries].map(async ([key, entry]) => [key, await readEntry(entry)] as const)));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** `models/bagel/demo.safetensors` in a folder of its own; gives the path of `models`. */
async function modelsWith(metadata: Record<string, unknown> | string): Promise<{ models: string; file: string }> {
  const models = await mkdtemp(path.join(root, 'models-'));
  const file = path.join(models, 'bagel', 'demo.safetensors');
  await mkdir(path.dirname(file));
  await writeSafetensors(file, tensors, { format: 'pt', comfyui_bagel: typeof metadata === 'string' ? metadata : JSON.stringify(metadata) });
  return { models, file };
}

async function copyTokenizer(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of tokenizerFiles) await cp(path.join(demo, name), path.join(folder, name));
}

test('opens as the folder does, without an autoencoder', async () => {
  const { file } = await modelsWith(await singleFileMetadata(demo));
  await copyTokenizer(path.dirname(file));
  const [single, folder] = [await openModel(file), await openModel(demo)];
  expect(single).toMatchObject({ path: file, name: 'demo', warnings: [] });
  expect([...single.llm.keys()].sort()).toEqual([...folder.llm.keys()].sort());
  expect(single.vae.size).toBe(0);
  const { vae, ...config } = single.config;
  const { vae: _, ...expected } = folder.config;
  expect(config).toEqual(expected);
  expect(vae).toEqual({ ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16, downsample: 8, scale: 0.3611, shift: 0.1159 });
});

test('takes the autoencoder from models/vae, and its sizes', async () => {
  const { models, file } = await modelsWith(await singleFileMetadata(demo));
  await copyTokenizer(path.join(path.dirname(file), 'demo'));
  await mkdir(path.join(models, 'vae'));
  await cp(path.join(demo, 'ae.safetensors'), path.join(models, 'vae', 'ae.safetensors'));
  const { vae, config } = await openModel(file);
  expect(vae.size).toBeGreaterThan(100);
  expect(config.vae).toEqual((await openModel(demo)).config.vae);
});

describe('the tokenizer', () => {
  test('of a model folder nearby serves if its vocabulary fits, which is told', async () => {
    const { models, file } = await modelsWith(await singleFileMetadata(demo));
    await cp(demo, path.join(models, 'official'), { recursive: true });
    const { warnings, tokenizerFiles: found } = await openModel(file);
    expect(found.vocab).toBe(path.join(models, 'official', 'vocab.json'));
    expect(warnings).toEqual([`${file} holds no tokenizer: that of ${path.join(models, 'official')}, whose vocabulary has the same size, is used`]);
  });

  test('of a model with other special tokens does not, and the error says where to put one', async () => {
    const metadata = await singleFileMetadata(demo);
    const { models, file } = await modelsWith({ ...metadata, special_token_ids: { bos_token_id: 1, eos_token_id: 509, start_of_image: 510, end_of_image: 511 } });
    await cp(demo, path.join(models, 'official'), { recursive: true });
    await expect(openModel(file)).rejects.toThrow(`${file} holds no tokenizer, only its fingerprint. Put tokenizer.json, or vocab.json, merges.txt and tokenizer_config.json, beside it`);
  });
});

describe('what is wrong is said', () => {
  test.each<[string, (metadata: Record<string, unknown>) => Record<string, unknown> | string, string]>([
    ['no JSON', () => '{', 'comfyui_bagel in its header is "{", expected a JSON object'],
    ['a newer form', (metadata) => ({ ...metadata, format_version: 2 }), 'comfyui_bagel says format_version 2, known is 1'],
    ['another latent', (metadata) => ({ ...metadata, latent_format: 'sd3' }), 'comfyui_bagel: latent_format is "sd3", expected "flux"'],
    ['a configuration of another model', (metadata) => ({ ...metadata, model_configs: { llm: { hidden_size: 4096, vocab_size: 512 } } }), 'says hidden_size 4096, but the tensor language_model.model.embed_tokens.weight has 192'],
  ])('%s', async (_name, change, message) => {
    const { file } = await modelsWith(change(await singleFileMetadata(demo)));
    await copyTokenizer(path.dirname(file));
    const error: unknown = await openModel(file).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });

  test('a checkpoint of the official layout', async () => {
    const file = path.join(demo, 'ema.safetensors');
    expect(await isSingleFile(file)).toBe(false);
    await expect(openModel(file)).rejects.toThrow('its header has no comfyui_bagel. If it is a checkpoint in the official layout, give the folder');
  });
});

describe('names', () => {
  test('are those of folders and files in models and models/bagel', async () => {
    const { models, file } = await modelsWith(await singleFileMetadata(demo));
    await cp(demo, path.join(models, 'bagel', 'BAGEL-7B-MoT'), { recursive: true });
    await cp(demo, path.join(models, 'bagel-demo'), { recursive: true });
    await cp(path.join(demo, 'ae.safetensors'), path.join(models, 'bagel', 'other.safetensors'));
    expect(await listModels([models])).toEqual(['BAGEL-7B-MoT', 'bagel-demo', 'demo.safetensors']);
    expect(await findModel('demo.safetensors', [models])).toBe(file);
    const similar = async (name: string) => findSimilarModel(name, [models]).then((found) => [path.relative(models, found.path), found.notice]);
    const instead = (name: string) => `the model ${JSON.stringify(name)} is not installed: BAGEL-7B-MoT is used in its place`;
    expect(await similar('bagel/BAGEL-7B-MoT')).toEqual(['bagel/BAGEL-7B-MoT', undefined]);
    for (const name of ['ByteDance-Seed/BAGEL-7B-MoT', 'DFloat11/BAGEL-7B-MoT-DF11', 'Yejy53/Echo-4o', 'bagel-7b-mot.safetensors']) expect(await similar(name)).toEqual(['bagel/BAGEL-7B-MoT', instead(name)]);
  });

  test('outside of the model folders are not found', async () => {
    const { models } = await modelsWith(await singleFileMetadata(demo));
    await expect(findModel('../bagel-demo', [path.join(models, 'bagel')])).rejects.toThrow('no model is called "../bagel-demo"');
    await expect(findSimilarModel('x', [path.join(root, 'nothing')])).rejects.toThrow('no model was found there');
  });

  test('an autoencoder is found in models/vae, else in an installed model', async () => {
    const { models } = await modelsWith(await singleFileMetadata(demo));
    await expect(findSimilarAutoencoder('ae.safetensors', [models])).rejects.toThrow('no autoencoder is called "ae.safetensors"');
    await cp(demo, path.join(models, 'bagel-demo'), { recursive: true });
    expect(await findSimilarAutoencoder('ae.safetensors', [models])).toEqual({
      path: path.join(models, 'bagel-demo', 'ae.safetensors'), notice: 'the autoencoder "ae.safetensors" is not in models/vae: that of bagel-demo is used',
    });
    await mkdir(path.join(models, 'vae'));
    await cp(path.join(demo, 'ae.safetensors'), path.join(models, 'vae', 'ae.safetensors'));
    const found = await findSimilarAutoencoder('ae.safetensors', [models]);
    expect(found).toEqual({ path: path.join(models, 'vae', 'ae.safetensors') });
    expect(await openAutoencoder(found.path)).toMatchObject({ name: 'ae', warnings: [], vae: { zChannels: 16, downsample: 8 } });
  });
});
