// Imports of the nano and the demo model from every way weights are stored, into every format; and what goes wrong on the way.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toFloat32 } from '../../../engine/tensor/half.ts';
import { openSafetensors, readEntry, writeSafetensors } from '../../../engine/tensor/safetensors.ts';
import { float32, type Tensor } from '../../../engine/tensor/tensor.ts';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import type { StoredWeight } from '../../../engine/onnx/ops.ts';
import { openModelFolder } from '../../../nodes/bagel/weights/folder.ts';
import { importModel, type ImportOptions, type Phase } from '../../../nodes/bagel/weights/import.ts';
import { openImported, type Manifest } from '../../../nodes/bagel/weights/imported.ts';
import { listModels, openModel, openSource } from '../../../nodes/bagel/weights/installed.ts';
import { formats } from '../../../nodes/bagel/weights/layout.ts';
import { dequantizeBlocks } from '../../../nodes/bagel/weights/quantize.ts';
import { dequantizeChannels } from '../../../nodes/bagel/weights/quantize-channels.ts';
import { writeEncoded, type Encoded } from '../../support/encode-weights.ts';
import { goldenPath } from '../../support/golden.ts';
import { writeModelFolder } from '../../support/model-folder.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-import-'));
afterAll(() => rmSync(directory, { recursive: true }));
let folders = 0;
const fresh = () => path.join(directory, `out-${folders++}`);

async function run(location: string, format: keyof typeof formats, options: Partial<ImportOptions> = {}): Promise<{ folder: string; manifest: Manifest }> {
  const folder = options.to ?? fresh();
  const manifest = await importModel(await openSource(location), { to: folder, format, precision: formats[format], threads: 2, signal: new AbortController().signal, progress: () => undefined, ...options });
  return { folder, manifest };
}

/** The values a weight stands for. */
async function valuesOf(stored: StoredWeight, shape: readonly number[]): Promise<Float32Array> {
  const data = async (ref: WeightRef) => (await readEntry(ref)).data;
  const sides = shape as readonly [number, number];
  if ('bits' in stored) return dequantizeBlocks({ packed: await data(stored.packed) as Uint8Array, scales: await data(stored.scales) as Float32Array }, sides, { bits: stored.bits, block: 128 });
  if ('codes' in stored) return dequantizeChannels({ codes: await data(stored.codes) as Uint8Array, scales: await data(stored.scales) as Float32Array }, sides);
  return toFloat32(await readEntry(stored)).data as Float32Array;
}

function relative(actual: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) { difference += (actual[i]! - expected[i]!) ** 2; size += expected[i]! ** 2; }
  return size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}

/** Bit for bit; much faster than toEqual. */
function isSame(a: Tensor['data'], b: Tensor['data']): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

const models = [['nano', goldenPath('nano')], ['the demo', 'models/bagel-demo']] as const;

