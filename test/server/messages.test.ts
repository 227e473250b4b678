import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { decode } from '../../engine/image/decode.ts';
import { line, nodes, serve, type TestClient, type TestServer } from './harness.ts';

const chain = nodes({ 1: ['Numbers', { count: 2 }], 2: ['PreviewAny', { source: ['1', 0] }] });

async function run(server: TestServer, client: TestClient, prompt: object, more: object = {}): Promise<{ log: string[]; id: string; history: any }> {
  client.frames.length = 0;
  const { status, body } = await server.prompt(prompt, { client_id: 'me', ...more });
  expect(status).toBe(200);
  await client.end(body.prompt_id);
  const history = await server.json(`/history/${body.prompt_id}`) as Record<string, unknown>;
  return { log: client.log(), id: body.prompt_id, history: history[body.prompt_id] };
}

test('a prompt nothing of which is known, then the same again', async () => {
  const server = await serve({ cache: { policy: 'classic' } });
  const client = await server.connect('me');
  const cold = await run(server, client, chain);
  expect(cold.log).toEqual([
    'status 1', 'status 1', 'execution_start', 'execution_cached',
    'progress_state 1:running 0/1', 'executing 1', 'progress_state 1:finished 1/1',
    'progress_state 1:finished 1/1, 2:running 0/1', 'executing 2', 'executed 2 {"text":["0","1"]}', 'progress_state 1:finished 1/1, 2:finished 1/1',
    'execution_success', 'status 0', 'executing null',
  ]);
  expect(cold.history).toMatchObject({
    prompt: [0, cold.id, chain, { client_id: 'me' }, ['2']], outputs: { 2: { text: ['0', '1'] } },
    status: { status_str: 'success', completed: true, messages: [['execution_start', { prompt_id: cold.id }], ['execution_cached', { nodes: [] }], ['execution_success', {}]] },
    meta: { 2: { node_id: '2', display_node: '2', parent_node: null, real_node_id: '2' } },
  });
  const cached = await run(server, client, chain);
  expect(cached.log).toEqual([
    'status 1', 'status 1', 'execution_start', 'execution_cached 1 2', 'executed 2 {"text":["0","1"]}', 'progress_state 2:finished 1/1', 'execution_success', 'status 0', 'executing null',
  ]);
  expect(cached.history.outputs).toEqual(cold.history.outputs);
});

test('lazy inputs: a node shows twice that it runs', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const { log } = await run(server, client, nodes({ 1: ['PrimitiveInt', { value: 1 }], 2: ['PrimitiveInt', { value: 2 }], 3: ['Choose', { first: true, a: ['1', 0], b: ['2', 0] }], 4: ['PreviewAny', { source: ['3', 0] }] }));
  expect(log.filter((text) => text.startsWith('executing'))).toEqual(['executing 3', 'executing 1', 'executing 3', 'executing 4', 'executing null']);
  expect(log.filter((text) => text === 'progress_state 1:finished 1/1, 3:running 0/1')).toHaveLength(2);
  const known = await run(server, client, nodes({ 1: ['PrimitiveInt', { value: 1 }], 2: ['PrimitiveInt', { value: 9 }], 3: ['Choose', { first: true, a: ['1', 0], b: ['2', 0] }], 4: ['PreviewAny', { source: ['3', 0] }] }));
  expect(known.log.filter((text) => /^execut(ing|ion_c)/.test(text))).toEqual(['execution_cached 1', 'executing 3', 'executing 4', 'executing null']);
});

test('a node that throws ends the prompt with an error', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const { log, history, id } = await run(server, client, nodes({ 1: ['PrimitiveInt', { value: 1 }], 2: ['Break', { value: ['1', 0] }], 3: ['PreviewAny', { source: ['2', 0] }] }));
  expect(log.slice(-5)).toEqual(['progress_state 1:finished 1/1, 2:running 0/1', 'executing 2', 'execution_error 2 RangeError: it broke after 1', 'status 0', 'executing null']);
  expect(client.frames.find(({ type }) => type === 'execution_error').data).toMatchObject({
    prompt_id: id, node_id: '2', node_type: 'Break', exception_message: 'it broke\n', current_inputs: { value: ['1'] }, current_outputs: ['1', '2', '3'], timestamp: expect.any(Number), traceback: expect.arrayContaining([expect.stringContaining('RangeError')]),
  });
  expect(history.status).toMatchObject({ status_str: 'error', completed: false, messages: [['execution_start', {}], ['execution_cached', {}], ['execution_error', { node_id: '2' }]] });
  const next = await run(server, client, chain);
  expect(next.history.status.status_str).toBe('success');
});

