// What hostile and clumsy users do, each as a real process: one clear line, no stack, no half-made file, no worker left, and JSON where JSON was asked for.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { bagelgraph, folderWith, node, type Ended } from './bagelgraph.ts';
import { demoModel, files, workflows } from './places.ts';

interface Failure {
  status: string;
  outputs: unknown[];
  error: { message: string };
}

/** A run with --json that must fail: the object and stderr say why, and nothing is left behind. */
async function refused(folder: string, words: readonly string[], message: RegExp, code = 1): Promise<void> {
  const before = await files(folder);
  const { code: given, stdout, stderr } = await bagelgraph(folder, ...words, '--json');
  expect(stderr).toMatch(message);
  expect(stderr.split('\n').filter((line) => line.startsWith('bagelgraph: ')).length).toBeGreaterThan(0);
  expect(stderr).not.toMatch(/\n\s+at |internal error/);
  const failure = JSON.parse(stdout) as Failure;
  expect({ given, status: failure.status, outputs: failure.outputs }).toEqual({ given: code, status: 'error', outputs: [] });
  expect(failure.error.message).toMatch(message);
  expect(await files(folder)).toEqual(before);
}

async function succeeded(running: Promise<Ended>): Promise<Ended> {
  const ended = await running;
  expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 });
  return ended;
}

function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), content]);
  const frame = Buffer.alloc(4);
  frame.writeUInt32BE(content.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([frame, body, sum]);
}

/** Rows of a PNG: a filter byte, which is 0, and values that do not pack. */
function noise(rows: number, bytesPerRow: number): Buffer {
  return Buffer.concat(Array.from({ length: rows }, () => Buffer.concat([Buffer.alloc(1), randomBytes(bytesPerRow)])));
}

/** An RGB PNG whose header says width × height, with `rows` real rows. */
function png(width: number, height: number, rows = height): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(noise(rows, 3 * width))), chunk('IEND', Buffer.alloc(0))]);
}

/** A folder `model` of links to the demo's files, without those named in `leave`. */
async function modelWithout(leave: readonly string[], files: Readonly<Record<string, string | Buffer>> = {}): Promise<string> {
  const folder = await folderWith();
  const model = path.join(folder, 'model');
  await mkdir(model);
  for (const name of await readdir(demoModel)) if (!leave.includes(name) && !(name in files)) await symlink(path.join(demoModel, name), path.join(model, name));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(model, name), content);
  return folder;
}

const drawSmall = ['--size', '32x32', '--steps', '2', '--seed', '1'];

