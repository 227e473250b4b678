// The walk-through and the OpenAI-compatible API in the README: their blocks run as they stand, with the demo model.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { readMetadata } from '../../engine/image/metadata.ts';
import { newFolder, serveFrom } from '../server/process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const program = `${process.execPath} ${path.join(root, 'bin/bagelgraph.js')}`;
const hasShell = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

function blocks(title: string): readonly { readonly language: string; readonly text: string }[] {
  const section = new RegExp(`\\n### ${title}\\n([\\s\\S]*?)\\n##`).exec(readme)?.[1] ?? '';
  return [...section.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = '', text = '']) => ({ language, text }));
}

async function run(folder: string, command: string, ...words: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const child = spawn(command, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (more: string) => { stdout += more; });
  child.stderr.setEncoding('utf8').on('data', (more: string) => { stderr += more; });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  return { stdout, stderr };
}

async function place(): Promise<string> {
  const folder = await newFolder();
  for (const name of ['workflows', 'models']) await symlink(path.join(root, name), path.join(folder, name));
  return folder;
}

/** The colour in the middle, as letters of what is bright in it. */
async function middle(file: string): Promise<string> {
  const { width, height, channels, data } = await decode(file);
  const at = ((height >> 1) * width + (width >> 1)) * channels;
  return ['r', 'g', 'b'].filter((_, i) => data[at + i]! > 128).join('');
}

test.skipIf(!hasShell('sh'))('the walk-through: the five tasks of the notebook', async () => {
  const [{ language, text }, ...others] = blocks('Walk-through') as [ReturnType<typeof blocks>[0], ...unknown[]];
  expect([language, others]).toEqual(['sh', []]);
  const commands = text.trim().split('\n');
  expect(commands.map((line) => [/bagelgraph (\w+)/.exec(line)![1], line.includes('--think')])).toEqual([['draw', false], ['draw', true], ['edit', false], ['edit', true], ['ask', false]]);
  const folder = await place();
  const said: string[] = [];
  for (const line of commands) said.push(Object.values(await run(folder, 'sh', '-c', line.replace('npx bagelgraph', program))).join('\n'));
  const made = readdirSync(path.join(folder, 'walk')).sort();
  expect(made).toHaveLength(4);
  for (const name of made) {
    const { width, height } = await decode(path.join(folder, 'walk', name));
    expect([name, width, height, [...readMetadata(readFileSync(path.join(folder, 'walk', name))).keys()]]).toEqual([name, 128, 128, ['prompt', 'workflow']]);
  }
  expect(await middle(path.join(folder, 'walk/bagel_00001_.png'))).toBe('r');
  expect(said[1]).toMatch(/The sun is/);
  expect(said[4]).toMatch(/\bred\b/);
});

test('the OpenAI-compatible API: with curl and with the official client', async () => {
  const [shell, script, ...others] = blocks('OpenAI-compatible API');
  expect([shell!.language, script!.language, others]).toEqual(['sh', 'ts', []]);
  const folder = await place();
  const server = await serveFrom(folder);
  const there = (text: string) => text.replaceAll('http://127.0.0.1:8188', server.url);
  if (hasShell('curl')) {
    const { stdout } = await run(folder, 'sh', '-c', `set -e\n${there(shell!.text).replaceAll('curl ', 'curl -sS --fail-with-body -w "\\n" ')}`);
    const [models, drawn] = stdout.trim().split('\n').map((line) => JSON.parse(line) as { data: { id: string; url: string; seed: number }[] });
    expect([models!.data.map(({ id }) => id), drawn!.data[0]!.seed]).toEqual([['bagel-demo'], 1]);
    expect((await fetch(drawn!.data[0]!.url)).headers.get('content-type')).toBe('image/png');
  }
  const { outputText } = ts.transpileModule(there(script!.text), { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 } });
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(path.join(root, 'node_modules/openai'), path.join(folder, 'node_modules/openai'));
  await writeFile(path.join(folder, 'example.mjs'), outputText);
  const { stdout } = await run(folder, process.execPath, 'example.mjs');
  expect(stdout).toMatch(/\w/); // of a picture that is another each time
  expect((await decode(path.join(folder, 'drawn.png'))).width).toBe(128);
});
