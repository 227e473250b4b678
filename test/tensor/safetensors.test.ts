// Safetensors files: exact against the golden files read by other code, lazy beyond 4 GiB, and clear about what is wrong with a damaged one.
import { mkdtemp, open, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { arrayFor, type DType } from '../../engine/tensor/dtype.ts';
import { openSafetensors, writeSafetensors, writeSafetensorsFrom } from '../../engine/tensor/safetensors.ts';
import { bytesView, float32, int64, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import { goldenPath, readGolden } from '../support/golden.ts';

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'safetensors-')); });
afterAll(() => rm(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

async function writeRaw(name: string, header: unknown, data = new Uint8Array(0)): Promise<string> {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  await writeFile(at(name), Buffer.concat([length, Buffer.from(text), data]));
  return at(name);
}

test('reads what the golden reader reads', async () => {
  const expected = readGolden('nano/expected.safetensors');
  const file = await openSafetensors(goldenPath('nano/expected.safetensors'));
  expect([...file.entries.keys()]).toEqual([...expected.keys()]);
  for (const [key, one] of expected) {
    const read = await file.read(key);
    expect([read.dtype, read.shape]).toEqual([one.dtype, one.shape]);
    expect(Buffer.compare(bytesView(read), bytesView(one)), key).toBe(0);
  }
});

const allTypes: DType[] = ['float64', 'float32', 'float16', 'bfloat16', 'float8e4m3fn', 'int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8', 'bool', 'uint4'];

test('writes and reads every element type, scalars and empty tensors', async () => {
  const tensors = new Map<string, Tensor>(allTypes.map((dtype) => {
    const data = new (arrayFor(dtype))(dtype === 'uint4' ? 3 : 6);
    bytesView({ dtype, shape: [], data }).forEach((_, i, bytes) => { bytes[i] = i + 1; });
    return [`a ${dtype} "quoted" ü`, tensor(dtype, [2, 3], data)];
  }));
  tensors.set('scalar', float32([], [7]));
  tensors.set('none', int64([0, 4], []));
  await writeSafetensors(at('types.safetensors'), tensors, { format: 'pt' });
  const file = await openSafetensors(at('types.safetensors'));
  expect([...file.metadata]).toEqual([['format', 'pt']]);
  for (const [key, one] of tensors) expect(await file.read(key)).toEqual(one);
  expect(file.entries.get('scalar')!.offset).toBeGreaterThan(8);
  expect(await readdir(folder)).toEqual(['types.safetensors']);
});

test('reads beyond 4 GiB without reading what lies before', async () => {
  const far = 5 * 2 ** 30 + 12;
  const path = await writeRaw('sparse.safetensors', {
    big: { dtype: 'U8', shape: [far], data_offsets: [0, far] },
    small: { dtype: 'F32', shape: [2], data_offsets: [far, far + 8] },
  });
  const start = (await readFile(path)).length;
  await truncate(path, start + far + 8);
  const handle = await open(path, 'r+');
  await handle.write(new Uint8Array(Float32Array.of(1.5, -2).buffer), 0, 8, start + far);
  await handle.close();
  const file = await openSafetensors(path);
  expect(file.entries.get('small')!.offset).toBe(start + far);
  expect(await file.read('small')).toEqual(float32([2], [1.5, -2]));
});

test('the content key follows header, size and time', async () => {
  await writeSafetensors(at('key.safetensors'), new Map([['a', float32([1], [1])]]));
  const first = (await openSafetensors(at('key.safetensors'))).contentKey;
  expect((await openSafetensors(at('key.safetensors'))).contentKey).toBe(first);
  await writeSafetensors(at('key.safetensors'), new Map([['b', float32([1], [1])]]));
  expect((await openSafetensors(at('key.safetensors'))).contentKey).not.toBe(first);
});

describe('writing', () => {
  test('refuses bytes that do not fit the plan and leaves no file', async () => {
    const wrong = writeSafetensorsFrom(at('wrong.safetensors'), [{ key: 'a', dtype: 'float32', shape: [2] }], () => [new Uint8Array(4)]);
    await expect(wrong).rejects.toThrow(/wrong\.safetensors: tensor a \[2\] of float32 takes 8 bytes, 4 were given/);
    expect((await readdir(folder)).filter((name) => name.startsWith('wrong'))).toEqual([]);
  });
  test('takes pieces', async () => {
    const pieces = [Uint8Array.of(1, 2), Uint8Array.of(3)];
    await writeSafetensorsFrom(at('pieces.safetensors'), [{ key: 'a', dtype: 'uint8', shape: [3] }], () => pieces);
    expect((await (await openSafetensors(at('pieces.safetensors'))).read('a')).data).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe('damaged files', () => {
  const one = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const refused = async (path: string, message: RegExp) => expect(openSafetensors(path)).rejects.toThrow(message);

  test('cut off', async () => {
    const path = await writeRaw('cut.safetensors', { a: one, b: { ...one, data_offsets: [8, 16] } }, new Uint8Array(12));
    const size = (await readFile(path)).length;
    await refused(path, new RegExp(`cut\\.safetensors: is cut off: it should have ${size + 4} bytes and has ${size}\\. 1 tensor of 2 lies beyond the end, the first is b \\(8 bytes at ${size - 4}\\)\\. Download it again`));
  });
  test('cut off after it was opened', async () => {
    const path = await writeRaw('later.safetensors', { a: one }, new Uint8Array(8));
    const file = await openSafetensors(path);
    await truncate(path, (await readFile(path)).length - 4);
    await expect(file.read('a')).rejects.toThrow(/ended while reading a: 8 bytes expected at \d+, got 4\. Download it again/);
  });
  test('cut off inside the header', async () => {
    const path = await writeRaw('head.safetensors', { a: one });
    await truncate(path, 20);
    await refused(path, /ends inside its header: the header needs \d+ bytes, the file has 20/);
  });
  test('overlap', async () => refused(await writeRaw('overlap.safetensors', { a: one, b: { ...one, data_offsets: [4, 12] } }, new Uint8Array(12)), /tensors a and b overlap/));
  test('offsets that do not fit the shape', async () => refused(await writeRaw('fit.safetensors', { a: { ...one, shape: [3] } }, new Uint8Array(8)), /tensor a \[3\] of F32 needs 12 bytes, but its offsets \[0, 8\] give 8/));
  test('negative offsets', async () => refused(await writeRaw('negative.safetensors', { a: { ...one, data_offsets: [-8, 0] } }), /tensor a has the offsets \[-8,0\]/));
  test('unknown type', async () => refused(await writeRaw('type.safetensors', { a: { ...one, dtype: 'F4' } }), /tensor a has the type "F4"; known are F64, F32/));
  test('wrong shape', async () => refused(await writeRaw('shape.safetensors', { a: { ...one, shape: [1.5] } }), /tensor a has the shape \[1.5\]/));
  test('no JSON', async () => refused(await writeRaw('json.safetensors', '{"a": '), /its header is no JSON/));
  test('no object', async () => refused(await writeRaw('list.safetensors', '[]          '), /its header is no JSON object/));
  test('huge header', async () => {
    await writeFile(at('huge.safetensors'), Buffer.from('ffffffffffffff7f0000', 'hex'));
    await refused(at('huge.safetensors'), /is no safetensors file: its header would be/);
  });
  test('empty', async () => {
    await writeFile(at('empty.safetensors'), '');
    await refused(at('empty.safetensors'), /is empty, too short/);
  });
  test('a git-LFS pointer', async () => {
    await writeFile(at('lfs.safetensors'), 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 29000000000\n');
    await refused(at('lfs.safetensors'), /is a git-LFS pointer, not the weights themselves/);
  });
  test('a web page', async () => {
    await writeFile(at('page.safetensors'), '<!DOCTYPE html><title>Sign in</title>');
    await refused(at('page.safetensors'), /is a web page/);
  });
  test('an unknown key', async () => {
    const file = await openSafetensors(await writeRaw('known.safetensors', { a: one }, new Uint8Array(8)));
    await expect(file.read('b')).rejects.toThrow(/holds no tensor b; it has 1: a/);
  });
});
