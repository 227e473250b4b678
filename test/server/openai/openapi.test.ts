// The OpenAI-compatible routes over HTTP with workflows of our own: what the OpenAPI document says of them, other tables of workflows, runs that fail.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI, { AuthenticationError } from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { openAiOperations } from '../../../engine/server/openapi/openai-operations.ts';
import { defineNode } from '../../../engine/graph/node.ts';
import { COMBO, INT, STRING } from '../../../engine/graph/types.ts';
import type { OpenAiWorkflows } from '../../../engine/server/openai/workflows.ts';
import { serve, type Answer, type TestServer } from '../harness.ts';
import { dataUrl, png, workflowOf } from '../jobs/workflows.ts';

const question = workflowOf({
  nodes: { 1: ['LoadImage', ['x.png', 'image']], 2: ['ImageInvert', [], { image: [1, 0, 'IMAGE'] }], 3: ['PreviewImage', [], { images: [2, 0, 'IMAGE'] }], 4: ['PrimitiveString', ['?']], 5: ['PreviewAny', [], { source: [4, 0, 'STRING'] }] },
  inputs: { image: [1, 'image'], prompt: [4, 'value'] }, outputs: { answer: 5 },
});
/** Says what it was asked. */
const echo = workflowOf({ nodes: { 1: ['PrimitiveString', ['?']], 2: ['PreviewAny', [], { source: [1, 0, 'STRING'] }] }, inputs: { messages: [1, 'value'] }, outputs: { answer: 2 } });
const draws = workflowOf({
  nodes: { 1: ['LoadImage', ['x.png', 'image']], 2: ['ImageInvert', [], { image: [1, 0, 'IMAGE'] }], 3: ['SaveImage', ['made'], { images: [2, 0, 'IMAGE'] }], 4: ['PrimitiveString', ['?']], 5: ['PreviewAny', [], { source: [4, 0, 'STRING'] }], 6: ['PrimitiveInt', [1, 'fixed']], 7: ['PreviewAny', [], { source: [6, 0, 'INT'] }] },
  inputs: { image: [1, 'image'], prompt: [4, 'value'], seed: [6, 'value'] }, outputs: { image: 3 },
});

async function serveWith(workflows: Partial<OpenAiWorkflows>): Promise<TestServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-openai-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, workflow] of Object.entries({ question, echo, draws })) await writeFile(path.join(folder, `${name}.json`), JSON.stringify(workflow));
  return serve({ templates: new Map([['own', folder]]), openAi: { workflows } });
}

const hello = [{ role: 'user', content: 'hello' }];

test('the document says what is answered', async () => {
  const server = await serveWith({ chat: 'echo', edit: 'draws', draw: 'none' });
  const document = await server.json('/openapi.json') as Answer;
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(document, 'doc');
  const covered = new Set<string>();
  const check = async (method: 'get' | 'post', route: string, status: number, body?: unknown, at = route) => {
    const response = await fetch(`${server.url}${route}`, { method: method.toUpperCase(), ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }) });
    const answer = await response.json() as Answer;
    expect([route, response.status, answer.error?.message]).toEqual([route, status, answer.error === undefined ? undefined : expect.stringMatching(/\w/)]);
    const validate = ajv.getSchema(`doc#/paths/${at.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${method}/responses/${status}/content/application~1json/schema`)!;
    expect([route, validate(answer), validate.errors]).toEqual([route, true, null]);
    covered.add(document.paths[at][method].operationId);
    return answer;
  };
  const picture = dataUrl(await png(0, 0, 255));
  const form = new FormData();
  form.set('prompt', '12');
  form.set('n', '2');
  form.append('image[]', new Blob([await png(0, 0, 255)]), 'a.png');
  await check('get', '/v1/models', 200);
  await check('get', '/v1/models/x', 404, undefined, '/v1/models/{model}');
  expect((await check('post', '/v1/images/edits', 200, form)).data).toHaveLength(2);
  expect((await check('post', '/v1/images/edits', 200, { prompt: 'a', image: picture, response_format: 'url', seed: 5 })).data).toEqual([{ url: expect.stringContaining('/view?filename=made_'), seed: 5 }]);
  await check('post', '/v1/images/edits', 400, { prompt: 'a', image: picture, size: '8x8' });
  await check('post', '/v1/images/generations', 404, { prompt: 'a' });
  await check('post', '/v1/chat/completions', 200, { messages: hello });
  await check('post', '/v1/chat/completions', 400, { messages: hello, temperature: 1 });
  await check('post', '/v1/chat/completions', 404, { messages: hello, model: 'none' });
  expect([...covered].sort()).toEqual(openAiOperations.map(({ id }) => id).sort());
});

test('the token of the server is the client\'s key', async () => {
  const server = await serve({ token: 'a-token-that-is-not-to-be-guessed' });
  const models = (apiKey: string) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 }).models.list();
  expect((await models('a-token-that-is-not-to-be-guessed')).data).toEqual([]);
  await expect(models('another')).rejects.toThrow(AuthenticationError);
});

