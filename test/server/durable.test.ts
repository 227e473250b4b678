// What survives: servers are killed in every phase, started again, and every prompt that was accepted has one final entry.
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { nodes, type Answer } from './harness.ts';
import { entryOf, isIdle, isRunning, newFolder, pictures, serveFrom, until, waitPack, workersOf, type Served } from './process.ts';

const wait = (ms: number, mark: number) => nodes({ 1: ['Wait', { ms, value: mark }], 2: ['PreviewAny', { source: ['1', 0] }] });
const quick = (value: number) => nodes({ 1: ['PreviewAny', { source: value }] });
const withPack = ['--node-pack', waitPack] as const;
const historyIds = async (server: Served) => Object.keys(await server.get('/history'));
const queuedIds = async (server: Served): Promise<string[]> => (await server.get('/queue')).queue_pending.map((item: Answer) => item[1]);

test('killed while one runs and others wait: the history stays, the running one runs once more, the others in their order, numbers go on', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder, ...withPack);
  await first.post('/prompt', { prompt: quick(1), prompt_id: 'done', extra_data: { extra_pnginfo: { workflow: { id: 'w' } } } });
  const done = await until(entryOf(first, 'done'));
  await first.post('/prompt', { prompt: wait(300, 1), prompt_id: 'running', client_id: 'c' });
  for (const id of ['b', 'a']) await first.post('/prompt', { prompt: quick(2), prompt_id: id });
  await first.post('/prompt', { prompt: quick(3), prompt_id: 'first', front: true });
  await until(isRunning(first, 'running'));
  await first.kill('SIGKILL');

  const second = await serveFrom(folder, ...withPack);
  expect(second.said()).toContain('prompt running was running when the server was killed: it runs once more');
  expect(await entryOf(second, 'done')()).toEqual(done);
  const next = await second.post('/prompt', { prompt: quick(4), prompt_id: 'new' });
  expect(next.body).toMatchObject({ number: 5 });
  await until(isIdle(second));
  expect(await historyIds(second)).toEqual(['done', 'first', 'running', 'b', 'a', 'new']);
  const again = await entryOf(second, 'running')();
  expect(again).toMatchObject({ prompt: [1, 'running', wait(300, 1), { client_id: 'c' }, ['2']], outputs: { 2: { text: ['no secret'] } }, status: { status_str: 'success', completed: true } });
  expect(again.status.messages.map(([type]: Answer) => type)).toEqual(['execution_start', 'bagelgraph_notice', 'execution_cached', 'execution_success']);
  expect(await second.kill('SIGTERM')).toBe(0);
});

test('killed twice while the same prompt runs: it ends with an error, what waits behind it runs', async () => {
  const folder = await newFolder();
  let server = await serveFrom(folder, ...withPack);
  await server.post('/prompt', { prompt: wait(60_000, 1), prompt_id: 'deadly' });
  await server.post('/prompt', { prompt: quick(1), prompt_id: 'behind' });
  for (let i = 0; i < 2; i++) {
    await until(isRunning(server, 'deadly'));
    await server.kill('SIGKILL');
    server = await serveFrom(folder, ...withPack);
  }
  const entry = await until(entryOf(server, 'deadly'));
  expect(entry).toMatchObject({ outputs: {}, status: { status_str: 'error', completed: false } });
  expect(entry.status.messages.at(-1)).toEqual(['execution_error', expect.objectContaining({ prompt_id: 'deadly', exception_type: 'InterruptedTwice', exception_message: expect.stringMatching(/^interrupted twice/) })]);
  expect((await until(entryOf(server, 'behind'))).status.completed).toBe(true);
  await server.kill('SIGKILL');
  server = await serveFrom(folder, ...withPack);
  expect(await historyIds(server)).toEqual(['deadly', 'behind']);
});

