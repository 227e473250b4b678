// The OpenAPI document: valid as a document, and what the server really answers is what it says, by a validator that is not the server's own.
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { openApi } from '../../../engine/server/openapi/document.ts';
import { comfyOperations } from '../../../engine/server/openapi/comfy-operations.ts';
import { jobOperations } from '../../../engine/server/openapi/job-operations.ts';
import { nodes, serve, type Answer } from '../harness.ts';
import { broken, dataUrl, invert, png, save, work } from './workflows.ts';

test('the document is valid OpenAPI 3.1, and every operation has an id of its own', async () => {
  const server = await serve();
  const document = await server.json('/openapi.json') as Answer;
  expect(await server.json('/api/openapi.json')).toEqual(document);
  expect(await new Validator().validate(document)).toEqual({ valid: true });
  const ids = Object.values(document.paths as Record<string, Record<string, Answer>>).flatMap((path) => Object.values(path).map(({ operationId }) => operationId as string));
  expect(new Set(ids).size).toBe(ids.length);
  expect(document.security).toBeUndefined();
  expect(openApi(jobOperations, true)).toMatchObject({ security: [{ bearer: [] }] });
});

test('two schemas of one name are a mistake of ours', () => {
  const operation = { method: 'get', path: '/x', id: 'x', tag: 't', summary: 's', answers: { 200: { description: 'd', content: { 'application/json': { schema: { title: 'Job' } } } } } } as const;
  expect(() => openApi([...jobOperations, operation])).toThrow('two schemas have the title Job');
});

test('every operation is answered by the server, as the document says', async () => {
  const server = await serve();
  const document = await server.json('/openapi.json') as Answer;
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(document, 'doc');
  const covered = new Set<string>();
  const ask = async (method: 'get' | 'post', path: string, { params = {}, query = '', body, status = 200, headers = {} }: { params?: Record<string, string>; query?: string; body?: unknown; status?: number; headers?: Record<string, string> } = {}): Promise<Answer> => {
    const operation = document.paths[path]?.[method];
    const route = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name]!));
    const sent = body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) };
    const response = await fetch(`${server.url}${route}${query}`, { method: method.toUpperCase(), headers, ...sent });
    expect([path, response.status]).toEqual([path, status]);
    covered.add(operation.operationId);
    const told = operation.responses[status];
    expect(told, `${method} ${path} ${status}`).toBeDefined();
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!;
    if (told.content === undefined || told.content[type] === undefined) return response.text();
    const text = await response.text();
    const answer = type === 'application/json' ? JSON.parse(text) as Answer : text;
    const pointer = `doc#/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${method}/responses/${status}/content/${type.replace('/', '~1')}/schema`;
    const validate = ajv.getSchema(pointer)!;
    expect([path, validate(answer), validate.errors]).toEqual([path, true, null]);
    return answer;
  };
  await save(server, 'work', work);
  const picture = await png(1, 2, 3);
  const image = new FormData();
  image.set('image', new Blob([picture]), 'a.png');

  await ask('post', '/api/run', { body: { workflow: invert, inputs: { image: dataUrl(picture) }, id: 'a' } });
  await ask('post', '/api/run', { body: { workflow: broken, id: 'bad' }, status: 422 });
  await ask('post', '/api/run', { body: { workflow: work, wait: false, id: 'b' }, status: 202 });
  await ask('post', '/api/run', { body: { workflow: work, inputs: { steps: 'x' } }, status: 400 });
  await ask('post', '/api/run', { body: { workflow: 'none' }, status: 404 });
  await ask('post', '/api/run', { body: { workflow: work }, status: 406, headers: { accept: 'image/png' } });
  await ask('get', '/api/run/{id}', { params: { id: 'a' }, query: '?outputs=files&wait_seconds=1' });
  await ask('get', '/api/run/{id}', { params: { id: 'none' }, status: 404 });
  await ask('get', '/api/workflows');
  await ask('post', '/api/jobs/cancel', { body: { job_ids: ['none'] } });
  await ask('post', '/api/jobs/cancel', { body: {}, status: 400 });
  await ask('post', '/api/jobs/{id}/cancel', { params: { id: 'a' } });
  await ask('post', '/api/jobs/{id}/cancel', { params: { id: 'none' }, status: 404 });
  expect(await ask('get', '/api/jobs/{id}/events', { params: { id: 'b' } })).toContain('event: ended');
  expect((await ask('get', '/api/jobs', { query: '?limit=2' })).jobs).toHaveLength(2);
  await ask('get', '/api/jobs', { query: '?limit=-2', status: 400 });
  await ask('get', '/api/jobs/{id}', { params: { id: 'bad' } });
  await ask('get', '/api/jobs/{id}', { params: { id: 'none' }, status: 404 });

  await ask('post', '/api/queue/pause');
  await ask('post', '/api/prompt', { body: { prompt: nodes({ 1: ['PreviewAny', { source: 1 }] }), prompt_id: 'p' } });
  await ask('post', '/api/prompt', { body: { prompt: {} }, status: 400 });
  await ask('get', '/api/prompt');
  expect((await ask('get', '/api/queue')).queue_pending).toHaveLength(1);
  await ask('get', '/api/queue/order');
  await ask('post', '/api/queue/order', { body: { prompt_ids: ['p'] } });
  await ask('post', '/api/queue/priority', { body: { prompt_id: 'p', number: 4 } });
  await ask('post', '/api/queue/priority', { body: { prompt_id: 'none', number: 4 }, status: 404 });
  await ask('post', '/api/queue/resume');
  await ask('post', '/api/queue', { body: { clear: true } });
  await ask('post', '/api/interrupt', { body: {} });
  await ask('post', '/api/free', { body: { free_memory: true } });
  expect(Object.keys(await ask('get', '/api/history'))).toContain('a');
  await ask('get', '/api/history/{id}', { params: { id: 'bad' } });
  await ask('post', '/api/history', { body: { clear: true } });
  await ask('post', '/api/upload/image', { body: image });
  await ask('get', '/api/view', { query: '?filename=a.png&type=input' });
  await ask('get', '/api/view', { query: '?filename=b.png', status: 404 });
  await ask('get', '/api/object_info');
  await ask('get', '/api/object_info/{type}', { params: { type: 'LoadImage' } });
  await ask('get', '/api/system_stats');
  await ask('get', '/api/features');
  expect([...covered].sort()).toEqual([...jobOperations, ...comfyOperations].map(({ id }) => id).sort());
});