test('a block that says why: told where it stops, the prompt succeeds', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const { log, history } = await run(server, client, nodes({ 1: ['PrimitiveInt', { value: 1 }], 2: ['Block', { value: ['1', 0] }], 3: ['PreviewAny', { source: ['2', 0] }] }));
  expect(log.slice(-6)).toEqual(['executing 3', 'execution_error 3 ExecutionBlocked: Execution Blocked: not today after 1 2', expect.stringContaining('3:finished'), 'execution_success', 'status 0', 'executing null']);
  const told = client.frames.find(({ type }) => type === 'execution_error').data;
  expect(told).toMatchObject({ node_type: 'PreviewAny', traceback: [], current_inputs: [], current_outputs: [] });
  expect(told).not.toHaveProperty('timestamp');
  expect(history).toMatchObject({ outputs: {}, meta: {}, status: { status_str: 'success' } });
  expect(history.status.messages).toHaveLength(3);
});

test('what an expansion made is shown as the node that made it', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const { log } = await run(server, client, nodes({ 7: ['Twice', { value: 5 }], 8: ['PreviewAny', { source: ['7', 0] }] }));
  expect(log.filter((text) => text.startsWith('executing'))).toEqual(['executing 7', 'executing 7.0.a as 7', 'executing 7.0.b as 7', 'executing 8', 'executing null']);
  const last = client.frames.filter(({ type }) => type === 'progress_state').at(-1).data.nodes;
  expect(last['7.0.a']).toMatchObject({ display_node_id: '7', parent_node_id: '7', real_node_id: '7', state: 'finished' });
});

test('progress with previews: metadata clients get the picture before progress, others after it', async () => {
  const server = await serve();
  const prompt = nodes({ 1: ['Work', { steps: 1, stepMs: 0 }], 2: ['PreviewAny', { source: ['1', 0] }] });
  const client = await server.connect('me');
  const plain = await run(server, client, prompt);
  const at = plain.log.indexOf('progress_state 1:running 1/1');
  expect(plain.log.slice(at, at + 3)).toEqual(['progress_state 1:running 1/1', 'progress 1 1/1', 'binary 1']);
  const picture = client.frames.find((frame) => frame instanceof Buffer && frame.readUInt32BE(0) === 1);
  expect(picture.readUInt32BE(4)).toBe(1);
  expect(picture.subarray(8, 11)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
  await server.post('/free', { free_memory: true });
  const modern = await server.connect('me', { supports_preview_metadata: true });
  const { log, id } = await run(server, modern, prompt);
  const from = log.indexOf('progress_state 1:running 1/1');
  expect(log.slice(from, from + 3)).toEqual(['progress_state 1:running 1/1', 'binary 4', 'progress 1 1/1']);
  expect(log.slice(-3)).toEqual(['execution_success', 'status 0', 'executing null']);
  const frame = modern.frames.find((one) => one instanceof Buffer && one.readUInt32BE(0) === 4);
  const length = frame.readUInt32BE(4);
  expect(JSON.parse(frame.toString('utf8', 8, 8 + length))).toEqual({ node_id: '1', prompt_id: id, display_node_id: '1', parent_node_id: null, real_node_id: '1', image_type: 'image/jpeg' });
  expect(frame.subarray(8 + length, 11 + length)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
});

test('SaveImageWebsocket sends every picture whole as PNG, each time, and without previews too', async () => {
  const server = await serve({ previewSide: 0 });
  const prompt = nodes({ 1: ['EmptyImage', { width: 700, height: 300, batch_size: 2, color: 0xff8000 }], 2: ['SaveImageWebsocket', { images: ['1', 0] }] });
  for (const [flags, kind, skip] of [[undefined, 1, () => 8], [{ supports_preview_metadata: true }, 4, (frame: Buffer) => 8 + frame.readUInt32BE(4)]] as const) {
    const client = await server.connect('me', flags);
    const { log } = await run(server, client, prompt);
    expect(log.filter((text) => /^(binary|progress 2|executed)/.test(text)).toSorted()).toEqual([`binary ${kind}`, `binary ${kind}`, 'progress 2 1/2', 'progress 2 2/2']);
    for (const frame of client.frames.filter((one): one is Buffer => one instanceof Buffer)) {
      if (kind === 1) expect(frame.readUInt32BE(4)).toBe(2);
      else expect(JSON.parse(frame.toString('utf8', 8, skip(frame)))).toMatchObject({ real_node_id: '2', image_type: 'image/png' });
      const { width, height, data } = await decode(frame.subarray(skip(frame)));
      expect([width, height, ...data.subarray(0, 3)]).toEqual([700, 300, 255, 128, 0]);
    }
  }
  expect(await readdir(path.join(server.folder, 'output')).catch(() => [])).toEqual([]);
});

test('text of a node comes as it grows', async () => {
  const server = await serve({ previewSide: 0 });
  const client = await server.connect('me');
  const { log } = await run(server, client, nodes({ 1: ['Work', { steps: 3, stepMs: 0 }], 2: ['PreviewAny', { source: ['1', 0] }] }));
  expect(log.filter((text) => text.startsWith('binary'))).toEqual(['binary 3', 'binary 3']);
  const last = client.frames.filter((frame) => frame instanceof Buffer).at(-1);
  expect(last.toString('utf8', 8, 9)).toBe('1');
  expect(last.toString('utf8', 9)).toBe('1 2 3 ');
});

test('interrupt: at once, named, and the next prompt runs', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const { body } = await server.prompt(nodes({ 1: ['Work', { steps: 1000, stepMs: 20 }], 2: ['PreviewAny', { source: ['1', 0] }] }), { client_id: 'me' });
  await client.until(({ type }) => type === 'progress');
  await server.post('/interrupt', { prompt_id: 'another' });
  expect((await server.json('/prompt') as any).exec_info.queue_remaining).toBe(1);
  expect(await server.post('/interrupt', '').then(async (response) => [response.status, await response.text()])).toEqual([200, '']);
  await client.end(body.prompt_id);
  expect(client.log().slice(-3)).toEqual(['execution_interrupted 1 Work', 'status 0', 'executing null']);
  const history = await server.json(`/history/${body.prompt_id}`) as any;
  expect(history[body.prompt_id].status).toMatchObject({ status_str: 'error', completed: false });
  expect(history[body.prompt_id].status.messages.map(([type]: [string]) => type)).toEqual(['execution_start', 'execution_cached', 'execution_interrupted']);
  expect((await run(server, client, chain)).history.status.status_str).toBe('success');
});

test('outputs that were not asked for count when they are known; meta names the node that ran', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const prompt = nodes({ 1: ['PrimitiveInt', { value: 4 }], 2: ['PreviewAny', { source: ['1', 0] }], 3: ['PreviewAny', { source: ['1', 0] }] });
  const { history } = await run(server, client, prompt, { partial_execution_targets: ['3'] });
  expect(history.prompt[4]).toEqual(['3']);
  expect(history.outputs).toEqual({ 2: { text: ['4'] }, 3: { text: ['4'] } });
  expect(history.meta[2]).toMatchObject({ node_id: '3' });
});