test('killed just after an answer, and while many are being accepted and end: each that was answered has one entry, and its files are whole', async () => {
  const folder = await newFolder();
  const answered = new Set<string>();
  let count = 0;
  for (let round = 0; round < 6; round++) {
    const server = await serveFrom(folder, ...withPack);
    const killsAfter = round < 2 ? 1 : 20 + round * 15; // the first rounds: at the very answer
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (;;) {
        const id = `p${count++}`;
        try {
          if ((await server.post('/prompt', { prompt: quick(count), prompt_id: id })).status === 200) answered.add(id);
        } catch {
          return; // killed
        }
        if (answered.size % killsAfter === 0) return void server.kill('SIGKILL');
      }
    }));
    await server.kill('SIGKILL');
  }
  const last = await serveFrom(folder, ...withPack);
  await until(isIdle(last));
  const history = await last.get('/history');
  expect(Object.keys(history).filter((id) => answered.has(id))).toHaveLength(answered.size);
  expect([...answered].filter((id) => history[id] === undefined)).toEqual([]);
  for (const entry of Object.values(history) as Answer[]) expect(entry.status.status_str === 'success' || entry.status.messages.at(-1)[1].exception_type === 'InterruptedTwice').toBe(true);
  expect(await last.kill('SIGTERM')).toBe(0);
});

test('SIGTERM: nothing more is accepted, what runs may end, what waits runs later', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder, ...withPack);
  await first.post('/prompt', { prompt: wait(1000, 1), prompt_id: 'ends' });
  await first.post('/prompt', { prompt: quick(1), prompt_id: 'waits' });
  await until(isRunning(first, 'ends'));
  const ended = first.kill('SIGTERM');
  const refused = await until(async () => {
    const answer = await first.post('/prompt', { prompt: quick(2), prompt_id: 'late' });
    return answer.status === 503 && answer;
  });
  expect(refused.body.error).toMatchObject({ type: 'server_stopping' });
  expect(await queuedIds(first)).toContain('waits');
  expect(await ended).toBe(0);
  const second = await serveFrom(folder, ...withPack);
  await until(isIdle(second));
  const history = await second.get('/history');
  expect(Object.keys(history).slice(0, 2)).toEqual(['ends', 'waits']);
  expect(history['ends'].status.messages.map(([type]: Answer) => type)).toEqual(['execution_start', 'execution_cached', 'execution_success']);
});

test.each([['SIGTERM', ['--stop-grace', '0.2']], ['SIGINT', []]] as const)('%s: what does not end in time is put back, without a mark, as often as it takes', async (signal, words) => {
  const folder = await newFolder();
  for (let i = 0; i < 3; i++) {
    const server = await serveFrom(folder, ...withPack, ...words);
    if (i === 0) await server.post('/prompt', { prompt: wait(60_000, 1), prompt_id: 'long' });
    await until(isRunning(server, 'long'));
    expect(await server.kill(signal)).toBe(0);
  }
  const last = await serveFrom(folder, ...withPack);
  expect(last.said()).toBe('');
  await until(isRunning(last, 'long'));
  await last.post('/interrupt', { prompt_id: 'long' });
  expect((await until(entryOf(last, 'long'))).status.messages.map(([type]: Answer) => type)).toEqual(['execution_start', 'execution_cached', 'execution_interrupted']);
});

test('a node that is gone: the restored prompt ends with an error that says so', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder, ...withPack);
  await first.post('/queue/pause', {});
  await first.post('/prompt', { prompt: wait(0, 1), prompt_id: 'old' });
  await first.kill('SIGKILL');
  const second = await serveFrom(folder);
  expect(second.said()).toContain('the queue is paused with 1 prompts; POST /api/queue/resume starts it');
  await second.post('/queue/resume', {});
  const [type, error] = (await until(entryOf(second, 'old'))).status.messages.at(-1);
  expect([type, error.node_id, error.exception_type, error.exception_message]).toEqual(['execution_error', '1', 'RefusedError', expect.stringMatching(/Wait \(node 1\): there is no node type Wait/)]);
});

