import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bagelgraph, folderWith, node, program } from './bagelgraph.ts';

interface Served {
  readonly url: string;
  readonly pid: number;
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

async function serve(folder: string, ...words: string[]): Promise<Served> {
  const child = spawn(process.execPath, [program, 'serve', '--port', '0', ...words], { cwd: folder, env: { ...process.env, DEBUG: '' } });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  onTestFinished(() => { child.kill('SIGKILL'); });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /serves (\S+)\n/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text; });
    void ended.then(() => reject(new Error(`it ended: ${said}`)));
  });
  return {
    url, pid: child.pid!,
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

test('serves from a folder, with little memory, and stops in order', async () => {
  const folder = await folderWith();
  const server = await serve(folder, '--cpu', '--cache-classic');
  expect(await (await fetch(`${server.url}/prompt`)).json()).toEqual({ exec_info: { queue_remaining: 0 } });
  if (process.platform === 'linux') {
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    expect(kilobytes).toBeLessThan(120_000);
  }
  const prompt = { 1: node('EmptyImage', { width: 8, height: 8, batch_size: 1, color: 0 }), 2: node('PreviewImage', { images: ['1', 0] }), 3: node('SaveImage', { images: ['1', 0], filename_prefix: 'a/b' }) };
  const { prompt_id: id } = await (await fetch(`${server.url}/prompt`, { method: 'POST', body: JSON.stringify({ prompt }) })).json() as { prompt_id: string };
  let entry: { outputs: Record<string, { images: { filename: string; subfolder: string; type: string }[] }> } | undefined;
  while (entry === undefined) entry = (await (await fetch(`${server.url}/history/${id}`)).json() as Record<string, typeof entry>)[id];
  for (const { filename, subfolder, type } of [...entry.outputs[2]!.images, ...entry.outputs[3]!.images]) {
    expect((await fetch(`${server.url}/view?${new URLSearchParams({ filename, subfolder, type })}`)).headers.get('content-type')).toBe('image/png');
  }
  expect(existsSync(path.join(folder, 'temp'))).toBe(true);
  await fetch(`${server.url}/history`, { method: 'POST', body: '{"clear":true}' });
  expect(await server.stop('SIGTERM')).toBe(0);
  expect(existsSync(path.join(folder, 'temp'))).toBe(false);
  expect(existsSync(path.join(folder, 'output/a/b_00001_.png'))).toBe(true);
});

test('folders by flag; a temp folder that is not ours stays', async () => {
  const folder = await folderWith({ 'paths.yaml': 'mine:\n    base_path: more\n    # a comment\n    checkpoints: |\n        a\n        b\n    vae: "v"\n' });
  await mkdir(path.join(folder, 'more/b'), { recursive: true });
  await mkdir(path.join(folder, 'base/temp'), { recursive: true });
  await writeFile(path.join(folder, 'base/temp/mine.txt'), 'keep');
  await writeFile(path.join(folder, 'more/b/m.ckpt'), '');
  const server = await serve(folder, '--base-directory', 'base', '--extra-model-paths-config', 'paths.yaml', '--output-directory', 'elsewhere', '--listen', '127.0.0.1');
  expect(await (await fetch(`${server.url}/models/checkpoints`)).json()).toEqual(['m.ckpt']);
  const paths = await (await fetch(`${server.url}/internal/folder_paths`)).json() as Record<string, string[]>;
  expect(paths['output']).toEqual([path.join(folder, 'elsewhere')]);
  expect(paths['input']).toEqual([path.join(folder, 'base/input')]);
  expect(paths['vae']).toContain(path.join(folder, 'more/v'));
  expect(await server.stop('SIGINT')).toBe(0);
  expect(existsSync(path.join(folder, 'base/temp/mine.txt'))).toBe(true);
});

test.each([
  [['--port', 'x'], '--port'], [['--state='], '--state'], [['--history-days', '-1'], '--history-days'], [['--stop-grace', 'soon'], '--stop-grace'], [['--state', '/dev/null/x'], '/dev/null/x'], [['--front-end-root', 'gone'], 'index.html'], [['--preview-method', 'best'], '--preview-method'],
  [['--concurrency', '0'], '--concurrency'], [['--extra-model-paths-config', 'gone.yaml'], 'gone.yaml'], [['more'], 'more'],
])('%j is told as a mistake', async (words, named) => {
  const { code, stderr } = await bagelgraph(await folderWith(), 'serve', ...words);
  expect(code).toBe(2);
  expect(stderr).toContain(named);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});