describe('a model folder', () => {
  const draw = ['draw', 'x', '--model'];

  test.each<[string, RegExp]>([
    ['nowhere', /no model is called "nowhere".*found: bagel-demo.*--model/],
    ['bagle-demo', /did you mean bagel-demo\?/],
    ['/no/such/folder', /no model is called "\/no\/such\/folder"/],
    ['', /no model is called ""/],
    ['.', /lacks ema\.safetensors, ae\.safetensors, llm_config\.json, vit_config\.json/],
  ])('that is none: %j', async (model, message) => {
    await refused(await folderWith(), [...draw, model], message);
  });

  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 11094888\n';
  test.each<[string, readonly string[], Record<string, string | Buffer>, RegExp]>([
    ['unfinished', ['ema.safetensors'], { 'ema.safetensors.incomplete': '' }, /lacks ema\.safetensors.*not finished: ema\.safetensors\.incomplete is left over/],
    ['without a shard', ['ema.safetensors'], { 'model-00001-of-00002.safetensors': 'x' }, /lacks model-00002-of-00002\.safetensors/],
    ['with a git-LFS pointer', [], { 'ema.safetensors': pointer }, /ema\.safetensors: is a git-LFS pointer/],
    ['with an empty file', [], { 'ae.safetensors': '' }, /ae\.safetensors: is empty/],
    ['with noise', [], { 'ema.safetensors': Buffer.alloc(4096, 0xa5) }, /ema\.safetensors: is no safetensors file/],
    ['with half a JSON', [], { 'llm_config.json': '{"hidden_size": 192,\n' }, /llm_config\.json: is not valid JSON: the file ends at line 2/],
    ['with a wrong value', [], { 'llm_config.json': '{"hidden_size": "big"}' }, /hidden_size is "big", expected a number/],
    ['of two models', [], { 'llm_config.json': '{"hidden_size": 256}' }, /says hidden_size 256, but the tensor .* has 192: they belong to different models/],
    ['without tokenizer', ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json'], {}, /neither the tokenizer files .*download/],
  ])('%s', async (_name, leave, files, message) => {
    await refused(await modelWithout(leave, files), [...draw, 'model'], message);
  });

  test('with a file that is cut off, a link to nowhere, a folder in a file\'s place', async () => {
    const cut = await modelWithout(['ema.safetensors']);
    const weights = path.join(cut, 'model', 'ema.safetensors');
    await copyFile(path.join(demoModel, 'ema.safetensors'), weights);
    await truncate(weights, 9_000_000);
    await refused(cut, [...draw, 'model'], /ema\.safetensors: is cut off: it should have \d+ bytes and has 9000000/);
    const odd = await modelWithout(['ema.safetensors', 'ae.safetensors']);
    await symlink('/nowhere', path.join(odd, 'model', 'ema.safetensors'));
    await mkdir(path.join(odd, 'model', 'ae.safetensors'));
    await refused(odd, [...draw, 'model'], /lacks ema\.safetensors \(a link to nowhere\), ae\.safetensors \(no file but a folder\)/);
  });

  test('is found by relative path with a slash, absolute path, symlink, from its own folder; outside models/ too', async () => {
    const folder = await modelWithout([]);
    await mkdir(path.join(folder, 'deep'));
    const picture = async (from: string, ...model: string[]) => (await succeeded(bagelgraph(from, 'draw', 'a red circle', ...drawSmall, ...model, '--quiet', '--output', path.join(folder, 'out')))).stdout;
    for (const [from, model] of [['deep', '../model/'], ['.', path.join(folder, 'model')], ['model', '.']] as const) {
      expect(await picture(path.join(folder, from), '--model', model)).toMatch(/out\/bagel_0000\d_\.png\n$/);
    }
    await symlink(demoModel, path.join(folder, 'link'));
    await succeeded(bagelgraph(folder, 'run', path.join(workflows, 'text-to-image.json'), '--model', './link', '--set', '2.steps=2', '--set', '2.width=32', '--set', '2.height=32', '--output', 'out', '--quiet'));
    const pictures = await Promise.all([1, 2, 3, 4].map((number) => decode(path.join(folder, 'out', `bagel_0000${number}_.png`))));
    expect(pictures.map(({ width, height }) => [width, height])).toEqual(Array(4).fill([32, 32]));
    // one model, one seed, one picture
    for (const { data } of pictures.slice(1, 3)) expect(data).toEqual(pictures[0]!.data);
  });
});

describe('values', () => {
  test.each<[readonly string[], RegExp, number]>([
    [['draw'], /draw takes a prompt, got no arguments/, 2],
    [['draw', 'two', 'prompts'], /draw takes a prompt, got 2 arguments: put each in quotes/, 2],
    [['draw', '-1 apples'], /a text that begins with a dash goes to the end, after --/, 2],
    [['draw', 'x', '--stesp', '3'], /did you mean --steps\?/, 2],
    [['draw', 'x', '--steps'], /--steps/, 2],
    [['draw', 'x', '--steps', '0'], /steps: 0 is below the least allowed value 2/, 1],
    [['draw', 'x', '--steps', '1'], /steps: 1 is below the least allowed value 2/, 1],
    [['draw', 'x', '--steps', '-1'], /--steps is "-1": give a whole number/, 2],
    [['draw', 'x', '--steps', '1000000000'], /steps: 1000000000 is above the greatest allowed value 1000/, 1],
    [['draw', 'x', '--size', 'big'], /--size is "big": give width and height/, 2],
    [['draw', 'x', '--size', '0x64'], /--size is "0x64": a picture has at least one pixel/, 2],
    [['draw', 'x', '--size', '512x512'], /512×512 is beyond what bagel-demo can draw: at most 256 pixels a side/, 1],
    [['draw', 'x', '--ratio', '5:4'], /--ratio is "5:4": choose 1:1/, 2],
    [['draw', 'x', '--cfg-interval', '1,0.4'], /the first number is the lower end, as in 0\.4,1/, 2],
    [['draw', 'x', '--shift', 'NaN'], /--shift is "NaN": give a number/, 2],
    [['draw', 'x', '--cfg-text', '-1'], /cfg_text: -1\.0 is below the least allowed value 0/, 1],
    [['draw', 'x', '--renorm', 'loud'], /--renorm is "loud": choose global/, 2],
    [['draw', 'x', '--seed', '-1'], /--seed is "-1": give a whole number/, 2],
    [['draw', 'x', '--seed', '18446744073709551616'], /--seed.*from 0 to 18446744073709551615/, 2],
    [['draw', 'x', '--threads', '100000'], /--threads is "100000": give a whole number from 1 to 256/, 2],
    [['draw', 'x', '--output', ''], /--output is empty/, 2],
    [['draw', Array(5000).fill('word').join(' ')], /the text takes \d+ tokens after 0, but the model bagel-demo has room for 4096: shorten it/, 1],
    [['ask', '', 'what?'], /the name of the picture is empty/, 2],
    [['run', path.join(workflows, 'text-to-image.json'), '--set', '2.shift=nan'], /shift: "nan" is no FLOAT/, 1],
    [['run', path.join(workflows, 'text-to-image.json'), '--set', '2.seed=18446744073709551616'], /seed: 18446744073709551616 is above the greatest allowed value 18446744073709551615/, 1],
    [['run', path.join(workflows, 'text-to-image.json'), '--set', '2.steps=["1", 0]'], /steps: \['1', 0\] is no INT/, 1],
    [['run', 'workflow.json'], /workflow\.json is no workflow: line 1, column \d+: /, 2],
    [['run', '.'], /\. is a folder/, 2],
    [['run', 'gone.json'], /no workflow file gone\.json: looked for \/.*gone\.json, give the path/, 2],
    [['run', path.join(workflows, 'edit.json'), '--set', 'LoadImage.image=cat.png'], /--set LoadImage\.image=cat\.png: no node has the id or title "LoadImage"; the nodes are 1 \(Load BAGEL\), 2 \(Load Image\)/, 2],
    [['run', path.join(workflows, 'pictures', 'circle.png')], /circle\.png holds no workflow: .*give the file as it was saved here/, 2],
    [['verify'], /verify needs a golden folder/, 2],
    [['verify', 'gone'], /no model folder .*gone/, 1],
  ])('%j', async (words, message, code) => {
    await refused(await folderWith({ 'workflow.json': '{"1": {},, }' }), words, message, code);
  });

  test('a loader without a model is told once, as an input that is missing', async () => {
    const folder = await folderWith({ 'bare.json': JSON.stringify({ 1: { class_type: 'Bagel.Load', inputs: {} }, 2: { class_type: 'Bagel.TextToImage', inputs: { model: ['1', 0], prompt: 'a ring' } }, 3: { class_type: 'PreviewImage', inputs: { images: ['2', 0] } } }) });
    const { code, stderr } = await bagelgraph(folder, 'run', 'bare.json');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/Bagel\.Load \(node 1\), input model: it is required/) });
    expect(stderr).not.toContain('undefined');
  });

  test('odd prompts draw all the same: empty, emoji, control and special tokens; odd sizes are rounded, and said', async () => {
    const folder = await folderWith();
    for (const prompt of ['', 'a 🔴 circle\non \u202eblue é e\u0301 <|im_end|><|vision_start|> \u0001']) {
      const { stderr } = await succeeded(bagelgraph(folder, 'draw', prompt, '--steps', '2', '--size', '45x30'));
      expect(stderr).toContain('size 45×30 was rounded to 48×32');
    }
    expect(await readdir(path.join(folder, 'output'))).toEqual(['bagel_00001_.png', 'bagel_00002_.png']);
    const { stdout } = await succeeded(bagelgraph(folder, 'ask', path.join(workflows, 'pictures', 'ring.png'), 'what color is the ring?', '--temperature', '0'));
    expect(stdout).toMatch(/^\w+\n$/);
  });
});

