// Downloads from a real server of ours that breaks off, stalls, lies, is busy and refuses.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { downloadModel, type DownloadOptions } from '../../../nodes/bagel/weights/download.ts';
import { answer, commit, serveModel, type ModelServer } from '../../support/model-server.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'bagelgraph-download-'));
afterAll(() => rmSync(directory, { recursive: true }));

const big = randomBytes(300_000);
const files = { 'ema.safetensors': big, 'llm_config.json': Buffer.from('{"a":1}'), 'vae/ae.safetensors': randomBytes(5000), 'README.md': Buffer.from('# x'), 'assets/a b.png': randomBytes(2000) };
let server: ModelServer;
let folders = 0;
let to = '';
beforeEach(async () => {
  server = await serveModel('Some/BAGEL', files);
  to = path.join(directory, String(folders++));
});
afterEach(() => server.close());

function download(options: Partial<DownloadOptions> = {}): ReturnType<typeof downloadModel> {
  return downloadModel({ repo: 'Some/BAGEL', revision: 'main', to, include: ['*.safetensors', '*.json'], exclude: [], endpoint: server.endpoint, signal: new AbortController().signal, stallMs: 2000, pauseMs: 1, progress: () => undefined, ...options });
}
const isWhole = () => Object.entries(files).filter(([name]) => /safetensors|json/.test(name)).every(([name, content]) => readFileSync(path.join(to, name)).equals(content));
const fetched = (name: string) => server.requests.filter((line) => line.startsWith('cdn ') && line.includes(encodeURIComponent(name)));

test('what was asked for arrives, of one commit, in its folders', async () => {
  const shown: number[] = [];
  const made = await download({ progress: ({ done, total }) => { shown.push(done); expect(total).toBe(305_007); } });
  expect(isWhole()).toBe(true);
  expect([made.commit, made.files.map(({ name }) => name).sort()]).toEqual([commit, ['ema.safetensors', 'llm_config.json', 'vae/ae.safetensors']]);
  expect(existsSync(path.join(to, 'README.md'))).toBe(false);
  expect(shown.at(-1)).toBe(305_007);
  expect(shown).toEqual([...shown].sort((a, b) => a - b));
});
test('what is there already is not fetched again; what is there with other content is', async () => {
  await download();
  const before = server.requests.filter((line) => line.startsWith('cdn')).length;
  writeFileSync(path.join(to, 'vae', 'ae.safetensors'), randomBytes(5000));
  await download();
  expect(server.requests.filter((line) => line.startsWith('cdn')).slice(before)).toEqual([expect.stringContaining('vae')]);
  expect(isWhole()).toBe(true);
});
test.each([[['assets/*'], ['assets/a b.png']], [['*.png', 'llm*'], ['assets/a b.png', 'llm_config.json']], [['**'], Object.keys(files).sort()]])('%j', async (include, names) => {
  expect((await download({ include })).files.map(({ name }) => name).sort()).toEqual(names);
});
test('patterns that fit nothing are told with what there is', async () => {
  await expect(download({ include: ['*.bin'] })).rejects.toThrow('no file of Some/BAGEL fits *.bin; it has ema.safetensors, llm_config.json');
  expect((await download({ exclude: ['ema*'] })).files.map(({ name }) => name).sort()).toEqual(['llm_config.json', 'vae/ae.safetensors']);
});