describe.each(models)('%s', (_name, plain) => {
  test.each(['df11', 'int8', 'nf4', 'fp8', 'fp8 scaled'] satisfies Encoded[])('from %s to float32: exactly the values that are meant', async (kind) => {
    const source = fresh();
    const meant = await writeEncoded(plain, source, kind);
    await expect(openModel(source)).rejects.toThrow(/have to be decoded once: run "bagelgraph import/);
    const { folder, manifest } = await run(source, 'bf16', { precision: { und: 'float32', gen: 'float32' } });
    expect(manifest.source.formats[0]).toBe({ df11: 'DF11', int8: 'INT8 (LLM.int8)', nf4: 'NF4', fp8: 'FP8', 'fp8 scaled': 'FP8' }[kind]);
    const [made, original] = [await openModel(folder), await openModelFolder(plain)];
    expect(meant.size).toBeGreaterThan(40);
    for (const [key, { shape }] of original.llm) {
      const values = meant.get(key) ?? (toFloat32(await readEntry(original.llm.get(key)!)).data as Float32Array);
      expect(isSame(await valuesOf(made.llm.get(key)!, shape), values), key).toBe(true);
    }
    expect(manifest.errors.every(({ relative: error }) => error === 0)).toBe(true);
  });

  test('from DF11 to bf16 every bit is that of the original', async () => {
    const source = fresh();
    await writeEncoded(plain, source, 'df11');
    const [{ folder }, original] = [await run(source, 'bf16'), await openModelFolder(plain)];
    const made = await openModel(folder);
    for (const [part, refs] of [[made.llm, original.llm], [made.vae, original.vae]] as const) {
      expect([...part.keys()].sort()).toEqual([...refs.keys()].sort());
      for (const [key, ref] of refs) expect(isSame((await readEntry(part.get(key) as WeightRef)).data, (await readEntry(ref)).data), key).toBe(true);
    }
  });

  test.each([['int8', 0.009], ['int4', 0.11]] as const)('to %s: the error is what the table says', async (format, bound) => {
    const { folder, manifest } = await run(plain, format);
    const [made, original] = [await openImported(folder), await openModelFolder(plain)];
    const stored = new Map([...made.llm].map(([key, one]) => [key, 'bits' in one ? `${one.bits} bits` : 'codes' in one ? 'channels' : one.dtype]));
    const last = made.config.llm.layers - 1;
    expect(stored.get('language_model.lm_head.weight')).toBe('8 bits');
    expect(stored.get('language_model.model.layers.1.mlp.up_proj.weight')).toBe(format === 'int4' ? '4 bits' : '8 bits');
    for (const key of [`${last}.mlp.up_proj`, '0.self_attn.q_proj', '1.self_attn.v_proj']) expect(stored.get(`language_model.model.layers.${key}.weight`)).toBe('8 bits');
    expect(stored.get('language_model.model.layers.1.mlp_moe_gen.up_proj.weight')).toBe('channels');
    const worst = Math.max(...manifest.errors.map((one) => one.worst.relative));
    let most = 0;
    for (const [key, ref] of original.llm) most = Math.max(most, relative(await valuesOf(made.llm.get(key)!, ref.shape), toFloat32(await readEntry(ref)).data as Float32Array));
    expect(most).toBeCloseTo(worst, 5);
    expect(most).toBeLessThan(bound);
    expect(manifest.errors.filter(({ stored: how }) => how === original.llm.get('llm2vae.weight')!.dtype).every(({ relative: error }) => error === 0)).toBe(true);
  });
});

describe('the folder', () => {
  let made: { folder: string; manifest: Manifest };
  beforeAll(async () => { made = await run('models/bagel-demo', 'int4', { to: path.join(directory, 'installed', 'demo-int4') }); });

  test('is found among the models, and says what it was made of', async () => {
    expect(await listModels([path.join(directory, 'installed')])).toEqual(['demo-int4']);
    expect(made.manifest.source.files.map(({ name, sha256 }) => [name, sha256.length])).toEqual([['ema.safetensors', 64], ['ae.safetensors', 64]]);
    expect(existsSync(path.join(made.folder, 'journal.jsonl'))).toBe(false);
  });
  test('has its large weights at page bounds, and no byte between tensors', async () => {
    const { entries } = await openSafetensors(path.join(made.folder, 'weights.safetensors'));
    const placed = [...entries.values()].sort((a, b) => a.offset - b.offset);
    for (const { key, offset, bytes } of placed) if (bytes >= 65536) expect([key, offset % 4096]).toEqual([key, 0]);
    placed.slice(1).forEach((entry, i) => expect(entry.offset).toBe(placed[i]!.offset + placed[i]!.bytes));
    expect(placed.filter(({ bytes }) => bytes >= 65536).length).toBeGreaterThan(20);
  });
  test('is not imported again, nor overwritten', async () => {
    await expect(openSource(made.folder)).rejects.toThrow('was imported already');
    await expect(run('models/bagel-demo', 'int8', { to: made.folder })).rejects.toThrow('exists already (a model that was imported as int4)');
    const other = fresh();
    await mkdir(other);
    await writeFile(path.join(other, 'mine'), '1');
    await expect(run('models/bagel-demo', 'int8', { to: other })).rejects.toThrow('exists already (a folder with 1 entry)');
    expect(await readdir(other)).toEqual(['mine']);
  });
  test('is refused where something of it is missing or of another length', async () => {
    const copy = fresh();
    await mkdir(copy);
    for (const name of await readdir(made.folder)) await copyFile(path.join(made.folder, name), path.join(copy, name));
    const manifest = JSON.parse(await readFile(path.join(copy, 'bagelgraph.json'), 'utf8')) as Record<string, unknown>;
    const openWith = async (values: Record<string, unknown>) => { await writeFile(path.join(copy, 'bagelgraph.json'), JSON.stringify({ ...manifest, ...values })); return openModel(copy); };
    await expect(openWith({ bagelgraph: 99 })).rejects.toThrow('was imported by a newer bagelgraph (format 99, known is 1)');
    await expect(openWith({ files: undefined })).rejects.toThrow('bagelgraph.json says nothing of files');
    await expect(openWith({})).resolves.toMatchObject({ name: path.basename(copy) });
    rmSync(path.join(copy, 'ae.safetensors'));
    await expect(openModel(copy)).rejects.toThrow('is not whole: ae.safetensors is missing. Remove the folder and import the model again');
  });
});

describe('an import that is broken off', () => {
  /** Aborts in a phase after `updates` of its progress. */
  async function breakOff(to: string, phase: Phase, updates: number, location: string): Promise<void> {
    const controller = new AbortController();
    let seen = 0;
    const running = run(location, 'int8', { to, signal: controller.signal, progress: (now) => { if (now.phase === phase && seen++ >= updates) controller.abort(new Error('Ctrl-C')); } });
    await expect(running).rejects.toThrow('Ctrl-C');
  }
  const converted = (to: string) => readFileSync(path.join(`${to}.part`, 'journal.jsonl'), 'utf8').trim().split('\n').length - 1;

  test('goes on where it was, and gives the same bytes', async () => {
    const to = fresh();
    await breakOff(to, 'converting', 40, 'models/bagel-demo');
    expect(existsSync(to)).toBe(false);
    const before = converted(to);
    expect(before).toBeGreaterThan(20);
    const phases = new Map<Phase, number>();
    await run('models/bagel-demo', 'int8', { to, progress: ({ phase, total }) => { phases.set(phase, total); } });
    const { folder } = await run('models/bagel-demo', 'int8');
    expect(phases.get('checking what is there')).toBeGreaterThan(0);
    for (const name of ['weights.safetensors', 'ae.safetensors']) expect(readFileSync(path.join(to, name)).equals(readFileSync(path.join(folder, name)))).toBe(true);
    expect(existsSync(`${to}.part`)).toBe(false);
  });
  test('does what is no longer as it was written once more', async () => {
    const to = fresh();
    await breakOff(to, 'hashing', 0, 'models/bagel-demo');
    const file = await open(path.join(`${to}.part`, 'weights.safetensors'), 'r+');
    const { size } = await file.stat();
    await file.write(new Uint8Array(1000).fill(7), 0, 1000, size - 200_000);
    await file.close();
    let converting = 0;
    await run('models/bagel-demo', 'int8', { to, progress: ({ phase, total }) => { if (phase === 'converting') converting = total; } });
    expect(converting).toBeGreaterThan(0);
    const { folder } = await run('models/bagel-demo', 'int8');
    expect(readFileSync(path.join(to, 'weights.safetensors')).equals(readFileSync(path.join(folder, 'weights.safetensors')))).toBe(true);
  });
  test('begins anew for another format or another source', async () => {
    const to = fresh();
    await breakOff(to, 'converting', 40, 'models/bagel-demo');
    const { manifest } = await run('models/bagel-demo', 'bf16', { to });
    expect(manifest.format).toBe('bf16');
  });
  test('a folder that is somebody else\'s is left alone; one that another process works on too', async () => {
    const to = fresh();
    await mkdir(`${to}.part`);
    await writeFile(path.join(`${to}.part`, 'mine'), '1');
    await expect(run('models/bagel-demo', 'int8', { to })).rejects.toThrow('it is not left over from an import, so nothing in it was touched');
    expect(await readFile(path.join(`${to}.part`, 'mine'), 'utf8')).toBe('1');
    const busy = fresh();
    await mkdir(`${busy}.part`);
    await writeFile(path.join(`${busy}.part`, 'owner.pid'), String(process.ppid));
    await expect(run('models/bagel-demo', 'int8', { to: busy })).rejects.toThrow(`another process (${process.ppid}) is importing into`);
  });
});

describe('sources that cannot be imported', () => {
  test('a weight that is not finite', async () => {
    const source = fresh();
    await writeModelFolder(source, { dtype: 'float32' });
    await copyFile(path.join('models/bagel-demo', 'tokenizer.json'), path.join(source, 'tokenizer.json'));
    const { entries } = await openSafetensors(path.join(source, 'ema.safetensors'));
    const tensors = new Map<string, Tensor>();
    for (const [key, entry] of entries) tensors.set(key, await readEntry(entry));
    const key = 'language_model.model.layers.1.mlp_moe_gen.up_proj.weight';
    const { shape, data } = tensors.get(key)!;
    (data as Float32Array)[70] = NaN;
    tensors.set(key, float32(shape, data as Float32Array));
    await writeSafetensors(path.join(source, 'ema.safetensors'), tensors);
    for (const format of ['int8', 'bf16'] as const) await expect(run(source, format)).rejects.toThrow(`the weight ${key} cannot be imported`);
  });
  test('GGUF, by what it holds', async () => {
    const source = fresh();
    await mkdir(source);
    const text = (value: string) => { const bytes = Buffer.from(value); const head = Buffer.alloc(8); head.writeBigUInt64LE(BigInt(bytes.length)); return Buffer.concat([head, bytes]); };
    const u32 = (value: number) => { const bytes = Buffer.alloc(4); bytes.writeUInt32LE(value); return bytes; };
    const u64 = (value: number) => Buffer.concat([u32(value), u32(0)]);
    const pair = (key: string, type: number, value: Buffer) => Buffer.concat([text(key), u32(type), value]);
    const file = path.join(source, 'bagel-q4.gguf');
    await writeFile(file, Buffer.concat([Buffer.from('GGUF'), u32(3), u64(291), u64(4), pair('general.architecture', 8, text('bagel')), pair('general.file_type', 4, u32(2)), pair('general.name', 8, text('Bagel 7B')), text('cut')]));
    const words = 'is a GGUF file (version 3, 291 tensors, architecture "bagel", name "Bagel 7B", file type "2"), which is not supported';
    for (const location of [file, source]) await expect(openSource(location)).rejects.toThrow(words);
    await copyFile(file, path.join(source, 'ema.safetensors'));
    for (const name of ['llm_config.json', 'vit_config.json', 'ae.safetensors']) await copyFile(goldenPath(`nano/${name}`), path.join(source, name));
    await expect(openSource(source)).rejects.toThrow(words);
  });
});