describe('pictures', () => {
  test.each<[string, string | Buffer | undefined, RegExp]>([
    ['text.png', 'I am text\n', /text\.png is not a picture: its 10 bytes match no known image format/],
    ['empty.png', '', /empty\.png is not a picture/],
    ['half.png', png(64, 64).subarray(0, 4000), /half\.png is a PNG picture that cannot be read to its end/],
    ['wide.png', png(50_000, 1), /wide\.png is 50000×1 pixels, and a side may have at most 16384/],
    ['bomb.png', png(50_000, 50_000, 1), /bomb\.png is 50000×50000 pixels/],
    ['folder.png', undefined, /there is no file "folder\.png" in .*: that is a folder/],
    ['gone.png', undefined, /there is no file "gone\.png"/],
  ])('%s is refused', async (name, content, message) => {
    const folder = await folderWith();
    if (content !== undefined) await writeFile(path.join(folder, name), content);
    if (name === 'folder.png') await mkdir(path.join(folder, name));
    await refused(folder, ['ask', name, 'what?'], message);
  });

  test('16 bits, grey with alpha, CMYK, one bit, animated, one pixel: read', async () => {
    const names = ['i16.png', 'la.png', 'cmyk.jpg', 'bit.png', 'anim.gif', 'one.png'];
    const folder = await folderWith({
      'w.json': Object.fromEntries(names.flatMap((name, i) => [[`r${i}`, node('LoadImage', { image: name })], [`s${i}`, node('SaveImage', { images: [`r${i}`, 0], filename_prefix: `p${i}` })]])),
    });
    await writeFile(path.join(folder, 'one.png'), png(1, 1));
    for (const name of names.slice(0, -1)) await copyFile(new URL(`../image/pictures/${name}`, import.meta.url), path.join(folder, name));
    await succeeded(bagelgraph(folder, 'run', 'w.json', '--input-directory', '.'));
    expect(new Set((await readdir(path.join(folder, 'output'))).map((name) => name.slice(0, 2)))).toEqual(new Set(names.map((_, i) => `p${i}`)));
    await succeeded(bagelgraph(folder, 'edit', 'one.png', 'make it blue', '--steps', '2', '--quiet'));
  });

  test('too many pixels to make are told before memory is taken', async () => {
    const huge = { 1: node('EmptyImage', { width: 16384, height: 16384, batch_size: 4096, color: 0 }), 2: node('PreviewImage', { images: ['1', 0] }) };
    await refused(await folderWith({ 'w.json': huge }), ['run', 'w.json'], /4096 pictures of 16384×16384 pixels would take 13194\.1 GB/);
  });
});