test('without a client only a page that asked for run events is told; with one nobody else', async () => {
  const server = await serve();
  const other = await server.connect('other');
  const page = await server.connect('page', { run_events: true });
  const owner = await server.connect('me');
  const { body } = await server.prompt(chain);
  await page.end(body.prompt_id);
  expect(page.log()).toContain('run event finished');
  expect(page.log()).toContain('executing 2');
  expect(page.frames.find(({ type, data }) => type === 'bagelgraph' && data.kind === 'shown').data).toMatchObject({ run: body.prompt_id, node: '2', ui: { text: ['0', '1'] } });
  expect(other.log()).toEqual(['status 1', 'status 1', 'status 0']);
  page.frames.length = 0;
  const mine = await server.prompt(chain, { client_id: 'me' });
  await owner.end(mine.body.prompt_id);
  expect(owner.log().filter((text) => text.startsWith('run event'))).toEqual([]);
  expect(page.log()).toEqual(['status 1', 'status 1', 'status 0']);
});

test('a client that comes back is told where its prompt is', async () => {
  const server = await serve();
  const first = await server.connect('me');
  const { body } = await server.prompt(nodes({ 1: ['Work', { steps: 1000, stepMs: 5 }], 2: ['PreviewAny', { source: ['1', 0] }] }), { client_id: 'me' });
  await first.until(({ type }) => type === 'progress');
  const again = await server.connect('me');
  expect(await again.until(({ type }) => type === 'executing')).toMatchObject({ data: { node: '1', prompt_id: body.prompt_id } });
  first.socket.terminate();
  await again.until(({ type }) => type === 'progress');
  await server.post('/interrupt', '');
  await again.end(body.prompt_id);
});

test('large graphs: the whole map at most ten times a second, and before what is executed and at the end', async () => {
  const server = await serve();
  const client = await server.connect('me');
  const count = 1000;
  const written: Record<string, readonly [string, object]> = { 0: ['PrimitiveInt', { value: 1 }] };
  for (let i = 1; i < count; i++) written[i] = ['Pass', { value: [String(i - 1), 0] }];
  written[count] = ['PreviewAny', { source: [String(count - 1), 0] }];
  const started = performance.now();
  const { log } = await run(server, client, nodes(written));
  const states = log.filter((text) => text.startsWith('progress_state'));
  expect(states.length).toBeLessThan(4 + (performance.now() - started) / 100);
  expect(log.filter((text) => text.startsWith('executing'))).toHaveLength(count + 2);
  const executed = log.findIndex((text) => text.startsWith('executed'));
  expect(log[executed - 1]).toContain(`${count}:running`);
  expect(log.at(-4)).toContain(`${count}:finished`);
  expect(client.frames.at(-5 + 1)?.type).toBe('progress_state');
});

test('the frame of a run event keeps what was written', async () => {
  const { eventJson } = await import('../../engine/server/comfy/messages.ts');
  const place = { node: '1', display: '1', parent: null, real: '1' };
  expect(eventJson({ run: 'r', seq: 3, at: 5, kind: 'shown', ...place, type: 'T', ui: new Map([['a', [5, 5n]]]) })).toContain('"ui":{"a":[5.0,5]}');
  expect(eventJson({ run: 'r', seq: 0, at: 5.5, kind: 'begun', ...place, type: 'T', title: 't', device: 'host', seed: 2n ** 64n - 1n })).toContain('"seed":18446744073709551615');
  expect(line({ type: 'x', data: {} })).toBe('x');
});
