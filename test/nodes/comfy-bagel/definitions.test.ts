// The declared classes, as editors and saved workflows know them: names, order, defaults, ranges, outputs (ComfyUI-BAGEL 1.0.7 and 1.1).
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plainOf } from '../../../engine/formats/json.ts';
import type { AnyNode, Environment } from '../../../engine/graph/node.ts';
import { nodeInfo } from '../../../engine/graph/object-info.ts';
import { nodes } from '../../../nodes/comfy-bagel/index.ts';
import { testContext } from '../../support/context.ts';

const demo = fileURLToPath(new URL('../../../models/bagel-demo', import.meta.url));
const byType = new Map(nodes.map((node) => [node.type, node]));

/** `name TYPE default min..max/step`, `name [choices]default`; optional inputs with a `?`. */
function inputsOf(type: string): string[] {
  return Object.entries(byType.get(type)!.inputs).map(([name, spec]) => {
    const choices = Array.isArray(spec.choices) ? `[${spec.choices.join()}]` : spec.type.name;
    const max = spec.ui?.['max'] ?? spec.max;
    const range = spec.min === undefined ? '' : ` ${spec.min}..${String(max)}${spec.step === undefined ? '' : `/${spec.step}`}`;
    const initial = spec.default === undefined ? '' : ` ${typeof spec.default === 'string' && spec.default.length > 20 ? `${spec.default.slice(0, 20)}…` : String(spec.default)}`;
    return `${name}${spec.optional === true ? '?' : ''} ${choices}${initial}${range}`;
  });
}

const heading = ({ type, title, category, outputs, output }: AnyNode) => `${type} | ${title} | ${category} | ${outputs.map(({ name, type: { name: of } }) => `${name} ${of}`).join(', ')}${output === true ? ' | output' : ''}`;

test('names, titles, categories and outputs', () => {
  expect(nodes.map(heading)).toEqual([
    'BagelModelLoader | BAGEL Model Loader | BAGEL/Core | model BAGEL_MODEL',
    'BagelTextToImage | BAGEL Text to Image | BAGEL/Core | image IMAGE, thinking STRING',
    'BagelImageEdit | BAGEL Image Edit | BAGEL/Core | image IMAGE, thinking STRING',
    'BagelImageUnderstanding | BAGEL Image Understanding | BAGEL/Core | text STRING',
    'BagelMultiImageEdit | BAGEL Multi-Image Edit (Echo-4o only) | BAGEL/Enhanced | image IMAGE, thinking STRING',
    'BAGELModelLoader | BAGEL Model Loader (Native) | BAGEL/Core | model BAGEL_MODEL',
    'BAGELTextToImage | BAGEL Text to Image (Native) | BAGEL/Generation | latent LATENT, reasoning STRING',
    'BAGELImageEdit | BAGEL Image Edit (Native) | BAGEL/Editing | latent LATENT, reasoning STRING',
    'BAGELImageUnderstanding | BAGEL Image Understanding (Native) | BAGEL/Understanding | text STRING | output',
    'VAELoader | Load VAE | loaders | VAE VAE',
    'VAEEncode | VAE Encode | latent | LATENT LATENT',
    'VAEDecode | VAE Decode | latent | IMAGE IMAGE',
    'ShowText|pysssss | Show Text 🐍 | utils | STRING STRING | output',
  ]);
});

