// The API by example: every block of that section of the README runs as it stands, one after the other, against a real server with the demo model.
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import ts from 'typescript';
import { decode } from '../../engine/image/decode.ts';
import { newFolder, serveFrom, type Served } from '../server/process.ts';
import { readFileSync } from 'node:fs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const section = /\n### The API by example\n([\s\S]*?)\n##/.exec(readme)?.[1] ?? '';
const blocks = [...section.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = '', text = '']) => ({ language, text }));

test('the section has its four examples', () => expect(blocks.map(({ language }) => language)).toEqual(['sh', 'sh', 'ts', 'python']));

/** Without a program that the example is for, there is nothing to run it with. */
function has(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

/** Runs a block in a folder that has what the repository has, with the server's real address; gives stdout. */
async function run(server: Served, folder: string, program: string, file: string, text: string): Promise<string> {
  await writeFile(path.join(folder, file), text.replaceAll('http://127.0.0.1:8188', server.url));
  const child = spawn(program, [file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (more: string) => { stdout += more; });
  child.stderr.setEncoding('utf8').on('data', (more: string) => { stderr += more; });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  return stdout;
}

async function place(): Promise<{ server: Served; folder: string }> {
  const folder = await newFolder();
  await symlink(path.join(root, 'workflows'), path.join(folder, 'workflows'));
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(root, path.join(folder, 'node_modules/bagelgraph'));
  return { server: await serveFrom(folder, '--model', path.join(root, 'models/bagel-demo')), folder };
}

const sizeOf = async (file: string) => {
  const { width, height } = await decode(file);
  return [width, height];
};

describe('runs as it stands', () => {
  beforeAll(() => expect(readme).toContain('### The API by example'));

  test.skipIf(!has('curl'))('the five tasks with curl', async () => {
    const { server, folder } = await place();
    const stdout = await run(server, folder, 'sh', 'example.sh', `set -e\n${blocks[0]!.text.replaceAll('curl ', 'curl -sS --fail-with-body -w "\\n" ')}`);
    for (const file of ['circle.png', 'blue.png']) expect([file, await sizeOf(path.join(folder, file))]).toEqual([file, [128, 128]]);
    const [thought, edited, answered] = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    expect(thought.outputs).toMatchObject([{ name: 'image', files: [{ data_url: expect.stringMatching(/^data:image\/png;base64,/) }] }, { name: 'thinking', texts: [expect.stringContaining('sun')] }]);
    expect(edited).toMatchObject({ status: 'completed', outputs: [{ name: 'image', files: [{ filename: expect.stringMatching(/\.png$/) }] }, { name: 'thinking' }] });
    expect(answered.outputs[0].texts[0]).toMatch(/\w/);
  });

  test.skipIf(!has('curl'))('submit, follow, fetch with curl', async () => {
    const { server, folder } = await place();
    const stdout = await run(server, folder, 'sh', 'example.sh', `set -e\n${blocks[1]!.text.replaceAll('curl ', 'curl -sS --fail-with-body -w "\\n" ')}`);
    expect(stdout.indexOf('event: started')).toBeLessThan(stdout.indexOf('event: ended'));
    const [queued, result, jobs, cancelled] = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    expect(queued).toMatchObject({ id: 'ring-1', outputs: [] });
    expect(result).toMatchObject({ status: 'completed', outputs: [{ name: 'image', files: [{ filename: 'bagel_00001_.png' }] }] });
    expect([jobs.jobs[0].id, cancelled]).toEqual(['ring-1', { cancelled: false }]);
    expect(await sizeOf(path.join(folder, 'ring.png'))).toEqual([128, 128]);
  });

  test('TypeScript', async () => {
    const { server, folder } = await place();
    const { outputText } = ts.transpileModule(blocks[2]!.text, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 } });
    const stdout = await run(server, folder, process.execPath, 'example.mjs', outputText);
    expect(stdout).toContain('24 of 24\n');
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^[a-z]+/);
    expect(await sizeOf(path.join(folder, 'from-typescript.png'))).toEqual([128, 128]);
  });

  test.skipIf(!has('python3'))('Python', async () => {
    const { server, folder } = await place();
    expect(await run(server, folder, 'python3', 'example.py', blocks[3]!.text)).toContain('24 of 24\n');
    expect((await readFile(path.join(folder, 'from-python.png'))).subarray(1, 4).toString()).toBe('PNG');
  });
});
