// Model folders: the real ones are read as they are, synthetic ones of any geometry too, and every way to break one has its own message.
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../../../nodes/bagel/errors.ts';
import { autoencoderShapes, checkpointShapes } from '../../../../nodes/bagel/model/checkpoint.ts';
import { openModelFolder } from '../../../../nodes/bagel/weights/folder.ts';
import { openSafetensors, readEntry, writeSafetensors } from '../../../../engine/tensor/safetensors.ts';
import { float32, type Tensor } from '../../../../engine/tensor/tensor.ts';
import { goldenPath, readGolden } from '../../../support/golden.ts';
import { writeModelFolder } from '../../../support/model-folder.ts';

const demo = fileURLToPath(new URL('../../../../models/bagel-demo', import.meta.url));
const nano = goldenPath('nano');

let root: string;
beforeAll(async () => { root = await mkdtemp(path.join(tmpdir(), 'model-folder-')); });
afterAll(() => rm(root, { recursive: true, force: true }));

const shapesOf = (refs: ReadonlyMap<string, { shape: readonly number[] }>) => new Map([...refs].map(([key, { shape }]) => [key, shape] as const).sort());

describe.each([['nano', nano], ['the demo model', demo]])('%s', (_name, folder) => {
  test('holds exactly the tensors that its configuration asks for', async () => {
    const model = await openModelFolder(folder);
    expect(shapesOf(model.llm)).toEqual(new Map([...checkpointShapes(model.config)].sort()));
    expect(shapesOf(model.vae)).toEqual(new Map([...autoencoderShapes(model.config.vae)].sort()));
    expect(model.warnings).toEqual([]);
    expect(model.path).toBe(folder);
  });
});

test('nano is read as it is', async () => {
  const model = await openModelFolder(nano);
  expect(model.config).toMatchObject({
    llm: { hidden: 64, ffn: 160, layers: 3, heads: 4, kvHeads: 2, headDim: 16, vocab: 320, ropeTheta: 1e6, rmsEps: 1e-6, maxPositions: 4096, tied: false },
    vit: { hidden: 48, ffn: 96, layers: 2, heads: 4, patch: 14, channels: 3, eps: 1e-6, positions: 256 },
    vae: { ch: 32, chMult: [1, 2, 2, 2], resBlocks: 1, zChannels: 16, downsample: 8, scale: 0.3611, shift: 0.1159 },
    latentPatchSize: 2, maxLatentSize: 16, vitMaxPatchesPerSide: 16,
    vaeImage: { max_size: 128, min_size: 64, stride: 16, max_pixels: 14 * 14 * 9 * 1024 },
    vitImage: { max_size: 112, min_size: 56, stride: 14, max_pixels: 14 * 14 * 9 * 1024 },
    specialTokens: { bos: 4, eos: 5, startOfImage: 6, endOfImage: 7 },
  });
  expect(Object.keys(model.tokenizerFiles)).toEqual(['folder']);
  const [key, expected] = [...readGolden('nano/ae.safetensors')][3]!;
  expect(await readEntry(model.vae.get(key)!)).toEqual(expected);
});

test('the demo model takes its special tokens from the tokenizer and its defaults from config.json', async () => {
  const { config, tokenizerFiles } = await openModelFolder(demo);
  expect(config.specialTokens).toEqual({ bos: 508, eos: 509, startOfImage: 510, endOfImage: 511 });
  expect(config.defaults.textToImage).toMatchObject({ width: 128, height: 128, steps: 25, shift: 2, cfgText: 4, cfgImage: 1, cfgInterval: [0.4, 1], renorm: 'global', renormMin: 0 });
  expect(config.defaults.understand).toEqual({ maxTokens: 512, sample: false, temperature: 0.3 });
  expect(Object.keys(tokenizerFiles).sort()).toEqual(['config', 'folder', 'merges', 'tokenizerJson', 'vocab']);
});

