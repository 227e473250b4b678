import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decode } from '../../../engine/image/decode.ts';
import { readMetadata } from '../../../engine/image/metadata.ts';
import { overWhite, pixelsFromFloat, withMask } from '../../../engine/image/pixels.ts';
import { volatile, type Image } from '../../../engine/graph/node.ts';
import type { Json, JsonObject } from '../../../engine/formats/json.ts';
import type { Mask } from '../../../engine/graph/types.ts';
import { LoadImage } from '../../../nodes/core/load-image.ts';
import { PreviewImage, SaveImage } from '../../../nodes/core/save-image.ts';
import { testContext, type TestContext } from '../../support/context.ts';

const picture = (name: string): string => fileURLToPath(new URL(`../../image/pictures/${name}`, import.meta.url));

async function withPictures(...names: string[]): Promise<TestContext> {
  const made = await testContext();
  for (const name of names) await copyFile(picture(name), join(made.folder.input, name));
  return made;
}

const load = async (made: TestContext, image: string): Promise<[Image, Mask]> => (await LoadImage.run({ image }, made.context)) as [Image, Mask];

describe('LoadImage', () => {
  test('gives the picture and an empty 64×64 mask where there is no alpha', async () => {
    const [image, mask] = await load(await withPictures('rgb.png'), 'rgb.png');
    expect(image).toMatchObject({ width: 60, height: 40, batch: 1, channels: 3 });
    const { data } = await decode(picture('rgb.png'));
    expect([...image.data.slice(-3)]).toEqual([...data.slice(-3)].map((v) => Math.fround(v / 255)));
    expect(mask).toEqual({ width: 64, height: 64, batch: 1, data: new Float32Array(4096) });
  });

  test('gives the colours under transparency, and 1 − alpha', async () => {
    const [image, mask] = await load(await withPictures('rgba.png'), 'rgba.png');
    const { data } = await decode(picture('rgba.png'));
    expect(image.channels).toBe(3);
    expect(image.data.slice(30, 33)).toEqual(Float32Array.from(data.slice(40, 43), (v) => v / 255));
    expect(mask).toMatchObject({ width: 60, height: 40, batch: 1 });
    expect([mask.data[0], mask.data[10]]).toEqual([1, Math.fround(1 - Math.fround(40 / 255))]);
  });

  test('picture and mask together give back the file over white, byte for byte', async () => {
    const [image, mask] = await load(await withPictures('rgba.png'), 'rgba.png');
    const file = await decode(picture('rgba.png'));
    expect(withMask(pixelsFromFloat(image), mask)).toEqual(file);
    expect(overWhite(withMask(pixelsFromFloat(image), mask)).data[0]).toBe(255);
    const opaque = pixelsFromFloat((await load(await withPictures('rgb.png'), 'rgb.png'))[0]);
    expect(withMask(opaque, { width: 64, height: 64, batch: 1, data: new Float32Array(4096) })).toBe(opaque);
  });

  test('honours the EXIF orientation', async () => {
    const [image] = await load(await withPictures('o6.jpg'), 'o6.jpg');
    expect(image).toMatchObject({ width: 40, height: 60 });
  });

  test('loads every frame of an animation', async () => {
    const [image, mask] = await load(await withPictures('anim.gif'), 'anim.gif');
    expect([image.batch, mask.batch]).toEqual([2, 2]);
  });

  test('finds a file in another folder by `name [output]`', async () => {
    const made = await testContext();
    await copyFile(picture('rgb.png'), join(made.folder.output, 'made.png'));
    const [image] = await load(made, 'made.png [output]');
    expect(image.width).toBe(60);
  });

  test('offers the pictures of the input folder', async () => {
    const made = await withPictures('rgb.png', 'anim.gif', 'expected.json');
    const { choices } = LoadImage.inputs['image']!;
    expect(typeof choices === 'function' && (await choices(made.environment))).toEqual(['anim.gif', 'rgb.png']);
  });

  test('accepts what can be found and says what cannot', async () => {
    const made = await withPictures('rgb.png');
    const check = (image: unknown): unknown => LoadImage.validate!.check({ image }, {}, made.environment);
    expect(await check('rgb.png')).toBe(true);
    expect(await check(undefined)).toBe(true);
    expect(await check('none.png')).toMatch(/^Invalid image file: none\.png/);
  });

  test('depends on the content of the file', async () => {
    const made = await withPictures('rgb.png');
    const fingerprint = (image?: string): unknown => LoadImage.fingerprint!({ image }, made.environment);
    const before = await fingerprint('rgb.png');
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint('rgb.png')).toBe(before);
    await copyFile(picture('l.png'), join(made.folder.input, 'rgb.png'));
    expect(await fingerprint('rgb.png')).not.toBe(before);
    expect(await fingerprint()).toBe(volatile);
  });

  test('names a file that is no picture', async () => {
    const made = await testContext();
    await writeFile(join(made.folder.input, 'notes.png'), 'not a picture at all');
    await expect(load(made, 'notes.png')).rejects.toThrow('notes.png is not a picture');
  });
});