describe('inputs in the order of saved values', () => {
  const renorm = (initial: string) => `[global,local,text_channel] ${initial}`;

  test('BagelModelLoader', () => expect(inputsOf('BagelModelLoader')).toEqual(['model_path COMBO', 'allow_auto_download BOOLEAN false', 'quantization_mode [BF16,NF4,INT8,FP8] BF16']));

  test('BagelTextToImage', () => expect(inputsOf('BagelTextToImage')).toEqual([
    'model BAGEL_MODEL', 'prompt STRING A female cosplayer p…', 'seed INT 0 0..1000000', 'image_ratio [1:1,4:3,3:4,16:9,9:16] 1:1', 'cfg_text_scale FLOAT 4 1..8/0.1', 'num_timesteps INT 50 10..100/5',
    'show_thinking? BOOLEAN false', 'cfg_interval? FLOAT 0.4 0..1/0.1', 'timestep_shift? FLOAT 3 1..5/0.5', 'cfg_renorm_min? FLOAT 0 0..1/0.1', `cfg_renorm_type? ${renorm('global')}`, 'text_temperature? FLOAT 0.3 0..1/0.1',
  ]));

  test('BagelImageEdit', () => expect(inputsOf('BagelImageEdit')).toEqual([
    'model BAGEL_MODEL', 'image IMAGE', 'prompt STRING Edit the image accor…', 'seed INT 0 0..1000000', 'cfg_text_scale FLOAT 4 1..8/0.1', 'cfg_img_scale FLOAT 2 1..4/0.1', 'num_timesteps INT 50 10..100/5',
    'show_thinking? BOOLEAN false', 'cfg_interval? FLOAT 0 0..1/0.1', 'timestep_shift? FLOAT 3 1..10/0.5', 'cfg_renorm_min? FLOAT 0 0..1/0.1', `cfg_renorm_type? ${renorm('text_channel')}`, 'text_temperature? FLOAT 0.3 0..1/0.1',
  ]));

  test('BagelImageUnderstanding', () => expect(inputsOf('BagelImageUnderstanding')).toEqual([
    'model BAGEL_MODEL', 'image IMAGE', 'prompt STRING What do you see in t…', 'show_thinking? BOOLEAN false', 'do_sample? BOOLEAN false', 'text_temperature? FLOAT 0.3 0..1/0.05', 'max_new_tokens? INT 512 64..4096/64',
  ]));

  test('BagelMultiImageEdit', () => expect(inputsOf('BagelMultiImageEdit')).toEqual([
    'model BAGEL_MODEL', 'ref_image_1 IMAGE', 'ref_image_2 IMAGE', 'prompt STRING Combine elements fro…', 'seed INT 0 0..1000000', 'cfg_text_scale FLOAT 4 1..8/0.1', 'cfg_img_scale FLOAT 2 1..3/0.1', 'num_timesteps INT 50 10..100/5',
    'ref_image_3? IMAGE', 'ref_image_4? IMAGE', 'show_thinking? BOOLEAN false', 'cfg_interval? FLOAT 0 0..1/0.1', 'timestep_shift? FLOAT 3 1..5/0.5', 'cfg_renorm_min? FLOAT 0 0..1/0.1', `cfg_renorm_type? ${renorm('text_channel')}`, 'text_temperature? FLOAT 0.3 0..1/0.1',
  ]));

  test('BAGELTextToImage', () => expect(inputsOf('BAGELTextToImage')).toEqual([
    'model BAGEL_MODEL', 'prompt STRING A female cosplayer p…', 'width INT 1024 256..1024/16', 'height INT 1024 256..1024/16', 'cfg_text_scale FLOAT 4 1..8/0.1', 'cfg_interval FLOAT 0.4 0..1/0.1', 'timestep_shift FLOAT 3 1..5/0.5',
    'num_timesteps INT 50 10..100/5', 'cfg_renorm_min FLOAT 0 0..1/0.1', `cfg_renorm_type ${renorm('global')}`, 'show_thinking BOOLEAN false', 'max_think_tokens INT 1024 64..4096/64', 'do_sample BOOLEAN false',
    'text_temperature FLOAT 0.3 0.1..1/0.1', 'seed INT 0 0..1000000',
  ]));

  test('BAGELImageEdit', () => expect(inputsOf('BAGELImageEdit')).toEqual([
    'model BAGEL_MODEL', 'image IMAGE', 'vae_latent LATENT', 'prompt STRING Edit the image accor…', 'cfg_text_scale FLOAT 4 1..8/0.1', 'cfg_img_scale FLOAT 2 1..4/0.1', 'cfg_interval FLOAT 0 0..1/0.1', 'timestep_shift FLOAT 3 1..10/0.5',
    'num_timesteps INT 50 10..100/5', 'cfg_renorm_min FLOAT 0 0..1/0.1', `cfg_renorm_type ${renorm('text_channel')}`, 'show_thinking BOOLEAN false', 'max_think_tokens INT 1024 64..4096/64', 'do_sample BOOLEAN false',
    'text_temperature FLOAT 0.3 0.1..1/0.1', 'seed INT 0 0..1000000',
  ]));
});

describe('choices', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'comfy-bagel-'));
    for (const folder of ['bagel', 'vae', 'checkpoints']) await mkdir(path.join(root, folder));
    await cp(demo, path.join(root, 'bagel', 'BAGEL-7B-MoT'), { recursive: true });
    await cp(demo, path.join(root, 'mine'), { recursive: true });
    for (const name of ['bagel/bagel-7b-mot.safetensors', 'vae/flux_ae.safetensors', 'checkpoints/other.safetensors']) await writeFile(path.join(root, name), '');
  });
  afterAll(() => rm(root, { recursive: true }));

  async function info(type: string, models: readonly string[]): Promise<Record<string, [unknown, Record<string, unknown>?]>> {
    const { environment } = await testContext();
    const env: Environment = { ...environment, files: { ...environment.files, models: () => models } };
    const plain = plainOf(await nodeInfo(byType.get(type)!, env)) as { input: { required: Record<string, [unknown, Record<string, unknown>?]> } };
    return plain.input.required;
  }

  test('are what is installed, then the names of repositories', async () => {
    const repositories = ['ByteDance-Seed/BAGEL-7B-MoT', 'DFloat11/BAGEL-7B-MoT-DF11', 'Yejy53/Echo-4o'];
    expect((await info('BagelModelLoader', [root]))['model_path']![0]).toEqual(['BAGEL-7B-MoT', 'mine', 'bagel-7b-mot.safetensors', ...repositories]);
    expect((await info('BAGELModelLoader', [root]))['model']![0]).toEqual(['bagel-7b-mot.safetensors', 'BAGEL-7B-MoT', 'mine']);
    expect((await info('VAELoader', [root]))['vae_name']![0]).toEqual(['flux_ae.safetensors', 'ae.safetensors']);
    expect((await info('BagelModelLoader', []))['model_path']![0]).toEqual(repositories);
  });

  test('seeds are declared as the original does, though larger ones run', async () => {
    expect((await info('BagelTextToImage', [root]))['seed']).toEqual(['INT', expect.objectContaining({ default: 0, min: 0, max: 1000000 })]);
  });

  test('a fingerprint of the loaders changes with what is installed', async () => {
    const { environment } = await testContext();
    const env: Environment = { ...environment, files: { ...environment.files, models: () => [root] } };
    const print = () => byType.get('BagelModelLoader')!.fingerprint!({}, env);
    const before = await print();
    expect(await print()).toBe(before);
    await writeFile(path.join(root, 'bagel', 'BAGEL-7B-MoT', 'config.json'), '{}');
    expect(await print()).not.toBe(before);
  });
});
