// bagelgraph run as a user runs it: real processes, real files, and each mistake with its own words.
import { chmod, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bagelgraph, folderWith, node, slowPack, start } from './bagelgraph.ts';

const picture = { 1: node('EmptyImage', { width: 64, height: 48, batch_size: 1, color: 255 }, 'Canvas'), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'pic' }) };
const text = { 1: node('PrimitiveString', { value: 'hello' }, 'Words'), 2: node('PreviewAny', { source: ['1', 0] }) };
const editorForm = {
  last_node_id: 2, last_link_id: 1, version: 0.4, groups: [], config: {}, extra: {},
  nodes: [
    { id: 1, type: 'EmptyImage', mode: 0, order: 0, inputs: [], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [1] }], widgets_values: [32, 16, 1, 0] },
    { id: 2, type: 'SaveImage', mode: 0, order: 1, title: 'Keep', inputs: [{ name: 'images', type: 'IMAGE', link: 1 }], outputs: [], widgets_values: ['editor'] },
  ],
  links: [[1, 1, 0, 2, 0, 'IMAGE']],
};

interface Printed {
  status: string;
  seed: unknown;
  outputs: { node: string; type: string; files: string[]; text: string[] }[];
  timings: { node: string; ms: number; cached: boolean }[];
  passes: Record<string, number>;
  notices: unknown[];
  error?: { node?: string; title?: string; message: string };
}