const grey = (value: number, batch = 1): Image => ({ width: 4, height: 2, batch, channels: 3, data: new Float32Array(batch * 24).fill(value) });
const request = {
  prompt: new Map<string, Json>([['3', new Map<string, Json>([['class_type', 'SaveImage'], ['inputs', new Map<string, Json>([['text', 'grün'], ['seed', 2n ** 60n], ['cfg', 4]])]])]]),
  extras: new Map<string, Json>([['workflow', new Map<string, Json>([['nodes', []]])]]),
};
const shownFiles = (made: TestContext): JsonObject[] => (made.shown[0] as ReadonlyMap<string, JsonObject[]>).get('images')!;

describe('SaveImage', () => {
  test('numbers files, fills the prefix and shows them', async () => {
    const made = await testContext({ request });
    await SaveImage.run({ images: grey(0.5, 2), filename_prefix: 'sub/%width%x%height%' }, made.context);
    expect(shownFiles(made).map((file) => Object.fromEntries(file))).toEqual([
      { filename: '4x2_00001_.png', subfolder: 'sub', type: 'output' },
      { filename: '4x2_00002_.png', subfolder: 'sub', type: 'output' },
    ]);
    expect((await decode(join(made.folder.output, 'sub/4x2_00002_.png'))).data.every((v) => v === 127)).toBe(true);
  });

  test.each([[0.1, 25], [0.2, 51], [0.3, 76], [0.25, 63], [0.5, 127], [2 / 3, 170], [1.5, 255], [-1, 0]])('%f is stored as %d', async (value, byte) => {
    const made = await testContext();
    await SaveImage.run({ images: grey(value), filename_prefix: 'x' }, made.context);
    expect((await decode(join(made.folder.output, 'x_00001_.png'))).data[0]).toBe(byte);
  });

  test('keeps prompt and workflow in ASCII, without losing digits', async () => {
    const made = await testContext({ request });
    await SaveImage.run({ images: grey(0), filename_prefix: 'x' }, made.context);
    const metadata = readMetadata(await readFile(join(made.folder.output, 'x_00001_.png')));
    expect(Object.fromEntries(metadata)).toEqual({
      prompt: '{"3":{"class_type":"SaveImage","inputs":{"text":"gr\\u00fcn","seed":1152921504606846976,"cfg":4.0}}}',
      workflow: '{"nodes":[]}',
    });
  });

  test('stops between pictures when the run is cancelled', async () => {
    const made = await testContext({ signal: AbortSignal.abort() });
    await expect(SaveImage.run({ images: grey(0), filename_prefix: 'x' }, made.context)).rejects.toThrow(/abort/i);
  });
});

test('PreviewImage writes to the temp folder under one word a process', async () => {
  const made = await testContext({ request });
  await PreviewImage.run({ images: grey(1) }, made.context);
  await PreviewImage.run({ images: grey(1) }, made.context);
  expect(Object.fromEntries(shownFiles(made)[0]!)).toEqual({ filename: expect.stringMatching(/^ComfyUI_temp_[a-z]{5}_00001_\.png$/) as unknown, subfolder: '', type: 'temp' });
  expect(made.shown).toHaveLength(2);
});
