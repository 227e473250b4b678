// The queue under its keeper's hands: pause, order, numbers, cancelling; and ids that come twice.
import { rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../engine/store/errors.ts';
import { memoryStore, openStore } from '../../engine/store/open.ts';
import type { Store } from '../../engine/store/store.ts';
import { nodes, serve, type Answer, type TestServer } from './harness.ts';

const busy = nodes({ 1: ['Work', { steps: 1000, stepMs: 10 }], 2: ['PreviewAny', { source: ['1', 0] }] });
const quick = (value: number) => nodes({ 1: ['PreviewAny', { source: value }] });

async function diskStore(): Promise<Store> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bagelgraph-order-'));
  const store = await openStore({ folder });
  onTestFinished(async () => {
    store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return store;
}

const stores: Record<string, () => Promise<Store>> = { memory: async () => memoryStore(), folder: diskStore };

async function waiting(server: TestServer): Promise<[string, number][]> {
  return (await server.json('/api/queue') as Answer).queue_pending.map((item: Answer) => [item[1], item[0]]);
}

async function untilIdle(server: TestServer): Promise<void> {
  while ((await server.json('/prompt') as Answer).exec_info.queue_remaining > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

const answerOf = async (response: Promise<Response>): Promise<[number, Answer]> => [(await response).status, await (await response).json()];

describe.each(Object.entries(stores))('in %s', (_name, open) => {
  test('a pause lets what runs end and starts nothing; the order changes meanwhile', async () => {
    const server = await serve({ store: await open() });
    expect(await answerOf(server.post('/api/queue/pause', ''))).toEqual([200, { paused: true, running: [], waiting: [] }]);
    for (const id of ['a', 'b', 'c', 'd']) await server.prompt(quick(1), { prompt_id: id });
    expect(await waiting(server)).toEqual([['a', 0], ['b', 1], ['c', 2], ['d', 3]]);
    const [, state] = await answerOf(server.post('/queue/order', { prompt_ids: ['d', 'nobody', 'b', 'd'] }));
    expect(state).toEqual({ paused: true, running: [], waiting: [{ prompt_id: 'd', number: -2 }, { prompt_id: 'b', number: -1 }, { prompt_id: 'a', number: 0 }, { prompt_id: 'c', number: 2 }] });
    expect(await waiting(server)).toEqual([['d', -2], ['b', -1], ['a', 0], ['c', 2]]);
    expect((await answerOf(server.post('/queue/priority', { prompt_id: 'd', number: 1.5 })))[1].waiting.map(({ prompt_id }: Answer) => prompt_id)).toEqual(['b', 'a', 'd', 'c']);
    expect((await server.prompt(quick(2), { prompt_id: 'e', front: true })).body).toMatchObject({ number: -4 });
    expect((await answerOf(server.post('/queue/resume', '')))[1]).toMatchObject({ paused: false });
    await untilIdle(server);
    const history = await server.json('/history') as Answer;
    expect(Object.keys(history)).toEqual(['e', 'b', 'a', 'd', 'c']);
    expect(history.d.prompt).toEqual([1.5, 'd', quick(1), {}, ['1']]);
  });

  test('numbers without room between them are given anew', async () => {
    const server = await serve({ store: await open() });
    await server.post('/queue/pause', '');
    for (const id of ['a', 'b', 'c']) await server.prompt(quick(1), { prompt_id: id, number: -1e300 });
    await server.post('/queue/order', { prompt_ids: ['c', 'b'] });
    expect(await waiting(server)).toEqual([['c', 0], ['b', 1], ['a', 2]]);
    expect((await server.prompt(quick(1), { number: Number.MAX_VALUE })).status).toBe(200);
    expect((await answerOf(server.post('/prompt', '{"prompt":{},"number":1e999}')))[0]).toBe(400);
  });

  test('an id is accepted once: waiting, running, ended or cancelled, it is the same job', async () => {
    const server = await serve({ store: await open() });
    const first = await server.prompt(busy, { prompt_id: 'x', number: 3 });
    const again = () => server.prompt(quick(9), { prompt_id: 'x' });
    expect(first.body).toEqual({ prompt_id: 'x', number: 3, node_errors: {} });
    expect((await again()).body).toEqual(first.body);
    await server.prompt(quick(1), { prompt_id: 'y' });
    expect((await server.prompt({ broken: 1 }, { prompt_id: 'y' })).status).toBe(400); // no prompt at all
    expect((await server.prompt(quick(2), { prompt_id: 'y' })).body).toMatchObject({ number: 0 });
    expect(await waiting(server)).toEqual([['y', 0]]);
    await server.post('/queue', { delete: ['y'] });
    expect((await server.prompt(quick(2), { prompt_id: 'y' })).status).toBe(200);
    expect(await waiting(server)).toEqual([]);
    await server.post('/interrupt', '');
    await untilIdle(server);
    expect((await again()).body).toEqual(first.body);
    const history = await server.json('/history') as Answer;
    expect(Object.keys(history)).toEqual(['x']);
    expect(history.x.status.messages.at(-1)[0]).toBe('execution_interrupted');
    await server.post('/history', { delete: ['x'] });
    expect((await again()).status).toBe(200);
    await untilIdle(server);
    expect((await server.json('/history/x') as Answer).x.prompt[2]).toEqual(quick(9));
  });

  test('many posts of one id at once queue one job', async () => {
    const store = await open();
    const server = await serve({ store });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => server.prompt(quick(i), { prompt_id: 'same' })));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.prompt_id} ${body.number}`)).size).toBe(1);
    await untilIdle(server);
    expect(store.list().total).toBe(1);
  });

  test('what a list of jobs reads: states, times, outputs, the failure', async () => {
    const store = await open();
    const server = await serve({ store });
    await server.prompt(nodes({ 1: ['EmptyImage', { width: 8, height: 8, batch_size: 2, color: 1 }], 2: ['SaveImage', { images: ['1', 0], filename_prefix: 'o' }], 3: ['PreviewImage', { images: ['1', 0] }], 4: ['PreviewAny', { source: 5 }] }),
      { prompt_id: 'good', client_id: 'me', extra_data: { extra_pnginfo: { workflow: { id: 'w-1' } } } });
    await server.prompt(nodes({ 1: ['PrimitiveInt', { value: 1 }], 2: ['Break', { value: ['1', 0] }], 3: ['PreviewAny', { source: ['2', 0] }] }), { prompt_id: 'bad' });
    await untilIdle(server);
    expect(store.get('good')).toMatchObject({ state: 'success', clientId: 'me', workflowId: 'w-1', kills: 0, outputs: 5, createdAt: expect.any(Number), startedAt: expect.any(Number), endedAt: expect.any(Number) });
    expect(JSON.parse(store.get('good')!.preview!)).toMatchObject({ filename: expect.stringMatching(/png$/), type: 'output', nodeId: '2', mediaType: 'images' });
    expect([...store.tempFiles()]).toEqual([expect.stringMatching(/^ComfyUI_temp_.*_00001_\.png$/), expect.stringMatching(/_00002_\.png$/)]);
    expect(store.get('bad')).toMatchObject({ state: 'error', failure: { node: '2', type: 'Break', name: 'RangeError', message: expect.stringContaining('it broke') } });
  });
});

test('mistakes in ids and orders are told', async () => {
  const server = await serve();
  for (const id of ['', 'x'.repeat(1001), 'a\0b', '\ud800']) expect((await server.prompt(quick(1), { prompt_id: id })).body.error).toMatchObject({ type: 'invalid_prompt_id' });
  for (const body of [{}, { prompt_ids: 'a' }, { prompt_ids: [1] }]) expect((await answerOf(server.post('/queue/order', body)))[0]).toBe(400);
  expect((await answerOf(server.post('/queue/priority', { prompt_id: 'a' })))[0]).toBe(400);
  expect((await answerOf(server.post('/queue/priority', { prompt_id: 'a', number: 1 })))[0]).toBe(404);
});

test('a store that takes nothing refuses the prompt; later ones are accepted again', async () => {
  const store = await diskStore();
  let isFull = true;
  const failing = new Proxy(store, { get: (target, name) => (name === 'committed' && isFull ? () => Promise.reject(new StoreError('jobs.db cannot be written: disk full')) : (Reflect.get(target, name, target) as () => void)?.bind?.(target) ?? Reflect.get(target, name, target)) });
  const server = await serve({ store: failing });
  expect(await server.prompt(quick(1), { prompt_id: 'a' })).toMatchObject({ status: 503, body: { error: { type: 'not_stored', details: 'jobs.db cannot be written: disk full' } } });
  expect(store.get('a')).toBeUndefined();
  isFull = false;
  expect((await server.prompt(quick(1), { prompt_id: 'a' })).status).toBe(200);
  await untilIdle(server);
  expect(store.get('a')?.state).toBe('success');
});