test('secrets reach the run that they came with and nothing else', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder, ...withPack, '--verbose');
  const secrets = { api_key_comfy_org: 'hush-hush', auth_token_comfy_org: 'hush-hush', bagelgraph: { secrets: ['hush-hush'], kept: 1 } };
  await first.post('/prompt', { prompt: wait(0, 1), prompt_id: 'a', extra_data: secrets });
  expect(await until(entryOf(first, 'a'))).toMatchObject({ outputs: { 2: { text: ['a secret of 9 characters'] } } });
  await first.post('/prompt', { prompt: wait(60_000, 2), prompt_id: 'b', extra_data: secrets });
  await first.post('/prompt', { prompt: wait(0, 3), prompt_id: 'c', extra_data: secrets });
  await until(isRunning(first, 'b'));
  const queue = await first.get('/queue');
  expect(queue.queue_running[0][3]).toEqual({ bagelgraph: { kept: 1 } });
  await first.kill('SIGKILL');
  const stored = readdirSync(path.join(folder, 'state')).map((name) => readFileSync(path.join(folder, 'state', name), 'latin1')).join('');
  expect(stored).toContain('60000');
  expect(`${stored}${JSON.stringify(queue)}${first.said()}`).not.toContain('hush-hush');
  const second = await serveFrom(folder, ...withPack);
  await second.post('/interrupt', '');
  expect(await until(entryOf(second, 'c'))).toMatchObject({ outputs: { 2: { text: ['no secret'] } } });
});

test.skipIf(process.platform !== 'linux')('a worker is lost: its prompt ends with an error that names the node, the next one finds what was made and runs', async () => {
  const folder = await newFolder();
  const server = await serveFrom(folder, '--input-directory', pictures);
  const draw = (steps: number) => nodes({
    1: ['Bagel.Load', { model: 'bagel-demo', strict: false, similar: false, placement: 'one device', devices: '', vision_device: '', autoencoder_device: '' }],
    2: ['LoadImage', { image: 'square-and-circle.png' }],
    3: ['Bagel.TextToImage', {
      model: ['1', 0], prompt: 'a large red circle on a blue background', seed: 1, width: 128, height: 128, steps, shift: 2, cfg_text: 4, cfg_image: 1, cfg_start: 0.4, cfg_end: 1,
      renorm: 'global', renorm_min: 0, taylorseer: false, think: false, max_tokens: 64, sample: false, temperature: 0.3, ratio: '',
    }],
    4: ['PreviewImage', { images: ['3', 0] }], 5: ['PreviewImage', { images: ['2', 0] }],
  });
  expect((await server.post('/prompt', { prompt: draw(900), prompt_id: 'lost' })).body).toEqual({ prompt_id: 'lost', number: 0, node_errors: {} });
  const [worker] = await until(async () => {
    const found = workersOf(server.pid);
    return found.length > 0 && found;
  });
  await new Promise((resolve) => setTimeout(resolve, 1500)); // it draws now
  process.kill(worker!, 'SIGKILL');
  const lost = await until(entryOf(server, 'lost'));
  const [type, error] = lost.status.messages.at(-1);
  expect([type, error.node_id, error.node_type, error.exception_type]).toEqual(['execution_error', '3', 'Bagel.TextToImage', 'DeviceLostError']);
  await server.post('/prompt', { prompt: draw(10), prompt_id: 'next' });
  const next = await until(entryOf(server, 'next'));
  expect(next.status.messages.map(([type]: Answer) => type)).toEqual(['execution_start', 'execution_cached', 'execution_success']);
  expect(next.status.messages[1][1].nodes).toContain('2');
});

test('large prompts that wait keep no checked graphs; all run', async () => {
  const server = await serveFrom(await newFolder());
  await server.post('/queue/pause', {});
  const text = 'x'.repeat(5_000_000);
  const prompt = (mark: number) => nodes({ 1: ['PrimitiveString', { value: `${mark}${text}` }], 2: ['StringConcatenate', { string_a: ['1', 0], string_b: '', delimiter: '' }], 3: ['PreviewAny', { source: mark }], 4: ['PreviewAny', { source: ['2', 0] }] });
  for (let i = 0; i < 4; i++) expect((await server.post('/prompt', { prompt: prompt(i), prompt_id: `p${i}`, partial_execution_targets: ['3'] })).status).toBe(200);
  await server.post('/queue/resume', {});
  await until(isIdle(server));
  for (let i = 0; i < 4; i++) {
    const { prompt: [number, , , , targets], outputs, status } = await entryOf(server, `p${i}`)();
    expect([number, targets, outputs, status.status_str]).toEqual([i, ['3'], { 3: { text: [`${i}`] } }, 'success']);
  }
});

