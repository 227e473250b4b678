// bagelgraph import, compare and download as processes: what they print, wrong words, and Ctrl-C.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { serveModel } from '../support/model-server.ts';
import { writeModelFolder } from '../support/model-folder.ts';
import { bagelgraph, folderWith, start } from './bagelgraph.ts';

const demo = fileURLToPath(new URL('../../models/bagel-demo', import.meta.url));

test('imports, says the errors, and compares what is drawn', async () => {
  const folder = await folderWith();
  const made = await bagelgraph(folder, 'import', demo, '--to', 'demo-int4', '--format', 'int4');
  expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('bfloat16 → demo-int4: int4 to read and write, int8 to draw')]);
  expect(made.stdout).toMatch(/understanding, MLP +4 bits, blocks of 128 +1\.2 M +0\.8 MB +9\.\d %/);
  expect(made.stdout).toContain('checked against the source');
  const compared = await bagelgraph(folder, 'compare', demo, 'demo-int4', '--size', '64x64', '--steps', '4', '--json');
  expect(compared.code).toBe(0);
  const { others } = JSON.parse(compared.stdout) as { others: { model: string; distance: { picture: number } }[] };
  expect(others.map(({ model }) => model)).toEqual(['demo-int4']);
  expect(others[0]!.distance.picture).toBeGreaterThan(0);
  expect(others[0]!.distance.picture).toBeLessThan(4);
});

test.each([
  [['import'], 'import takes a model, got none'],
  [['import', 'no-such-model'], 'no model is called "no-such-model"'],
  [['import', demo, '--format', 'int3'], '--format is "int3": choose bf16, int8, int4'],
  [['import', demo, '--gen', 'int4'], '--gen is "int4": choose bf16, int8, float32'],
  [['import', demo, '--threads', '0'], '--threads is "0": give a whole number from 1 to 256'],
  [['compare', demo], 'compare takes a model and at least one other form of it'],
  [['download'], 'download takes the name of one repository'],
  [['download', 'x'], '"x" names no repository: expected OWNER/NAME'],
])('%j is refused in words', async (words, message) => {
  const { code, stdout, stderr } = await bagelgraph(await folderWith(), ...words);
  expect([code === 0, stdout]).toEqual([false, '']);
  expect(stderr).toContain(message);
});

test('Ctrl-C keeps what is done, and the same command goes on', async () => {
  const folder = await folderWith();
  const source = path.join(folder, 'source');
  await writeModelFolder(source, { hidden: 1024, ffn: 4096, layers: 3, heads: 8, kvHeads: 2 });
  await copyFile(path.join(demo, 'tokenizer.json'), path.join(source, 'tokenizer.json'));
  const running = start(folder, ['import', 'source', '--to', 'made', '--format', 'int8', '--threads', '1']);
  const journal = path.join(folder, 'made.part', 'journal.jsonl');
  const lines = () => (existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').length - 2 : 0);
  while (lines() < 3) await new Promise((done) => setTimeout(done, 10));
  running.child.kill('SIGINT');
  const { code, stderr } = await running.ended;
  expect([code, stderr]).toEqual([130, expect.stringContaining('what is done is kept in made.part: the same command goes on with it')]);
  expect(existsSync(path.join(folder, 'made'))).toBe(false);
  const again = await bagelgraph(folder, 'import', 'source', '--to', 'made', '--format', 'int8', '--json');
  expect(again.code).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ status: 'success', format: 'int8' });
  expect(existsSync(path.join(folder, 'made.part'))).toBe(false);
});

test('download follows HF_ENDPOINT and HF_TOKEN', async () => {
  const folder = await folderWith();
  const weights = randomBytes(20_000);
  const server = await serveModel('Some/BAGEL', { 'ema.safetensors': weights, 'config.json': Buffer.from('{}'), 'README.md': Buffer.from('#') });
  server.token = 'hf_secret';
  try {
    const run = (token: string) => start(folder, ['download', 'Some/BAGEL', '--to', 'got'], { HF_ENDPOINT: `${server.endpoint}/`, HF_TOKEN: token }).ended;
    expect(await run('')).toMatchObject({ code: 1, stderr: expect.stringContaining('access is refused. Accept the model\'s terms on its page and set HF_TOKEN') as string });
    expect(await run('hf_secret')).toMatchObject({ code: 0, stdout: expect.stringContaining('2 files, 0.0 MB') as string });
    expect(readFileSync(path.join(folder, 'got', 'ema.safetensors')).equals(weights)).toBe(true);
  } finally {
    await server.close();
  }
});