test.each([
  ['one KV head, float32, another autoencoder', { dtype: 'float32', heads: 8, kvHeads: 1, headDim: 8, vae: { ch: 64, chMult: [1, 2, 3], resBlocks: 2, zChannels: 4 }, maxLatentSize: 12 }],
  ['heads narrower than hidden, tied head, float16', { dtype: 'float16', hidden: 96, heads: 6, kvHeads: 3, headDim: 32, tied: true, vit: { layers: 1, hidden: 32, heads: 2, patch: 16 }, vitMaxPatchesPerSide: 8 }],
  ['shards with an index', { shards: 3 }],
  ['shards without an index', { shards: 4, index: false }],
] as const)('%s', async (name, options) => {
  const folder = path.join(root, name);
  await writeModelFolder(folder, options);
  const model = await openModelFolder(folder, { strict: true });
  const files = new Set([...model.llm.values()].map((ref) => path.basename(ref.file)));
  expect(files.size).toBe('shards' in options ? options.shards : 1);
  if ('kvHeads' in options) expect(model.config.llm).toMatchObject({ heads: options.heads, kvHeads: options.kvHeads, headDim: options.headDim, tied: 'tied' in options });
  if ('vae' in options) expect(model.config.vae).toMatchObject({ ...options.vae, downsample: 4 });
  const norm = await readEntry(model.llm.get('language_model.model.norm.weight')!);
  expect(norm.dtype).toBe('dtype' in options ? options.dtype : 'bfloat16');
});

test('the content key stays while nothing changes, and a link gives the real path of the weights', async () => {
  await symlink(nano, path.join(root, 'link'));
  const first = await openModelFolder(nano);
  const linked = await openModelFolder(path.join(root, 'link'));
  expect(linked.contentKey).toBe(first.contentKey);
  expect(linked.llm.get('llm2vae.bias')!.file).toBe(first.llm.get('llm2vae.bias')!.file);
  const copy = path.join(root, 'copy');
  await cp(nano, copy, { recursive: true });
  await utimes(path.join(copy, 'ae.safetensors'), 1, 1);
  expect((await openModelFolder(copy)).contentKey).not.toBe(first.contentKey);
});

