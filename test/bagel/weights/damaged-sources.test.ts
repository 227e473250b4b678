// Encoded sources that are damaged: each import is refused and says which weight or file, with the kernels of the add-on and with those in TypeScript.
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { whyNotNative } from '../../../engine/device/native.ts';
import { openSafetensors, readEntry, writeSafetensors } from '../../../engine/tensor/safetensors.ts';
import { float32, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { importModel } from '../../../nodes/bagel/weights/import.ts';
import { openSource } from '../../../nodes/bagel/weights/installed.ts';
import { formats } from '../../../nodes/bagel/weights/layout.ts';
import { writeEncoded, type Encoded } from '../../support/encode-weights.ts';
import { goldenPath } from '../../support/golden.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-damaged-'));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => { vi.unstubAllEnvs(); });
let folders = 0;
const fresh = () => path.join(directory, `folder-${folders++}`);

async function imported(source: string, format: keyof typeof formats): Promise<unknown> {
  return importModel(await openSource(source), { to: fresh(), format, precision: formats[format], threads: 2, signal: new AbortController().signal, progress: () => undefined });
}

const weight = 'language_model.model.layers.1.mlp_moe_gen.up_proj.weight';
const scaleNames = { int8: weight.replace(/weight$/, 'SCB'), nf4: `${weight}.absmax`, 'fp8 scaled': weight.replace(/weight$/, 'scale_weight'), fp8: weight } as const;

/** The nano model as `kind`, with one of its tensors another. */
async function changed(kind: Encoded, key: string, change: (was: Tensor) => Tensor): Promise<string> {
  const source = fresh();
  await writeEncoded(goldenPath('nano'), source, kind);
  for (const name of (await readdir(source)).filter((one) => one.endsWith('.safetensors') && !one.startsWith('ae.'))) {
    const file = path.join(source, name);
    const { entries } = await openSafetensors(file);
    if (!entries.has(key)) continue;
    const tensors = new Map<string, Tensor>();
    for (const [each, entry] of entries) tensors.set(each, await readEntry(entry));
    tensors.set(key, change(tensors.get(key)!));
    await writeSafetensors(file, tensors);
    return source;
  }
  throw new Error(`no file of ${kind} holds ${key}`);
}

/** One value NaN; of float8 its code. */
function withNaN({ dtype, shape, data }: Tensor): Tensor {
  if (dtype === 'float8e4m3fn') return tensor(dtype, shape, (data as Uint8Array).map((code, i) => (i === 7 ? 0x7f : code)));
  return float32(shape, (data as Float32Array).map((value, i) => (i === 0 ? NaN : value)));
}

describe.each([['native', '1'], ['TypeScript', '0']])('with kernels: %s', (name, native) => {
  const absent = name === 'native' && whyNotNative() !== undefined;
  test.skipIf(absent).each(['int8', 'nf4', 'fp8 scaled', 'fp8'] as const)('%s: a value that is not finite', async (kind) => {
    vi.stubEnv('BAGELGRAPH_NATIVE', native === '0' ? '0' : undefined);
    const source = await changed(kind, scaleNames[kind], withNaN);
    for (const format of ['int8', 'bf16'] as const) await expect(imported(source, format)).rejects.toThrow(`the weight ${weight} cannot be imported`);
  });

  test.skipIf(absent)('df11: a table that does not fit the codes', async () => {
    vi.stubEnv('BAGELGRAPH_NATIVE', native === '0' ? '0' : undefined);
    const sources = await changed('df11', 'language_model.model.layers.1.luts', ({ dtype, shape, data }) => tensor(dtype, shape, (data as Uint8Array).map((byte, i) => (i === data.length - 256 + 121 ? byte ^ 3 : byte))));
    await expect(imported(sources, 'bf16')).rejects.toThrow(/language_model\.model\.layers\.1\..* is damaged \(.*\)\. Download the file again/);
  });
});

test.each(['df11', 'int8', 'nf4', 'fp8', 'fp8 scaled'] satisfies Encoded[])('%s: a file cut short is named', async (kind) => {
  const source = fresh();
  await writeEncoded(goldenPath('nano'), source, kind);
  const name = (await readdir(source)).filter((one) => one.endsWith('.safetensors') && !one.startsWith('ae.')).sort().at(-1)!;
  const file = path.join(source, name);
  await truncate(file, (await stat(file)).size - 100);
  await expect(imported(source, 'bf16')).rejects.toThrow(name);
});

test.each([
  ['int8', 'SCB', ({ shape, data }: Tensor) => float32([shape[0]! - 1], (data as Float32Array).slice(1))],
  ['int8', 'SCB', ({ shape, data }: Tensor) => tensor('int8', shape, Int8Array.from(data as Float32Array))],
  ['nf4', 'weight.absmax', ({ shape, data }: Tensor) => float32([shape[0]! - 1], (data as Float32Array).slice(1))],
  ['nf4', 'weight.absmax', ({ shape, data }: Tensor) => tensor('int8', shape, Int8Array.from(data as Float32Array))],
  ['fp8 scaled', 'scale_weight', () => float32([3], Float32Array.of(1, 2, 3))],
  ['fp8 scaled', 'scale_weight', () => tensor('uint8', [], Uint8Array.of(1))],
] as const)('%s: %s of another shape or type is refused', async (kind, name, change) => {
  const source = await changed(kind, weight.replace(/weight$/, name), change);
  await expect(imported(source, 'bf16')).rejects.toThrow(weight.replace(/\.weight$/, ''));
});
