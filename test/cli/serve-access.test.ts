// Flags of serve about who may use it and how much, and what it leaves for operators: traces and JSON logs.
import { spawn } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { accessOf } from '../../engine/cli/access-options.ts';
import { folderWith, node, program, start } from './bagelgraph.ts';

const given = (options: Record<string, unknown>) => accessOf({ options, positionals: [] } as Parameters<typeof accessOf>[0]);

test('what cannot be is told with what to do', async () => {
  const folder = await folderWith({ short: 'abc\n', empty: '\n', lines: 'aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbb', good: '  0123456789abcdef0123456789abcdef\n' });
  const file = (name: string) => path.join(folder, name);
  expect(given({})).toMatchObject({ addresses: ['127.0.0.1'], port: 8188, token: undefined, requestsPerSecond: 500, mostSockets: 4096, mostWaiting: 10_000, maxUploadBytes: 100 * 2 ** 20, logFormat: 'text' });
  expect(given({ 'auth-token-file': file('good'), listen: '0.0.0.0, ::', 'max-upload-size': '0.5', 'rate-limit': '0' })).toMatchObject({ token: '0123456789abcdef0123456789abcdef', addresses: ['0.0.0.0', '::'], maxUploadBytes: 2 ** 19, requestsPerSecond: 0 });
  for (const [options, message] of [
    [{ listen: '0.0.0.0,::' }, /^listening on 0\.0\.0\.0, :: lets everyone .*openssl rand -hex 32.*--insecure/], [{ listen: ' ,' }, /names no address/],
    [{ 'auth-token-file': file('short') }, /holds a token of 3 characters.*fewer than 16/], [{ 'auth-token-file': file('empty') }, /holds no token.*openssl/], [{ 'auth-token-file': file('lines') }, /spaces, lines/], [{ 'auth-token-file': file('none') }, /cannot be read: ENOENT/],
    [{ 'tls-keyfile': 'x' }, /go together/], [{ port: '70000' }, /from 0 to 65535/], [{ port: '1.5' }, /whole number/], [{ 'max-queue': '0' }, /from 1/], [{ 'rate-limit': '-1' }, /from 0/], [{ 'max-sockets': '' }, /from 1/], [{ 'log-format': 'xml' }, /text or json/],
  ] as const) expect(() => given(options)).toThrow(message);
  expect(given({ listen: '0.0.0.0', insecure: true }).isInsecure).toBe(true);
});

test('a server with a token, JSON logs and TRACE leaves a trace of each run', async () => {
  const folder = await folderWith({ token: '0123456789abcdef0123456789abcdef' });
  const child = spawn(process.execPath, [program, 'serve', '--port', '0', '--auth-token-file', 'token', '--log-format', 'json'], { cwd: folder, env: { ...process.env, DEBUG: '', TRACE: 'traces/' } });
  onTestFinished(() => { child.kill('SIGKILL'); });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text; });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => resolve(/serves (\S+)\n/.exec(text)![1]!));
    void ended.then(() => reject(new Error(said)));
  });
  const headers = { Authorization: 'Bearer 0123456789abcdef0123456789abcdef' };
  expect((await fetch(`${url}/prompt`)).status).toBe(401);
  const prompt = { 1: node('EmptyImage', { width: 8, height: 8, batch_size: 1, color: 0 }), 2: node('PreviewImage', { images: ['1', 0] }) };
  for (const id of ['plain', '../../up', `long ${'x'.repeat(200)}`]) await fetch(`${url}/prompt`, { method: 'POST', body: JSON.stringify({ prompt, prompt_id: id }), headers });
  await expect.poll(async () => (await readdir(path.join(folder, 'traces')).catch(() => [])).length).toBe(3);
  await expect.poll(async () => JSON.parse(await readFile(path.join(folder, 'traces/plain.json'), 'utf8').catch(() => 'null')) as unknown).toMatchObject({ traceEvents: expect.arrayContaining([expect.objectContaining({ ph: 'X', name: expect.stringContaining('(1)') })]) as unknown });
  expect((await readdir(path.join(folder, 'traces'))).sort()).toEqual([expect.stringMatching(/^______up-[\da-f]{8}\.json$/), expect.stringMatching(/^long_x{55}-[\da-f]{8}\.json$/), 'plain.json']);
  const drawn = (env: Readonly<Record<string, string>>) => start(folder, ['draw', 'x', '--server', url], env).ended;
  expect(await drawn({})).toMatchObject({ code: 1, stderr: `bagelgraph: the server ${url} asks for a token: put it into the environment variable BAGELGRAPH_TOKEN\n` });
  expect(await drawn({ BAGELGRAPH_TOKEN: 'another' })).toMatchObject({ code: 1, stderr: expect.stringContaining('has another token than the environment variable BAGELGRAPH_TOKEN holds') as unknown });
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  const lines = said.trimEnd().split('\n').filter((line) => !/^$|^stopping/.test(line)); // what the terminal is told of Ctrl-C is no log
  const objects = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(objects.filter(({ run, status }) => run === 'plain' && status === 'success')).toHaveLength(1);
  expect(objects.filter(({ path: asked, status }) => asked === '/prompt' && status === 401)).toHaveLength(1);
});