describe('what is wrong is said', () => {
  let folder: string;
  let original: string;
  let number = 0;
  beforeAll(async () => {
    original = path.join(root, 'models', 'original');
    await writeModelFolder(original);
  });
  beforeEach(async () => {
    folder = path.join(root, `broken-${number++}`);
    await cp(original, folder, { recursive: true });
  });
  const at = (name: string) => path.join(folder, name);
  async function change(name: string, values: Record<string, unknown>): Promise<void> {
    await writeFile(at(name), JSON.stringify({ ...(JSON.parse(await readFile(at(name), 'utf8')) as object), ...values }));
  }
  async function changeWeights(name: string, edit: (tensors: Map<string, Tensor>) => void): Promise<void> {
    const file = await openSafetensors(at(name));
    const tensors = new Map<string, Tensor>();
    for (const key of file.entries.keys()) tensors.set(key, await file.read(key));
    edit(tensors);
    await writeSafetensors(at(name), tensors);
  }
  async function refused(message: string | RegExp, strict = false): Promise<void> {
    const error: unknown = await openModelFolder(folder, { strict }).then(() => 'opened', (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  }

  test('no such folder', async () => {
    folder = path.join(root, 'nowhere');
    await refused(/^there is no model folder .*nowhere\. Expected a folder with ema\.safetensors .* Found nearby: .*models\/original/);
  });
  test('a file instead of a folder', async () => {
    folder = at('ema.safetensors');
    await refused(/ema\.safetensors is a file\. Give the folder that holds it/);
  });
  test('an empty folder lists all that is missing', async () => {
    await rm(folder, { recursive: true });
    await mkdir(folder);
    await refused(/lacks ema\.safetensors, ae\.safetensors, llm_config\.json, vit_config\.json\. Download them into the folder\. Found nearby/);
  });
  test('half a download', async () => {
    await rename(at('ema.safetensors'), at('ema.safetensors.part'));
    await mkdir(at('.cache/huggingface/download'), { recursive: true });
    await writeFile(at('.cache/huggingface/download/abc.incomplete'), '');
    await refused(/lacks ema\.safetensors\. The download is not finished: .*abc\.incomplete, ema\.safetensors\.part are left over/);
  });
  test('a file cut off', async () => {
    await truncate(at('ema.safetensors'), 200_000);
    await refused(/ema\.safetensors: is cut off: it should have \d+ bytes and has 200000\..* Download it again/);
  });
  test('a pointer instead of weights', async () => {
    await writeFile(at('ae.safetensors'), 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 335000000\n');
    await refused(/ae\.safetensors: is a git-LFS pointer/);
  });
  test('a missing shard', async () => {
    await rm(folder, { recursive: true });
    await writeModelFolder(folder, { shards: 3 });
    await rm(at('model-00002-of-00003.safetensors'));
    await refused('lacks model-00002-of-00003.safetensors (named in model.safetensors.index.json).');
    await rm(at('model.safetensors.index.json'));
    await refused('lacks model-00002-of-00003.safetensors (one of 3 shards).');
  });
  test('an index that leaves the folder', async () => {
    await rename(at('ema.safetensors'), at('x.safetensors'));
    await writeFile(at('x.safetensors.index.json'), '{"weight_map": {"a": "../x.safetensors"}}');
    await refused(/weight_map names the file "\.\.\/x\.safetensors", expected a file name in the same folder/);
  });
  test('a tensor in two files', async () => {
    await cp(at('ema.safetensors'), at('model-00001-of-00002.safetensors'));
    await rename(at('ema.safetensors'), at('model-00002-of-00002.safetensors'));
    await refused(/the tensor language_model\S+ is in .*00001.* and in .*00002/);
  });
  test('broken JSON', async () => {
    await writeFile(at('llm_config.json'), '{\n "hidden_size": 64,,\n}');
    await refused(/llm_config\.json: is not valid JSON: unexpected .* at line 2, column 20/);
  });
  test('a value of another type', async () => {
    await change('llm_config.json', { num_attention_heads: 'four' });
    await refused(/llm_config\.json: num_attention_heads is "four", expected a number above 0/);
  });
  test('missing tensors and other shapes', async () => {
    await changeWeights('ema.safetensors', (tensors) => {
      for (const key of ['llm2vae.bias', 'connector.fc1.weight']) tensors.delete(key);
      tensors.set('vae2llm.bias', float32([3], [1, 2, 3]));
    });
    await refused(/2 tensors of \d+ missing: connector\.fc1\.weight, llm2vae\.bias\. 1 tensor with another shape: vae2llm\.bias is \[3\], expected \[64\]/);
  });
  test('layers missing', async () => {
    await change('llm_config.json', { num_hidden_layers: 4 });
    await refused(/56 tensors of \d+ missing: language_model\.model\.layers\.2\.self_attn\.q_proj\.weight, .* and 51 more/);
  });
  test('no BAGEL', async () => {
    await writeSafetensors(at('ema.safetensors'), new Map([['a', float32([1], [1])]]));
    await refused(/embed_tokens\.weight is missing, so this is no BAGEL checkpoint/);
  });
  test('sizes of another model', async () => {
    await change('llm_config.json', { hidden_size: 3584 });
    await refused(/llm_config\.json says hidden_size 3584, but the tensor \S+embed_tokens\.weight has 64/);
  });
  test('heads that do not fit', async () => {
    await change('llm_config.json', { num_key_value_heads: 4 });
    await refused(/says 4 heads and 4 key\/value heads, which do not fit .*: q_proj has 64 rows, k_proj 32/);
  });
  test('a latent grid that does not fit its table', async () => {
    await change('config.json', { max_latent_size: 32 });
    await refused(/config\.json says max_latent_size 32, which needs 1024 rows in latent_pos_embed\.pos_embed, but it has 256: the table is made for max_latent_size 16/);
    await rm(at('config.json'));
    await refused(/max_latent_size is 64 \(the official value, because config\.json gives none\), which needs 4096 rows/);
  });
  test('a stride that cuts patches', async () => {
    await change('config.json', { vit_image: { stride: 16 } });
    await refused(/config\.json: vit_image: stride is 16, expected a multiple of 14/);
  });
  test('no ids of special tokens', async () => {
    await change('config.json', { special_token_ids: null });
    await refused(/no id is known for <\|im_start\|>: neither the tokenizer files .* nor config\.json \(special_token_ids\.bos_token_id\) name it; download/);
  });
  test('an id beyond the vocabulary', async () => {
    await change('config.json', { special_token_ids: { bos_token_id: 4, eos_token_id: 5, start_of_image: 6, end_of_image: 320 } });
    await refused(/<\|vision_end\|> has the id 320, but the model has 320 tokens/);
  });
  test('a default that is none', async () => {
    await change('config.json', { defaults: { cfg_interval: [1, 0] } });
    await refused(/config\.json: defaults: cfg_interval is \[1,0\], expected \[start, end\] between 0 and 1/);
  });
  test('an activation that is not supported', async () => {
    await change('llm_config.json', { hidden_act: 'relu' });
    await refused(/llm_config\.json: hidden_act is "relu", expected "silu": nothing else is supported/);
  });
  test('a type that cannot be used', async () => {
    await changeWeights('ema.safetensors', (tensors) => tensors.set('llm2vae.bias', { dtype: 'int8', shape: [64], data: new Int8Array(64) }));
    await refused(/ema\.safetensors: the tensor llm2vae\.bias has the type int8; float32, float16 and bfloat16 weights can be used/);
  });
  test('unexpected tensors: a warning, or an error when strict', async () => {
    await changeWeights('ae.safetensors', (tensors) => tensors.set('quant_conv.weight', float32([1], [1])).set('quant_conv.bias', float32([1], [1])));
    expect((await openModelFolder(folder)).warnings).toEqual([`${at('ae.safetensors')}: 2 tensors the model does not know, left unused: quant_conv.weight, quant_conv.bias`]);
    await refused(/2 tensors the model does not know.*Open it without strict/, true);
  });
  test('a vision tower that kept its last layer loses it, as in the reference', async () => {
    await change('vit_config.json', { num_hidden_layers: 2 });
    const { config, warnings } = await openModelFolder(folder);
    expect(config.vit.layers).toBe(1);
    expect(warnings[0]).toMatch(/16 tensors the model does not know, left unused: vit_model\.vision_model\.encoder\.layers\.1\./);
  });
  test('defaults can differ by task, the rest is as in the official app', async () => {
    await change('config.json', { defaults: { num_timesteps: 20, edit: { num_timesteps: 30, cfg_renorm_type: 'local' }, understand: { max_new_tokens: 64 } } });
    const { defaults } = (await openModelFolder(folder)).config;
    expect(defaults.textToImage).toMatchObject({ width: 256, height: 256, steps: 20, shift: 3, cfgText: 4, cfgImage: 1.5, cfgInterval: [0.4, 1], renorm: 'global', text: { maxTokens: 1024, sample: false, temperature: 0.3 } });
    expect(defaults.edit).toMatchObject({ steps: 30, cfgText: 4, cfgImage: 2, cfgInterval: [0, 1], renorm: 'channel' });
    expect(defaults.understand).toEqual({ maxTokens: 64, sample: false, temperature: 0.3 });
  });
  test('the autoencoder may lie in vae/', async () => {
    await mkdir(at('vae'));
    await rename(at('ae.safetensors'), at('vae/ae.safetensors'));
    expect((await openModelFolder(folder)).vae.size).toBeGreaterThan(100);
    expect(await readdir(folder)).not.toContain('ae.safetensors');
  });
});
