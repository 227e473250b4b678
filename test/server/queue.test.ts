import { expect, test, vi } from 'vitest';
import { nodes, serve, type Answer, type TestServer } from './harness.ts';

const busy = nodes({ 1: ['Work', { steps: 1000, stepMs: 10 }], 2: ['PreviewAny', { source: ['1', 0] }] });
const quick = (value: number) => nodes({ 1: ['PreviewAny', { source: value }] });

async function waiting(server: TestServer): Promise<string[]> {
  return (await server.json('/queue') as Answer).queue_pending.map((item: Answer) => item[1]);
}

async function untilIdle(server: TestServer): Promise<void> {
  while ((await server.json('/prompt') as Answer).exec_info.queue_remaining > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('numbers, front, ids; the queue lists in the order in which prompts will run; delete and clear', async () => {
  const server = await serve();
  const first = await server.prompt(busy, { client_id: 'a' });
  expect(first.body).toMatchObject({ number: 0, prompt_id: expect.stringMatching(/^[0-9a-f]{8}-/) });
  expect((await server.prompt(quick(1), { prompt_id: 'one' })).body).toMatchObject({ number: 1, prompt_id: 'one' });
  expect((await server.prompt(quick(2), { prompt_id: 'two', front: true })).body).toMatchObject({ number: -2 });
  expect((await server.prompt({})).status).toBe(400);
  expect((await server.prompt(quick(4), { prompt_id: 'four', number: 0.5 })).body).toMatchObject({ number: 0.5 });
  expect((await server.prompt(quick(5), { prompt_id: 'five' })).body).toMatchObject({ number: 4 });
  expect(await waiting(server)).toEqual(['two', 'four', 'one', 'five']);
  const queue = await server.json('/api/queue') as Answer;
  expect(queue.queue_running).toEqual([[0, first.body.prompt_id, busy, { client_id: 'a' }, ['2']]]);
  expect(queue.queue_pending[0]).toEqual([-2, 'two', quick(2), {}, ['1']]);
  const response = await server.post('/queue', { delete: ['four', 'nobody'] });
  expect([response.status, await response.text()]).toEqual([200, '']);
  expect(await waiting(server)).toEqual(['two', 'one', 'five']);
  await server.post('/queue', { clear: true });
  expect(await waiting(server)).toEqual([]);
  expect(await server.json('/history/one')).toEqual({});
  await server.post('/interrupt', '');
  await untilIdle(server);
});

test('history by id, pages, deletes', async () => {
  const server = await serve();
  for (let i = 0; i < 5; i++) await server.prompt(quick(i), { prompt_id: `p${i}` });
  await untilIdle(server);
  const ids = async (query: string) => Object.keys(await server.json(`/history${query}`) as object);
  expect(await ids('')).toEqual(['p0', 'p1', 'p2', 'p3', 'p4']);
  expect(await ids('?max_items=2')).toEqual(['p3', 'p4']);
  expect(await ids('?offset=3')).toEqual(['p3', 'p4']);
  expect(await ids('?offset=1&max_items=2')).toEqual(['p1', 'p2']);
  expect(await ids('?offset=0')).toEqual(await ids(''));
  expect(await ids('?offset=100')).toEqual([]);
  expect((await server.get('/history?offset=x')).status).toBe(400);
  expect(await ids('/p2')).toEqual(['p2']);
  await server.post('/history', { delete: ['p0', 'p3'] });
  expect(await ids('')).toEqual(['p1', 'p2', 'p4']);
  await server.post('/history', { clear: true });
  expect(await ids('')).toEqual([]);
});

test('free drops what was kept', async () => {
  const server = await serve();
  const client = await server.connect('c');
  const cached = async () => {
    client.frames.length = 0;
    const { body } = await server.prompt(quick(7), { client_id: 'c' });
    await client.end(body.prompt_id);
    return client.frames.find(({ type }) => type === 'execution_cached').data.nodes;
  };
  expect(await cached()).toEqual([]);
  expect(await cached()).toEqual(['1']);
  expect((await server.post('/free', { unload_models: true })).status).toBe(200);
  expect(await cached()).toEqual(['1']);
  await server.post('/free', { free_memory: true });
  expect(await cached()).toEqual([]);
});

test('with concurrency, prompts of different clients overlap, those of one that follows ComfyUI\'s messages do not; an empty interrupt stops all', async () => {
  const server = await serve({ concurrency: 2, cache: { policy: 'none' } });
  const [a, b] = [await server.connect('a'), await server.connect('b')];
  const firstA = await server.prompt(busy, { client_id: 'a' });
  await server.prompt(busy, { client_id: 'a', prompt_id: 'later' });
  const firstB = await server.prompt(busy, { client_id: 'b' });
  await Promise.all([a, b].map((client) => client.until(({ type }) => type === 'progress')));
  const queue = await server.json('/queue') as Answer;
  expect(queue.queue_running.map((item: Answer) => item[1])).toEqual([firstA.body.prompt_id, firstB.body.prompt_id]);
  expect(queue.queue_pending.map((item: Answer) => item[1])).toEqual(['later']);
  await server.post('/queue', { clear: true });
  await server.post('/interrupt', '');
  await Promise.all([a.end(firstA.body.prompt_id), b.end(firstB.body.prompt_id)]);
  for (const client of [a, b]) expect(client.log()).toContain('execution_interrupted 1 Work');
  expect(a.frames.every((frame) => frame.data?.prompt_id === undefined || frame.data.prompt_id === firstA.body.prompt_id)).toBe(true);
  await server.post('/free', { free_memory: true });
  const last = await server.prompt(quick(1), { client_id: 'a' });
  await a.end(last.body.prompt_id);
});

const runningIds = async (server: TestServer): Promise<string[]> => (await server.json('/queue') as Answer).queue_running.map((item: Answer) => item[1]);

test.each([['without a socket', undefined], ['that takes run events', { run_events: true }]])('a client %s has its prompts spread over what is free, in their order; others come before its next', async (_title, features) => {
  const server = await serve({ concurrency: 3, cache: { policy: 'none' } });
  if (features !== undefined) await server.connect('a', features);
  for (const id of ['a1', 'a2', 'a3', 'a4', 'a5']) await server.prompt(busy, { client_id: 'a', prompt_id: id });
  await vi.waitFor(async () => expect(await runningIds(server)).toEqual(['a1', 'a2', 'a3']));
  for (const id of ['b1', 'b2']) await server.prompt(busy, { client_id: 'b', prompt_id: id });
  await server.post('/interrupt', { prompt_id: 'a2' });
  await vi.waitFor(async () => expect(await runningIds(server)).toEqual(['a1', 'a3', 'b1'])); // b has none running
  await server.post('/interrupt', { prompt_id: 'a3' });
  await vi.waitFor(async () => expect(await runningIds(server)).toEqual(['a1', 'b1', 'a4'])); // one each: the earlier
  await server.post('/interrupt', { prompt_id: 'a1' });
  await vi.waitFor(async () => expect(await runningIds(server)).toEqual(['b1', 'a4', 'a5']));
  await server.post('/queue', { clear: true });
  await server.post('/interrupt', '');
  await vi.waitFor(async () => expect(await runningIds(server)).toEqual([]));
});