test('temp files that the history names stay, others go', async () => {
  const folder = await newFolder();
  const picture = (color: number) => nodes({ 1: ['EmptyImage', { width: 8, height: 8, batch_size: 1, color }], 2: ['PreviewImage', { images: ['1', 0] }] });
  const first = await serveFrom(folder);
  for (const id of ['kept', 'forgotten']) await first.post('/prompt', { prompt: picture(id.length), prompt_id: id });
  await until(isIdle(first));
  const [kept, forgotten] = await Promise.all(['kept', 'forgotten'].map(async (id) => (await first.get(`/history/${id}`))[id].outputs[2].images[0].filename as string));
  await first.post('/history', { delete: ['forgotten'] });
  mkdirSync(path.join(folder, 'temp/sub'));
  writeFileSync(path.join(folder, 'temp/sub/stray.png'), '');
  await first.kill('SIGKILL');
  expect(readdirSync(path.join(folder, 'temp'))).toEqual(expect.arrayContaining([kept, forgotten, 'sub']));
  const second = await serveFrom(folder);
  expect(readdirSync(path.join(folder, 'temp')).filter((name) => !name.startsWith('.'))).toEqual([kept]);
  expect((await fetch(`${second.url}/view?${new URLSearchParams({ filename: kept!, type: 'temp' })}`)).headers.get('content-type')).toBe('image/png');
  await second.post('/history', { clear: true });
  expect(await second.kill('SIGTERM')).toBe(0);
  expect(existsSync(path.join(folder, 'temp'))).toBe(false);
});

test('a second server in the same folder is refused by pid; memory needs no folder', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder);
  await expect(serveFrom(folder)).rejects.toThrow(new RegExp(`it ended with 2: .*state folder .* is in use by another server: pid ${first.pid} on`));
  const other = await serveFrom(folder, '--state', 'memory', '--temp-directory', path.join(folder, 'other'));
  await other.post('/prompt', { prompt: quick(1), prompt_id: 'a' });
  await until(entryOf(other, 'a'));
  expect(await other.kill('SIGTERM')).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['input', 'other', 'state', 'temp']);
});

test('a damaged state file is moved aside, and the server serves', async () => {
  const folder = await newFolder();
  mkdirSync(path.join(folder, 'state'));
  writeFileSync(path.join(folder, 'state/jobs.db'), 'not a database at all, but long enough to be taken for one'.repeat(200));
  const first = await serveFrom(folder);
  expect(first.said()).toMatch(/jobs\.db is damaged \(.*\); it was moved to .*, and queue and history begin anew/);
  await first.post('/prompt', { prompt: quick(1), prompt_id: 'a' });
  await until(entryOf(first, 'a'));
  await first.kill('SIGKILL');
  const second = await serveFrom(folder);
  expect([second.said(), await historyIds(second)]).toEqual(['', ['a']]);
});

test('a copy of a killed server\'s folder is complete', async () => {
  const [folder, copy] = [await newFolder(), await newFolder()];
  const server = await serveFrom(folder);
  for (let i = 0; i < 30; i++) await server.post('/prompt', { prompt: quick(i), prompt_id: `p${i}` });
  await until(isIdle(server));
  await server.kill('SIGKILL');
  mkdirSync(path.join(copy, 'state'));
  for (const name of readdirSync(path.join(folder, 'state'))) copyFileSync(path.join(folder, 'state', name), path.join(copy, 'state', name));
  rmSync(path.join(folder, 'state'), { recursive: true });
  expect(await historyIds(await serveFrom(copy))).toHaveLength(30);
});
