// The commands with --server: real processes on both sides; what comes back is what would have been made here.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { newFolder, serveFrom, until } from '../server/process.ts';
import type { Answer } from '../server/harness.ts';
import { bagelgraph, folderWith, node, slowPack, start } from './bagelgraph.ts';

const pictures = fileURLToPath(new URL('../../workflows/pictures', import.meta.url));

test('draw and ask: the same picture as here, progress, the answer; the workflow rides in the picture', async () => {
  const server = await serveFrom(await newFolder());
  const folder = await folderWith();
  const words = ['draw', 'a green ring on a white background', '--seed', '5', '--steps', '4', '--json'];
  const there = await bagelgraph(folder, ...words, '--server', server.url, '--output', 'there');
  const here = await bagelgraph(folder, ...words, '--output', 'here');
  expect([there.code, here.code]).toEqual([0, 0]);
  const [remote, local] = [JSON.parse(there.stdout), JSON.parse(here.stdout)] as [Answer, Answer];
  expect({ ...remote, timings: [], outputs: [] }).toEqual({ ...local, timings: [], outputs: [] });
  expect(remote.outputs[0].files).toEqual([path.join(folder, 'there/bagel_00001_.png')]);
  const pixels = async (file: string) => (await decode(await readFile(file))).data;
  expect(await pixels(remote.outputs[0].files[0])).toEqual(await pixels(local.outputs[0].files[0]));
  const again = await bagelgraph(folder, 'run', 'there/bagel_00001_.png', '--server', server.url, '--output', 'there');
  expect([again.code, again.stdout]).toEqual([0, 'there/bagel_00002_.png\n']);
  expect((await readFile(path.join(folder, 'there/bagel_00002_.png'))).includes('"last_node_id"')).toBe(true);
  const asked = await bagelgraph(folder, 'ask', path.join(pictures, 'circle.png'), 'what color is the circle?', '--server', server.url);
  expect([asked.code, asked.stdout.trim().split('\n')]).toEqual([0, [expect.stringMatching(/^\w+/)]]);
});

test('run: pictures that lie here go there; --set; the files of a subfolder; notices and errors in words', async () => {
  const server = await serveFrom(await newFolder());
  const invert = { 1: node('LoadImage', { image: 'circle.png' }), 2: node('ImageInvert', { image: ['1', 0] }), 3: node('SaveImage', { images: ['2', 0], filename_prefix: 'sub/x' }), 4: node('PreviewImage', { images: ['2', 0] }) };
  const folder = await folderWith({ 'w.json': invert, 'bad.json': { ...invert, 1: node('LoadImage', { image: 'nowhere.png' }) }, 'broken.json': { 1: node('EmptyImage', { width: 8, height: 8, batch_size: 1, color: 0 }), 2: node('SaveImage', { images: ['1', 0], filename_prefix: '../out' }) } });
  const made = await bagelgraph(folder, 'run', 'w.json', '--server', server.url, '--input-directory', pictures, '--set', '3.filename_prefix=deep/y', '--quiet');
  expect([made.code, made.stderr]).toEqual([0, '']);
  expect(made.stdout.trim().split('\n').sort()).toEqual(['output/deep/y_00001_.png', expect.stringMatching(/^temp\/ComfyUI_temp_\w+_00001_\.png$/)]);
  const [black] = (await decode(path.join(folder, 'output/deep/y_00001_.png'))).data;
  const [before] = (await decode(path.join(pictures, 'circle.png'))).data;
  expect(Math.abs(255 - before! - black!)).toBeLessThanOrEqual(1);
  const bad = await bagelgraph(folder, 'run', 'bad.json', '--server', server.url);
  expect([bad.code, bad.stdout]).toEqual([1, '']);
  expect(bad.stderr).toContain('there is no file "nowhere.png"');
  const broken = await bagelgraph(folder, 'run', 'broken.json', '--server', server.url, '--json');
  expect([broken.code, JSON.parse(broken.stdout)]).toMatchObject([1, { status: 'error', error: { node: '2', message: expect.stringContaining('leads out of the output folder') } }]);
  const none = await bagelgraph(folder, 'draw', 'x', '--server', 'http://127.0.0.1:9');
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('the server http://127.0.0.1:9 cannot be reached')]);
  expect((await bagelgraph(folder, 'draw', 'x', '--server', 'nowhere')).code).toBe(2);
  expect((await bagelgraph(folder, 'draw', 'x', '--server', server.url, '--model', 'no-such-model')).stderr).toContain('no model is called "no-such-model"');
});

test('Ctrl-C cancels there', async () => {
  const server = await serveFrom(await newFolder(), '--node-pack', slowPack);
  const folder = await folderWith({ 'w.json': { 1: node('SlowImage', { steps: 5000, step_ms: 20, seed: 1 }), 2: node('PreviewImage', { images: ['1', 0] }) } });
  const { child, ended } = start(folder, ['run', 'w.json', '--server', server.url]);
  const running = async () => ((await server.get('/api/jobs?status=in_progress')).jobs as Answer[])[0];
  const { id } = await until(running);
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
  expect(await server.get(`/api/jobs/${id}`)).toMatchObject({ status: 'cancelled' });
  expect(await readdir(folder)).toEqual(['w.json']);
});