test('a connection that breaks off goes on where it was', async () => {
  server.mischief = ({ name, nth, from, content }, response) => {
    if (name !== 'ema.safetensors' || nth > 3) return false;
    answer(response, content, from, from + 50_000);
    setTimeout(() => response.destroy(), 20);
    return true;
  };
  await download();
  expect(isWhole()).toBe(true);
  const ranges = fetched('ema.safetensors').map((line) => Number(/bytes=(\d+)/.exec(line)?.[1] ?? 0));
  expect(ranges).toHaveLength(4);
  ranges.slice(1).forEach((from, i) => expect(from).toBeGreaterThan(ranges[i]!));
});
test('so does the next run', async () => {
  const controller = new AbortController();
  server.mischief = ({ name, from, content }, response) => {
    if (name !== 'ema.safetensors') return false;
    answer(response, content, from, 120_000);
    return true;
  };
  await expect(download({ signal: controller.signal, progress: ({ name, done }) => { if (name === 'ema.safetensors' && done >= 125_007) controller.abort(new Error('Ctrl-C')); } })).rejects.toThrow('Ctrl-C');
  expect(existsSync(path.join(to, 'ema.safetensors'))).toBe(false);
  expect(statSync(path.join(to, 'ema.safetensors.incomplete')).size).toBe(120_000);
  server.mischief = undefined;
  await download();
  expect(fetched('ema.safetensors').at(-1)).toContain('bytes=120000-');
  expect(isWhole()).toBe(true);
});
test('one that stalls is broken off and taken up again', async () => {
  server.mischief = ({ name, nth, from, content }, response) => {
    if (name !== 'ema.safetensors' || nth > 1) return false;
    answer(response, content, from, 70_000); // and no more
    return true;
  };
  await download({ stallMs: 150 });
  expect(isWhole()).toBe(true);
  expect(fetched('ema.safetensors').at(-1)).toContain('bytes=70000-');
});
test('a server that never brings anything is given up, and what there was is kept', async () => {
  server.mischief = ({ name, nth, from, content }, response) => {
    if (name !== 'ema.safetensors') return false;
    if (nth === 1) { answer(response, content, from, 1000); setTimeout(() => response.destroy(), 20); } else response.destroy();
    return true;
  };
  await expect(download({ attempts: 3 })).rejects.toThrow(/ema\.safetensors: 3 attempts in a row brought nothing more after 1000 of 300000 bytes \(.+\)\. What there is is kept/);
  expect(statSync(path.join(to, 'ema.safetensors.incomplete')).size).toBe(1000);
});
test('wrong bytes are fetched once more', async () => {
  server.mischief = ({ name, nth, content }, response) => {
    if (name !== 'ema.safetensors' || nth > 1) return false;
    answer(response, Buffer.from(content).fill(0, 1000, 1010), 0);
    return true;
  };
  await download();
  expect(isWhole()).toBe(true);
});
test.each([['a large file', 'ema.safetensors'], ['a small file', 'llm_config.json']])('wrong bytes twice are refused: %s', async (_what, wrong) => {
  server.mischief = ({ name, content }, response) => {
    if (name !== wrong) return false;
    answer(response, Buffer.from(content).fill(48, 3, 5), 0);
    return true;
  };
  await expect(download()).rejects.toThrow(/is not what it announced, twice: expected the hash [0-9a-f]+, got [0-9a-f]+\. The file was removed/);
  expect([existsSync(path.join(to, wrong)), existsSync(path.join(to, `${wrong}.incomplete`))]).toEqual([false, false]);
});
test('more than was announced is no danger, less is fetched', async () => {
  server.mischief = ({ name, nth, from, content }, response) => {
    if (name !== 'ema.safetensors' || nth > 2) return false;
    if (nth === 1) response.writeHead(200).end(content.subarray(0, 1234)); // ends as if that were all
    else response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }).end(Buffer.concat([content.subarray(from), randomBytes(500)]));
    return true;
  };
  await download();
  expect(isWhole()).toBe(true);
  expect(fetched('ema.safetensors')).toHaveLength(2);
});
test('a server without ranges begins again; one that gives another range is not believed', async () => {
  server.mischief = ({ name, nth, content }, response) => {
    if (name !== 'ema.safetensors') return false;
    if (nth === 1) { answer(response, content, 0, 90_000); setTimeout(() => response.destroy(), 20); }
    else if (nth === 2) response.writeHead(206, { 'content-range': `bytes 0-9/${content.length}`, 'content-length': 10 }).end(content.subarray(0, 10));
    else response.writeHead(200, { 'content-length': content.length }).end(content);
    return true;
  };
  await download();
  expect(isWhole()).toBe(true);
});
test('a busy server is asked again after the time it says', async () => {
  server.mischief = ({ name, nth }, response) => {
    if (name !== 'ema.safetensors' || nth > 2) return false;
    response.writeHead(nth === 1 ? 503 : 500, { 'retry-after': '0' }).end();
    return true;
  };
  await download();
  expect(isWhole()).toBe(true);
});

test('the token goes to the server that was named, and to no other', async () => {
  server.token = 'hf_secret';
  await expect(download()).rejects.toThrow(/answered 401: access is refused\. Accept the model's terms on its page and set HF_TOKEN/);
  await expect(download({ token: 'hf_other' })).rejects.toThrow('The token in HF_TOKEN has no right to it');
  await expect(download({ token: 'other' })).rejects.toThrow('HF_TOKEN is no access token of Hugging Face: those begin with hf_');
  await download({ token: 'hf_secret' });
  expect(server.requests.filter((line) => line.startsWith('cdn') && line.includes('Bearer'))).toEqual([]);
});
test('a repository that is not there, a name that is none, a server that is not there', async () => {
  await expect(download({ repo: 'Some/Other' })).rejects.toThrow(/answered 404: there is no such repository or file/);
  await expect(download({ repo: 'BAGEL' })).rejects.toThrow('"BAGEL" names no repository: expected OWNER/NAME');
  await expect(download({ endpoint: 'http://127.0.0.1:1' })).rejects.toThrow(/http:\/\/127\.0\.0\.1:1 cannot be reached \(.+\): check the network, or set HF_ENDPOINT to a mirror/);
});
test('names that lead out of the folder are refused before anything is fetched', async () => {
  await server.close();
  server = await serveModel('Some/BAGEL', { ...files, '../evil.json': Buffer.from('{}') });
  await expect(download()).rejects.toThrow('Some/BAGEL has a file called "../evil.json", which would lie outside of the folder: nothing was downloaded');
  expect(existsSync(to)).toBe(false);
});
