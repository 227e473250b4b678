// Weights as others store them, against values computed by others: DF11 by its official encoder, the rest in numpy (golden/README.md).
// And files in which something is missing or damaged.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { arrayFor } from '../../../engine/tensor/dtype.ts';
import { openSafetensors, writeSafetensors } from '../../../engine/tensor/safetensors.ts';
import { bytesView, float32, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { JsonSection } from '../../../nodes/bagel/model/config.ts';
import { detectWeights, type Detected } from '../../../nodes/bagel/weights/detect.ts';
import { readRows } from '../../../nodes/bagel/weights/encoding.ts';
import { readGolden } from '../../support/golden.ts';

const golden = readGolden('encodings.safetensors');
const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-encodings-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

/** Writes tensors to a file and tells what they are. */
async function detect(tensors: Record<string, Tensor>, config?: Record<string, unknown>): Promise<Detected> {
  const file = path.join(directory, `${files++}.safetensors`);
  await writeSafetensors(file, new Map(Object.entries(tensors)));
  return detectWeights((await openSafetensors(file)).entries, config && new JsonSection('config.json', config));
}

const of = (key: string): Tensor => golden.get(key)!;
const bytes = (values: readonly number[]) => tensor('uint8', [values.length], Uint8Array.from(values));

/** Every way to cut the rows of a weight gives the same rows. */
async function expectRows(detected: Detected, key: string, expected: Tensor): Promise<void> {
  const one = detected.tensors.get(key)!;
  const rows = one.shape[0]!;
  const columns = expected.data.length / rows;
  for (const [first, end] of [[0, rows], [1, rows], [0, 1], [rows - 1, rows], [Math.floor(rows / 3), Math.floor(rows / 2)]] as const) {
    const { dtype, shape, data } = await readRows(one, first, end);
    expect([dtype, shape]).toEqual([expected.dtype, [end - first, ...one.shape.slice(1)]]);
    expect(data).toEqual(expected.data.slice(first * columns, end * columns));
  }
}

describe('DF11', () => {
  const config = { dfloat11_config: { version: '0.5.0', threads_per_block: [512], bytes_per_thread: 8, pattern_dict: { 'language_model\\.model\\.layers\\.\\d+': ['self_attn.k_proj', 'mlp.gate_proj', 'self_attn.o_proj'] } } };
  const name = 'language_model.model.layers.0';
  const pieces = (): Record<string, Tensor> => ({
    ...Object.fromEntries(['luts', 'encoded_exponent', 'sign_mantissa', 'output_positions', 'gaps', 'split_positions'].map((piece) => [`${name}.${piece}`, of(`df11.${piece}`)])),
    'language_model.model.norm.weight': float32([100], new Float32Array(100)),
  });
  const values = of('df11.values').data as Uint16Array;
  const part = (first: number, end: number) => tensor('bfloat16', [(end - first) / 100, 100], values.slice(first, end));

  test('every weight comes back bit for bit, whatever rows are read', async () => {
    const detected = await detect(pieces(), config);
    expect(detected.formats[0]).toBe('DF11');
    await expectRows(detected, `${name}.self_attn.k_proj.weight`, part(0, 6000));
    await expectRows(detected, `${name}.mlp.gate_proj.weight`, part(6000, 26000));
  });
  test('the shape follows from the width of the model, and for outputs of its width the other way round', async () => {
    const { tensors } = await detect(pieces(), config);
    expect([...tensors.values()].map(({ key, shape }) => [key, shape])).toEqual([
      [`${name}.self_attn.k_proj.weight`, [60, 100]], [`${name}.mlp.gate_proj.weight`, [200, 100]], [`${name}.self_attn.o_proj.weight`, [100, 40]], ['language_model.model.norm.weight', [100]],
    ]);
    await expectRows({ tensors, formats: [] }, `${name}.self_attn.o_proj.weight`, tensor('bfloat16', [100, 40], values.slice(26000)));
  });

  test('config.json is needed, and must name the block', async () => {
    await expect(detect(pieces())).rejects.toThrow('no dfloat11_config with a pattern_dict');
    await expect(detect(pieces(), { dfloat11_config: { ...config.dfloat11_config, pattern_dict: { other: [] } } })).rejects.toThrow('no pattern of its pattern_dict fits');
    await expect(detect(pieces(), { dfloat11_config: { ...config.dfloat11_config, pattern_dict: { '(': [] } } })).rejects.toThrow('"(" is no regular expression');
    await expect(detect(pieces(), { dfloat11_config: { ...config.dfloat11_config, pattern_dict: { '.*layers.*': ['a'] } } })).rejects.toThrow('config.json names 1 weights');
  });
  test('a piece that is missing is named', async () => {
    const { [`${name}.gaps`]: _, ...rest } = pieces();
    await expect(detect(rest, config)).rejects.toThrow(`${name}.gaps that belongs to it is missing`);
  });
  test('pieces whose sizes do not fit one another are refused', async () => {
    await expect(detect({ ...pieces(), [`${name}.gaps`]: bytes([1, 2, 3]) }, config)).rejects.toThrow('3 bytes of gaps for 3 blocks, expected 960');
    await expect(detect({ ...pieces(), [`${name}.sign_mantissa`]: tensor('uint8', [29999], (of('df11.sign_mantissa').data as Uint8Array).slice(1)) }, config)).rejects.toThrow('it has 29999 values by its signs and 30000 by its starts');
  });

  const flip = (piece: string, at: number, mask: number): Record<string, Tensor> => {
    const given = of(`df11.${piece}`);
    const data = Uint8Array.from(bytesView(given));
    data[at]! ^= mask;
    return { ...pieces(), [`${name}.${piece}`]: tensor('uint8', given.shape, data) };
  };
  const readAll = async (tensors: Record<string, Tensor>) => {
    for (const one of (await detect(tensors, config)).tensors.values()) await readRows(one, 0, one.shape[0]!);
  };
  test.each([['a start', 'output_positions', 4, 1], ['a gap', 'gaps', 320, 0x80], ['a table', 'luts', 40, 0x7f], ['the length of a code', 'luts', 512 + 121, 3]])('damage to %s is found', async (_what, piece, at, mask) => {
    await expect(readAll(flip(piece, at, mask))).rejects.toThrow(/is damaged \(.*\)\. Download the file again/);
  });
  test('damage to most bits of the codes is found', async () => {
    let found = 0;
    const places = Array.from({ length: 24 }, (_, i) => 200 + i * 397);
    for (const place of places) await readAll(flip('encoded_exponent', place, 1 << (place % 8))).then(() => undefined, () => { found++; });
    expect(found).toBeGreaterThan(places.length / 2);
  });
});

describe('LLM.int8', () => {
  const tensors = () => ({ 'a.weight': of('int8.weight'), 'a.SCB': of('int8.SCB'), 'a.weight_format': tensor('uint8', [], Uint8Array.of(0)) });
  test('rows come back', async () => {
    const detected = await detect(tensors());
    expect([...detected.tensors.keys()]).toEqual(['a.weight']);
    expect(detected.formats).toEqual(['INT8 (LLM.int8)']);
    await expectRows(detected, 'a.weight', of('int8.values'));
  });
  test('without scales, with other ones, or in the order of one kind of GPU it is refused', async () => {
    await expect(detect({ 'a.weight': of('int8.weight') })).rejects.toThrow('a.SCB that belongs to it is missing');
    await expect(detect({ ...tensors(), 'a.SCB': float32([3], [1, 2, 3]) })).rejects.toThrow('int8 [24, 40] with SCB float32 [3]');
    await expect(detect({ ...tensors(), 'a.weight_format': tensor('uint8', [], Uint8Array.of(2)) })).rejects.toThrow('weight_format 2');
  });
});

describe.each(['nf4', 'double'])('NF4: %s', (kind) => {
  const tensors = () => Object.fromEntries([...golden].filter(([key]) => key.startsWith(`${kind}.weight`)));
  test('rows come back', async () => {
    const detected = await detect(tensors());
    expect([...detected.tensors.keys()]).toEqual([`${kind}.weight`]);
    expect(detected.formats).toEqual(['NF4']);
    await expectRows(detected, `${kind}.weight`, of(`${kind}.values`));
  });
  test.each([...golden.keys()].filter((key) => key.startsWith(`${kind}.weight.`)))('without %s it is refused', async (key) => {
    const { [key]: _, ...rest } = tensors();
    await expect(detect(rest)).rejects.toThrow(`${key} that belongs to it is missing`);
  });
  test('a quant_state that says other things is refused', async () => {
    const state = (text: string) => detect({ ...tensors(), [`${kind}.weight.quant_state.bitsandbytes__nf4`]: bytes([...new TextEncoder().encode(text)]) });
    await expect(state('{')).rejects.toThrow('a quant_state that is no JSON: "{"');
    await expect(state('{}')).rejects.toThrow('without block size and shape');
    await expect(state('{"blocksize":64,"shape":[41,52]}')).rejects.toThrow('[1040, 1] for 2132 values of 4 bits');
    await expect(state('{"blocksize":32,"shape":[40,52]}')).rejects.toThrow('33 scales and a table of 16, expected 65 and 16');
  });
});

test('FP4 is the same with another table', async () => {
  const table = float32([16], Float32Array.from({ length: 16 }, (_, i) => (i < 8 ? i / 7 : (8 - i) / 8)));
  const state = 'nf4.weight.quant_state.bitsandbytes__nf4';
  const detected = await detect({ 'a.weight': of('nf4.weight'), 'a.weight.absmax': of('nf4.weight.absmax'), 'a.weight.quant_map': table, 'a.weight.quant_state.bitsandbytes__fp4': of(state) });
  const codes = of('nf4.weight').data as Uint8Array;
  const values = Float32Array.from({ length: 2080 }, (_, i) => (table.data as Float32Array)[i % 2 === 0 ? codes[i >> 1]! >> 4 : codes[i >> 1]! & 15]! * (of('nf4.weight.absmax').data as Float32Array)[i >> 6]!);
  await expectRows(detected, 'a.weight', float32([40, 52], values));
});

describe('FP8', () => {
  const weight = of('fp8.weight');
  const rowless = () => (of('fp8.values.row').data as Float32Array).map((value, i) => value / (of('fp8.row').data as Float32Array)[Math.floor(i / 130)]!);
  const scaled = (by: number) => float32([132, 130], rowless().map((value) => Math.round(value * 512) / 512 * by));
  test('as it is', async () => expectRows(await detect({ 'a.weight': weight }), 'a.weight', scaled(1)));
  test.each(['a.scale_weight', 'a.weight_scale'])('one scale: %s', async (key) => {
    await expectRows(await detect({ 'a.weight': weight, [key]: float32([], [0.25]), scaled_fp8: tensor('float8e4m3fn', [0], new Uint8Array(0)), 'a.scale_input': float32([], [1]) }), 'a.weight', scaled(0.25));
  });
  test('a scale a row', async () => expectRows(await detect({ 'a.weight': weight, 'a.weight_scale': of('fp8.row') }), 'a.weight', of('fp8.values.row')));
  test('a scale a block', async () => expectRows(await detect({ 'a.weight': weight, 'a.weight_scale_inv': of('fp8.tile') }), 'a.weight', of('fp8.values.tile')));
  test('other scales are refused', async () => {
    await expect(detect({ 'a.weight': weight, 'a.weight_scale': float32([3], [1, 2, 3]) })).rejects.toThrow('scales [3] for float8 [132, 130]');
  });
});

test('what is stored plainly stays what it is', async () => {
  const plain = Object.fromEntries((['bfloat16', 'float16', 'float32'] as const).map((dtype) => [dtype, tensor(dtype, [4, 3], new (arrayFor(dtype))(12).fill(15 as never))]));
  const detected = await detect(plain);
  for (const [key, value] of Object.entries(plain)) await expectRows(detected, key, value);
  expect([...detected.formats].sort()).toEqual(['bfloat16', 'float16', 'float32']);
});