async function pngSize(file: string): Promise<[number, number]> {
  const bytes = await readFile(file);
  expect(bytes.subarray(1, 4).toString()).toBe('PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

describe('run', () => {
  test('makes the picture, prints its path, and ends with 0', async () => {
    const folder = await folderWith({ 'w.json': picture });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const file = path.join(folder, 'output', 'pic_00001_.png');
    expect(stdout.trim().split('\n').map((line) => path.resolve(folder, line))).toContain(file);
    expect(await pngSize(file)).toEqual([64, 48]);
  });

  test('--json prints one object on stdout, and the prompt rides in the picture', async () => {
    const folder = await folderWith({ 'w.json': picture });
    const { code, stdout } = await bagelgraph(folder, 'run', 'w.json', '--json', '--output', 'made');
    const file = path.join(folder, 'made', 'pic_00001_.png');
    const printed = JSON.parse(stdout) as Printed;
    expect(code).toBe(0);
    expect(printed).toMatchObject({ status: 'success', outputs: [{ node: '2', type: 'SaveImage', files: [file], text: [] }], passes: { denoise: 0, prefill: 0, decode: 0 } });
    expect(printed.timings.map((timing) => timing.node).sort()).toEqual(['1', '2']);
    expect(printed.timings.every(({ ms, cached }) => ms >= 0 && cached === false)).toBe(true);
    expect((await readFile(file)).toString('latin1')).toContain('"class_type"');
  });

  test('takes the editor\'s form, and a picture that holds a workflow', async () => {
    const folder = await folderWith({ 'w.json': editorForm });
    expect((await bagelgraph(folder, 'run', 'w.json', '--set', 'Keep.filename_prefix=first', '--quiet')).code).toBe(0);
    const first = path.join(folder, 'output', 'first_00001_.png');
    expect(await pngSize(first)).toEqual([32, 16]);
    expect((await readFile(first)).toString('latin1')).toContain('workflow');
    // the workflow in the picture is the one that made it, values set on the command line included
    expect((await bagelgraph(folder, 'run', first, '--set', '1.height=20')).code).toBe(0);
    expect(await pngSize(path.join(folder, 'output', 'first_00002_.png'))).toEqual([32, 20]);
  });

  test('--set takes ids and titles, numbers and texts as they are', async () => {
    const folder = await folderWith({ 'w.json': picture, 't.json': text });
    await bagelgraph(folder, 'run', 'w.json', '--set', 'Canvas.width=80', '--set', '1.height=40', '--set', '2.filename_prefix=7');
    expect(await pngSize(path.join(folder, 'output', '7_00001_.png'))).toEqual([80, 40]);
    const { stdout } = await bagelgraph(folder, 'run', 't.json', '--json', '--set', 'Words.value=[1, 2] = {"a"}');
    expect((JSON.parse(stdout) as Printed).outputs).toMatchObject([{ node: '2', type: 'PreviewAny', files: [], text: ['[1, 2] = {"a"}'] }]);
  });

  test('--seed sets every seed and is reported, beyond 2^53 too; streamed text, passes and notices are told', async () => {
    const folder = await folderWith({ 'w.json': { 1: node('SlowImage', { steps: 2, step_ms: 0, seed: 3 }), 2: node('PreviewImage', { images: ['1', 0] }), 3: node('Talk', { words: 'one two three' }), 4: node('PreviewAny', { source: ['3', 0] }) } });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json', '--json', '--seed', '18446744073709551615', '--node-pack', slowPack);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain('"seed": 18446744073709551615');
    const printed = JSON.parse(stdout) as Printed;
    expect(printed.passes['decode']).toBe(3);
    expect(JSON.stringify(printed.notices)).toContain('spoken');
    expect(printed.outputs.find((output) => output.node === '4')!.text).toEqual(['one two three']);
  });

  test('progress goes to stderr, a line at a time where it is no terminal', async () => {
    const folder = await folderWith({ 'w.json': { 1: node('SlowImage', { steps: 30, step_ms: 50, seed: 0 }), 2: node('PreviewImage', { images: ['1', 0] }) } });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json', '--node-pack', slowPack, '--json');
    expect(code).toBe(0);
    expect(stderr).toMatch(/Slow Image.*\d+\/30/);
    expect(stderr.split('\n').filter((line) => /\d+\/30/.test(line)).length).toBeLessThanOrEqual(4);
    expect(stderr).not.toContain('\u001b');
    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    const quiet = await bagelgraph(folder, 'run', 'w.json', '--node-pack', slowPack, '--set', '1.step_ms=0', '--quiet');
    expect(quiet.stderr).not.toMatch(/\/30/);
  });
});

describe('mistakes in a workflow', () => {
  const save = (inputs: object) => ({ 1: node('EmptyImage', { width: 64, height: 48, batch_size: 1, color: 0 }), 2: node('SaveImage', { filename_prefix: 'x', ...inputs }) });
  test.each<[string, unknown, RegExp]>([
    ['an unknown node type', { 1: node('EmptyImag'), 2: node('SaveImage', { images: ['1', 0] }) }, /EmptyImag[\s\S]*EmptyImage/],
    ['a cycle', { 1: node('ImageInvert', { image: ['2', 0] }), 2: node('ImageInvert', { image: ['1', 0] }), 3: node('SaveImage', { images: ['1', 0], filename_prefix: 'x' }) }, /depends on itself: .*→/],
    ['a link of the wrong type', { 1: node('PrimitiveString', { value: 'x' }), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'x' }) }, /node 2[\s\S]*images[\s\S]*IMAGE[\s\S]*STRING/],
    ['a link to nowhere', save({ images: ['9', 0] }), /node 2[\s\S]*images[\s\S]*9[\s\S]*does not exist/],
    ['a link that is none', save({ images: [1, 0] }), /node 2[\s\S]*images/],
    ['a missing input', save({}), /node 2[\s\S]*images[\s\S]*required/],
    ['a value out of range', { ...save({ images: ['1', 0] }), 1: node('EmptyImage', { width: 0, height: 48, batch_size: 1, color: 0 }) }, /node 1[\s\S]*width[\s\S]*0[\s\S]*1/],
    ['a value of the wrong kind', { ...save({ images: ['1', 0] }), 1: node('EmptyImage', { width: 'wide', height: 48, batch_size: 1, color: 0 }) }, /node 1[\s\S]*width[\s\S]*wide/],
    ['no output node', { 1: node('EmptyImage', { width: 8, height: 8, batch_size: 1, color: 0 }) }, /output/],
    ['a node without a type', { 1: { inputs: {} }, 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'x' }) }, /node 1[\s\S]*class_type/],
  ])('%s', async (_name, workflow, message) => {
    const folder = await folderWith({ 'w.json': workflow });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json');
    expect({ code, stdout }).toMatchObject({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await readdir(folder)).not.toContain('output');
  });

  test('good outputs are made although another cannot be, and the exit code tells', async () => {
    const folder = await folderWith({ 'w.json': { ...picture, 3: node('SaveImage', { filename_prefix: 'x' }) } });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json', '--json');
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as Printed).outputs.map((output) => output.node)).toContain('2');
    expect(stderr + stdout).toMatch(/node 3[\s\S]*images/);
    expect(await readdir(path.join(folder, 'output'))).toEqual(['pic_00001_.png']);
  });

  test('a node that fails is named, in JSON too', async () => {
    const folder = await folderWith({ 'w.json': { 1: node('Fail', {}, 'Breaks'), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'x' }) } });
    const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json', '--json', '--node-pack', slowPack);
    expect(code).toBe(1);
    const printed = JSON.parse(stdout) as Printed;
    expect(printed).toMatchObject({ status: 'error', outputs: [], error: { node: '1', title: 'Breaks' } });
    expect(printed.error!.message).toContain('this node always fails');
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('mistakes on the command line', () => {
  test.each<[readonly string[], RegExp, number]>([
    [['run', 'gone.json'], /gone\.json/, 2],
    [['run', 'other.json'], /other\.json[\s\S]*no workflow/, 2],
    [['run', 'list.json'], /list\.json[\s\S]*no workflow/, 2],
    [['run', 'broken.json'], /broken\.json[\s\S]*line 2, column 3/, 2],
    [['run', 'w.json', '--set', 'nonsense'], /NODE\.INPUT=VALUE/, 2],
    [['run', 'w.json', '--set', '7.width=1'], /"7"[\s\S]*Canvas/, 2],
    [['run', 'w.json', '--set', '1.widht=1'], /widht[\s\S]*width/, 2],
    [['run', 'w.json', '--seed', 'x'], /--seed[\s\S]*whole number/, 2],
    [['run', 'w.json', '--devices', 'tpu:0'], /tpu[\s\S]*cpu/, 2],
    [['run', 'w.json', '--threads', '0'], /--threads/, 2],
    [['run', 'w.json', '--node-pack', 'gone-pack'], /gone-pack/, 2],
    [['run', 'w.json', '--jsn'], /--jsn[\s\S]*--json/, 2],
    [['run'], /workflow file/, 2],
    [['rum'], /"rum"[\s\S]*run/, 2],
  ])('%j', async (words, message, exit) => {
    const folder = await folderWith({ 'w.json': picture, 'broken.json': '{"a": 1,\n  b: 2}', 'other.json': { hello: 'world' }, 'list.json': [1, 2] });
    const { code, stdout, stderr } = await bagelgraph(folder, ...words);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('an output folder that cannot be written', async () => {
    const folder = await folderWith({ 'w.json': picture, taken: 'a file' });
    const blocked = [path.join('taken', 'inside')];
    if (process.getuid?.() !== 0) { // root may write anywhere
      await mkdir(path.join(folder, 'locked'));
      await chmod(path.join(folder, 'locked'), 0o555);
      blocked.push('locked');
    }
    for (const output of blocked) {
      const { code, stderr } = await bagelgraph(folder, 'run', 'w.json', '--output', output);
      expect({ code, stderr }).toMatchObject({ code: 1 });
      expect(stderr).toContain(output);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });

  test('a picture that is none, and one outside the input folder', async () => {
    const folder = await folderWith({ 'w.json': { 1: node('LoadImage', { image: 'no.png' }), 2: node('PreviewImage', { images: ['1', 0] }) }, 'no.png': 'not a picture' });
    const inside = await bagelgraph(folder, 'run', 'w.json', '--input-directory', '.');
    expect(inside.code).toBe(1);
    expect(inside.stderr).toContain('no.png');
    await mkdir(path.join(folder, 'empty'));
    const outside = await bagelgraph(folder, 'run', 'w.json', '--input-directory', 'empty', '--set', '1.image=../no.png');
    expect(outside.code).toBe(1);
    expect(outside.stderr).toContain('no.png');
  });
});

describe('Ctrl-C', () => {
  const slow = { 1: node('SlowImage', { steps: 100000, step_ms: 10, seed: 0 }), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'never' }) };

  test('ends the run, leaves no file and no worker, exit code 130', async () => {
    const folder = await folderWith({ 'w.json': slow });
    const { child, ended, said } = start(folder, ['run', 'w.json', '--json', '--node-pack', slowPack]);
    await said('/100000');
    const workers = await childrenOf(child.pid!);
    const before = Date.now();
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect(code).toBe(130);
    expect(Date.now() - before).toBeLessThan(5000);
    expect((JSON.parse(stdout) as Printed).status).toBe('interrupted');
    expect(await readdir(folder)).not.toContain('output');
    for (const pid of workers) expect(await stat(`/proc/${pid}`).then(() => true, () => false)).toBe(false);
  });

  test('a second one ends at once', async () => {
    const folder = await folderWith({ 'w.json': { ...slow, 1: node('SlowImage', { steps: 2, step_ms: 60000, seed: 0 }), 3: node('SlowImage', { steps: 9, step_ms: 1500, seed: 1 }), 4: node('PreviewImage', { images: ['3', 0] }) } });
    const { child, ended } = start(folder, ['run', 'w.json', '--node-pack', slowPack]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
  });
});

/** Process ids of the children, where the system tells. */
async function childrenOf(pid: number): Promise<string[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return list.split(' ').filter((word) => word !== '');
}