test('models: what was asked for, else the server\'s own, else the workflow\'s; settings suit the model or are the nodes\' own', async () => {
  const Pick = defineNode({
    type: 'Pick', category: 't', outputs: [{ name: 'text', type: STRING }],
    inputs: { model: { type: COMBO, default: 'small', choices: () => ['large', 'small'] }, max_tokens: { type: INT, default: 512n, min: 2, max: 1000 }, messages: { type: STRING, default: '' } },
    run: ({ model, max_tokens }) => [`${model} ${max_tokens}`],
  });
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-openai-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const pick = workflowOf({ nodes: { 1: ['Pick', ['small', 64, '']], 2: ['PreviewAny', [], { source: [1, 0, 'STRING'] }] }, inputs: { model: [1, 'model'], max_tokens: [1, 'max_tokens'], messages: [1, 'messages'] }, outputs: { answer: 2 } });
  await writeFile(path.join(folder, 'pick.json'), JSON.stringify(pick));
  const answers = async (own: string | undefined, asked: object) => {
    const server = await serve({ nodes: [Pick], templates: new Map([['own', folder]]), openAi: { workflows: { chat: 'pick' }, model: own } });
    const response = await server.post('/v1/chat/completions', { messages: hello, ...asked });
    const { model, choices, error } = await response.json() as Answer;
    return [model ?? error.message, choices?.[0].message.content, response.headers.get('x-bagelgraph-notice')];
  };
  expect(await answers(undefined, {})).toEqual(['small', 'small 64', null]);
  expect(await answers(undefined, { model: 'large' })).toEqual(['large', 'large 512', null]);
  expect(await answers('large', { model: 'gpt-5' })).toEqual(['large', 'large 512', 'the model "gpt-5" is not installed: large is used in its place']);
  expect(await answers('gone', { model: null, max_tokens: 9 })).toEqual(['small', 'small 10', null]);
  expect(await answers('large', { model: 'larg' })).toEqual(['there is no model "larg" here; did you mean large? There are large, small', undefined, null]);
});

test('a form takes the whole conversation as JSON; pictures as files, before a text that names them', async () => {
  const server = await serveWith({ chat: 'echo' });
  const picture = { type: 'image_url', image_url: { url: dataUrl(await png(1, 2, 3)) } };
  const messages = [{ role: 'developer', content: 'brief' }, { role: 'user', content: [{ type: 'text', text: 'what?' }, picture] }, { role: 'assistant', content: 'a dot', reasoning_content: 'hm' }, { role: 'user', content: [{ type: 'text', text: 'this' }, picture, { type: 'text', text: 'or that' }] }];
  const answer = await (await server.post('/v1/chat/completions', { messages })).json() as Answer;
  const image = { type: 'image', image: expect.stringMatching(/^given-[0-9a-f]{32}\.png \[temp\]$/) };
  expect(JSON.parse(answer.choices[0].message.content)).toEqual([
    { role: 'system', content: [{ type: 'text', text: 'brief' }] }, { role: 'user', content: [image, { type: 'text', text: 'what?' }] }, { role: 'assistant', content: [{ type: 'text', text: 'a dot' }] },
    { role: 'user', content: [{ type: 'text', text: 'this' }, image, { type: 'text', text: 'or that' }] },
  ]);
  expect(answer.usage).toBeUndefined();
});

test('a form that takes one question gets that, and says so of anything else', async () => {
  const server = await serveWith({ chat: 'question' });
  const asked = { role: 'user', content: [{ type: 'text', text: 'what?' }, { type: 'image_url', image_url: { url: dataUrl(await png(1, 2, 3)) } }] };
  expect((await (await server.post('/v1/chat/completions', { messages: [asked] })).json() as Answer).choices[0].message.content).toBe('what?');
  const refused = await server.post('/v1/chat/completions', { messages: [...hello, { role: 'assistant', content: 'hi' }, asked] });
  expect([refused.status, (await refused.json() as Answer).error]).toEqual([400, { message: 'the workflow "question" answers one text with 1 picture, without earlier turns', type: 'invalid_request_error', param: 'messages', code: 'unsupported_value' }]);
});

test('a run that fails: 500 before the answer, an event after it has begun', async () => {
  const failing = workflowOf({ nodes: { 1: ['PrimitiveString', ['x']], 2: ['Break', [], { value: [1, 0, 'STRING'] }], 3: ['PreviewAny', [], { source: [2, 0, '*'] }] }, inputs: { messages: [1, 'value'] }, outputs: { text: 3 } });
  const server = await serveWith({ chat: 'failing' });
  await fetch(`${server.url}/userdata/${encodeURIComponent('workflows/failing.json')}`, { method: 'POST', body: JSON.stringify(failing) });
  const error = { message: expect.stringContaining('it broke'), type: 'server_error', param: null, code: 'run_failed' };
  const whole = await server.post('/v1/chat/completions', { messages: hello });
  expect([whole.status, whole.headers.get('x-should-retry'), (await whole.json() as Answer).error]).toEqual([500, 'false', error]);
  const streamed = await server.post('/v1/chat/completions', { messages: hello, stream: true });
  const events = (await streamed.text()).split('\n\n').filter((text) => text.startsWith('data: ')).map((text) => JSON.parse(text.slice(6)) as Answer);
  expect([streamed.status, events.length, events.at(-1)]).toEqual([200, 2, { error }]);
});
