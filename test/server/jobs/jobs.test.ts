// GET /api/jobs and what belongs to it, in every state a job can be in (comfy-contract §1.2).
import { expect, test } from 'vitest';
import { nodes, serve, type Answer, type TestServer } from '../harness.ts';
import { png } from './workflows.ts';

const quick = (value: number, more: object = {}) => nodes({ 1: ['PreviewAny', { source: value }], ...more });
const busy = nodes({ 1: ['Work', { steps: 5000, stepMs: 5 }], 2: ['PreviewAny', { source: ['1', 0] }] });
const broken = nodes({ 1: ['Break', { value: 1 }], 2: ['PreviewAny', { source: ['1', 0] }] });

const list = async (server: TestServer, query = ''): Promise<Answer> => server.json(`/api/jobs${query}`);
const idsOf = async (server: TestServer, query = ''): Promise<string[]> => (await list(server, query)).jobs.map(({ id }: Answer) => id);

async function until(server: TestServer, id: string, ...statuses: string[]): Promise<Answer> {
  for (;;) {
    const job = await server.json(`/api/jobs/${id}`) as Answer;
    if (statuses.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('every status, with times, previews and errors', async () => {
  const server = await serve();
  const form = new FormData();
  form.set('image', new Blob([await png(0, 0, 0)]), 'a.png');
  await fetch(`${server.url}/upload/image`, { method: 'POST', body: form });
  await server.prompt(nodes({ 1: ['LoadImage', { image: 'a.png' }], 2: ['SaveImage', { images: ['1', 0], filename_prefix: 'x' }], 3: ['PreviewImage', { images: ['1', 0] }] }), { prompt_id: 'done', extra_data: { extra_pnginfo: { workflow: { id: 'w1' } } } });
  await until(server, 'done', 'completed');
  await server.prompt(broken, { prompt_id: 'failed' });
  await until(server, 'failed', 'failed');
  await server.prompt(busy, { prompt_id: 'stopped', client_id: 'c' });
  await until(server, 'stopped', 'in_progress');
  await server.prompt(quick(1), { prompt_id: 'waiting' });
  await server.prompt(quick(2), { prompt_id: 'dropped' });
  await server.post('/queue', { delete: ['dropped'] });
  const times = { create_time: expect.any(Number), execution_start_time: expect.any(Number), execution_end_time: expect.any(Number) };
  const none = { execution_error: null, outputs_count: 0, preview_output: null, workflow_id: null };
  expect(await list(server, '?sort_order=asc')).toEqual({
    jobs: [
      { id: 'done', status: 'completed', priority: 0, ...times, execution_error: null, outputs_count: 2, preview_output: { filename: 'x_00001_.png', subfolder: '', type: 'output', nodeId: '2', mediaType: 'images' }, workflow_id: 'w1' },
      { id: 'failed', status: 'failed', priority: 1, ...times, ...none, execution_error: { node_id: '1', node_type: 'Break', exception_type: 'RangeError', exception_message: expect.stringContaining('it broke') } },
      { id: 'stopped', status: 'in_progress', priority: 2, ...times, execution_end_time: null, ...none },
      { id: 'waiting', status: 'pending', priority: 3, ...times, execution_start_time: null, execution_end_time: null, ...none },
      { id: 'dropped', status: 'cancelled', priority: 4, ...times, execution_start_time: null, ...none },
    ],
    pagination: { offset: 0, limit: 1000, total: 5, has_more: false },
  });
  expect(await (await server.post('/api/jobs/stopped/cancel', '')).json()).toEqual({ cancelled: true });
  expect(await until(server, 'stopped', 'cancelled')).toMatchObject({ execution_end_time: expect.any(Number), outputs: {}, execution_status: { status_str: 'error', completed: false } });
  expect(await (await server.post('/api/jobs/stopped/cancel', '')).json()).toEqual({ cancelled: false });
  expect(await server.json('/api/jobs/done')).toMatchObject({
    id: 'done', outputs: { 2: { images: [{ filename: 'x_00001_.png' }] } }, execution_status: { completed: true }, workflow: { prompt: { 1: { class_type: 'LoadImage' } }, extra_data: { extra_pnginfo: { workflow: { id: 'w1' } } } },
  });
});

test('filters, sorting, pages', async () => {
  const server = await serve();
  for (const [i, workflow] of ['a', 'b', 'a'].entries()) await server.prompt(quick(i), { prompt_id: `p${i}`, client_id: `c${i}`, extra_data: { extra_pnginfo: { workflow: { id: workflow } } } });
  await server.prompt(nodes({ 1: ['Work', { steps: 5, stepMs: 10 }], 2: ['PreviewAny', { source: ['1', 0] }] }), { prompt_id: 'long' });
  await server.prompt(broken, { prompt_id: 'bad' });
  await until(server, 'bad', 'failed');
  expect(await idsOf(server)).toEqual(['bad', 'long', 'p2', 'p1', 'p0']);
  expect(await idsOf(server, '?status=failed')).toEqual(['bad']);
  expect(await idsOf(server, '?status=completed,failed&sort_order=asc')).toEqual(['p0', 'p1', 'p2', 'long', 'bad']);
  expect(await idsOf(server, '?workflow_id=a')).toEqual(['p2', 'p0']);
  expect(await idsOf(server, '?client_id=c1')).toEqual(['p1']);
  expect((await idsOf(server, '?sort_by=execution_duration'))[0]).toBe('long');
  expect(await list(server, '?limit=2&offset=1')).toMatchObject({ jobs: [{ id: 'long' }, { id: 'p2' }], pagination: { offset: 1, limit: 2, total: 5, has_more: true } });
  expect((await list(server, '?limit=2&offset=3')).pagination.has_more).toBe(false);
});

test('cancelling several, waiting and running; unknown ones and wrong queries are told', async () => {
  const server = await serve();
  await server.prompt(busy, { prompt_id: 'a' });
  await server.prompt(busy, { prompt_id: 'b' });
  await until(server, 'a', 'in_progress');
  const cancel = async (body: unknown): Promise<[number, Answer]> => {
    const response = await server.post('/api/jobs/cancel', body);
    return [response.status, await response.json()];
  };
  expect(await cancel({ job_ids: ['a', 'b', 'nobody'] })).toEqual([200, { cancelled: true }]);
  await until(server, 'a', 'cancelled');
  expect((await until(server, 'b', 'cancelled')).execution_start_time).toBeNull();
  expect(await cancel({ job_ids: ['a', 'b'] })).toEqual([200, { cancelled: false }]);
  expect(await cancel({ job_ids: 'a' })).toMatchObject([400, { error: { message: 'job_ids must be array' } }]);
  expect(await cancel({ ids: ['a'] })).toMatchObject([400, { error: { message: expect.stringContaining('unknown member "ids"') } }]);
  expect(await cancel('nonsense')).toMatchObject([400, { error: { message: expect.stringContaining('no JSON') } }]);
  for (const route of ['/api/jobs/nobody', '/api/jobs/nobody/events']) expect([(await server.get(route)).status, await (await server.get(route)).json()]).toEqual([404, { error: 'Job not found' }]);
  expect((await server.post('/api/jobs/nobody/cancel', '')).status).toBe(404);
  for (const [query, message] of [['status=odd', 'status is "odd": give some of pending, in_progress, completed, failed, cancelled'], ['limit=0', 'limit is 0: give a whole number from 1'], ['sort_by=size', 'sort_by is "size": give created_at or execution_duration']]) {
    const response = await server.get(`/api/jobs?${query}`);
    expect([response.status, await response.json()]).toEqual([400, { error: message }]);
  }
  expect((await server.get('/api/jobs/cancel')).status).toBe(405);
});
