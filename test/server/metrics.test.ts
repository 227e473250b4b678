// What operators see: numbers in Prometheus' format, health, and logs of which each line is an object.
import { expect, test } from 'vitest';
import type { RunEvent } from '../../engine/exec/events.ts';
import { Logbook } from '../../engine/server/logbook.ts';
import { Metrics } from '../../engine/server/metrics.ts';
import { countRuns } from '../../engine/server/run-metrics.ts';
import { memoryStore } from '../../engine/store/open.ts';
import { nodes, serve, type Answer, type TestServer } from './harness.ts';

/** Values by name and labels, as written. Throws for lines that are not of the format. */
async function metricsOf(server: TestServer): Promise<ReadonlyMap<string, number>> {
  const response = await server.get('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  expect(text.endsWith('\n')).toBe(true);
  const found = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of text.trimEnd().split('\n')) {
    const [, name] = /^# (?:HELP|TYPE) ([a-z_]+) \S/.exec(line) ?? [];
    if (name !== undefined) {
      typed.add(name);
      continue;
    }
    const [, key, family, value] = /^((\w+?)(?:_bucket|_sum|_count)?(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})?) (-?[\d.]+(?:e[+-]?\d+)?|NaN)$/.exec(line) ?? [];
    if (key === undefined || found.has(key)) throw new Error(`no line of the format, or one twice: ${line}`);
    expect([line, typed.has(family!) || typed.has(key.replace(/\{.*/, ''))]).toEqual([line, true]);
    found.set(key, Number(value));
  }
  return found;
}

test('runs, nodes, cache, queue, HTTP and sockets are counted', async () => {
  const server = await serve();
  const before = await metricsOf(server);
  expect([before.get('bagelgraph_runs_total{status="success"}'), before.get('bagelgraph_cache_hits_total')]).toEqual([0, 0]);
  const client = await server.connect('me');
  const graph = nodes({ 1: ['Numbers', { count: 3 }], 2: ['PreviewAny', { source: ['1', 0] }] });
  for (const prompt of [graph, graph, nodes({ 1: ['Break', { value: 1 }], 2: ['PreviewAny', { source: ['1', 0] }] })]) await client.end((await server.prompt(prompt, { client_id: 'me' })).body.prompt_id as string);
  await server.get('/history/x');
  await server.get('/nowhere');
  const found = await metricsOf(server);
  const of = (name: string) => found.get(name);
  expect([of('bagelgraph_runs_total{status="success"}'), of('bagelgraph_runs_total{status="error"}'), of('bagelgraph_run_duration_seconds_count{status="success"}')]).toEqual([2, 1, 2]);
  expect([of('bagelgraph_node_duration_seconds_count{type="Numbers"}'), of('bagelgraph_node_duration_seconds_bucket{type="Numbers",le="+Inf"}'), of('bagelgraph_node_duration_seconds_count{type="Break"}')]).toEqual([1, 1, undefined]);
  expect([of('bagelgraph_cache_misses_total'), of('bagelgraph_node_failures_total{type="Break"}')]).toEqual([2, 1]);
  expect(of('bagelgraph_cache_hits_total')).toBeGreaterThanOrEqual(1);
  expect([of('bagelgraph_queue_waiting'), of('bagelgraph_queue_running'), of('bagelgraph_queue_paused'), of('bagelgraph_sockets')]).toEqual([0, 0, 0, 1]);
  expect([of('bagelgraph_http_requests_total{method="POST",route="/prompt",status="200"}'), of('bagelgraph_http_requests_total{method="GET",route="/history/:id",status="200"}'), of('bagelgraph_http_requests_total{method="GET",route="other",status="404"}')]).toEqual([3, 1, 1]);
  expect(of('bagelgraph_http_received_bytes_total')).toBeGreaterThan(200);
  expect(of('bagelgraph_http_sent_bytes_total')).toBeGreaterThan(500);
  expect([of('bagelgraph_device_handles{device="cpu:0"}'), of('bagelgraph_worker_restarts_total{device="cpu:0"}')]).toEqual([0, 0]);
  expect(of('process_resident_memory_bytes')).toBeGreaterThan(1e7);
});

test('buckets add up, labels are escaped, and labels that clients choose do not fill the memory', async () => {
  const metrics = new Metrics();
  const times = metrics.histogram('t_seconds', 'Times.', [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) times.observe({ of: 'a"\\\n' }, value);
  expect(await metrics.text()).toBe('# HELP t_seconds Times.\n# TYPE t_seconds histogram\nt_seconds_bucket{of="a\\"\\\\\\n",le="0.1"} 2\nt_seconds_bucket{of="a\\"\\\\\\n",le="1"} 3\nt_seconds_bucket{of="a\\"\\\\\\n",le="+Inf"} 4\nt_seconds_sum{of="a\\"\\\\\\n"} 7.65\nt_seconds_count{of="a\\"\\\\\\n"} 4\n');
  const counter = new Metrics();
  const counts = counter.counter('c_total', 'Counts.');
  for (let i = 0; i < 5000; i++) counts.add({ name: `${i}` });
  const lines = (await counter.text()).trimEnd().split('\n');
  expect([lines.length, lines.at(-1)]).toEqual([2003, 'c_total{name="other"} 3000']);
});

test('data that moved and what nodes count, of runs side by side', async () => {
  const metrics = new Metrics();
  const receive = countRuns(metrics);
  const send = (run: string, body: object) => receive({ run, seq: 0, at: 0, node: '1', display: '1', parent: null, real: '1', ...body } as unknown as RunEvent);
  for (const run of ['a', 'b']) {
    send(run, { kind: 'started', nodes: 1, targets: [], seeds: [] });
    send(run, { kind: 'begun', type: `T${run}`, title: '', device: 'host' });
  }
  send('a', { kind: 'moved', bytes: 100, from: 'host', to: 'cpu:0' });
  send('b', { kind: 'moved', bytes: 11, from: 'host', to: 'cpu:0' });
  send('a', { kind: 'counted', name: 'passes', by: 3 });
  send('b', { kind: 'finished', ms: 2000, cached: false, device: 'host' });
  send('b', { kind: 'ended', status: 'interrupted', ms: 2500 });
  const text = await metrics.text();
  expect(text).toContain('bagelgraph_moved_bytes_total{from="host",to="cpu:0"} 111\n');
  expect(text).toContain('bagelgraph_counted_total{name="passes"} 3\n');
  expect(text).toContain('bagelgraph_node_duration_seconds_sum{type="Tb"} 2\n');
  expect(text).toContain('bagelgraph_runs_total{status="interrupted"} 1\n');
});

test('it lives, and is ready unless it stops, its queue is full or its disk takes nothing', async () => {
  const kept = memoryStore();
  let isBroken = false;
  const store = new Proxy(kept, { get: (target, name) => (name === 'committed' ? () => (isBroken ? Promise.reject(new Error('disk full')) : target.committed()) : typeof Reflect.get(target, name) === 'function' ? (Reflect.get(target, name) as () => unknown).bind(target) : Reflect.get(target, name)), set: (target, name, value) => Reflect.set(target, name, value) });
  const server = await serve({ token: 'a token of many letters', mostWaiting: 2, store });
  const ready = async () => {
    const response = await server.get('/readyz');
    return [response.status, await response.json() as Answer];
  };
  expect([(await server.get('/healthz')).status, await (await server.get('/healthz')).text()]).toEqual([200, 'ok\n']);
  expect((await server.get('/metrics')).status).toBe(401);
  expect(await ready()).toEqual([200, { ready: true, problems: [] }]);
  const send = (route: string, body: object) => fetch(`${server.url}${route}`, { method: 'POST', body: JSON.stringify(body), headers: { Authorization: 'Bearer a token of many letters' } });
  await send('/queue/pause', {});
  const prompt = nodes({ 1: ['PreviewAny', { source: 1 }] });
  for (const id of ['a', 'b']) expect((await send('/prompt', { prompt, prompt_id: id })).status).toBe(200);
  const refused = await send('/prompt', { prompt });
  expect([refused.status, refused.headers.get('retry-after'), ((await refused.json()) as Answer).error.type]).toEqual([429, '5', 'queue_full']);
  const run = await send('/api/run', { workflow: prompt, wait: false });
  expect([run.status, run.headers.get('retry-after'), ((await run.json()) as Answer).error.type]).toEqual([429, '5', 'queue_full']);
  expect((await send('/prompt', { prompt, prompt_id: 'a' })).status).toBe(200); // it is in already
  expect(await ready()).toEqual([503, { ready: false, problems: ['the queue is full'] }]);
  await send('/queue', { clear: true });
  isBroken = true;
  expect(await ready()).toEqual([503, { ready: false, problems: ['queue and history cannot be stored'] }]);
  isBroken = false;
  expect((await ready())[0]).toBe(200);
});

test('requests above the rate are refused by client, and told when to come again', async () => {
  const server = await serve({ requestsPerSecond: 0.5 }); // five at once
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await server.get('/prompt')).status);
  const refused = await server.get('/healthz');
  expect([statuses, refused.status, refused.headers.get('retry-after')]).toEqual([[200, 200, 200, 200, 200, 429], 429, '2']);
});

test('JSON logs: an object a line with the ids of runs and requests; texts of clients move no cursor', async () => {
  const written: string[] = [];
  const server = await serve({ logbook: new Logbook((text) => written.push(text), 'json') });
  const client = await server.connect('me');
  const evil = 'evil\n{"level":"error"}\u001b[2J';
  await client.end((await server.prompt(nodes({ 1: ['Break', { value: 1 }], 2: ['PreviewAny', { source: ['1', 0] }] }), { client_id: 'me', prompt_id: evil })).body.prompt_id as string);
  const own = await fetch(`${server.url}/history?max_items=1`, { headers: { 'X-Request-Id': 'trace-1' } });
  const made = await fetch(`${server.url}/prompt`, { headers: { 'X-Request-Id': 'no good id' } });
  expect([own.headers.get('x-request-id'), /^[\da-f]{16}$/.test(made.headers.get('x-request-id')!)]).toEqual(['trace-1', true]);
  await expect.poll(() => written.length).toBeGreaterThan(4);
  for (const text of written) expect(text.indexOf('\n')).toBe(text.length - 1);
  const lines = written.map((text) => JSON.parse(text) as Answer);
  for (const { time, level, message } of lines) expect([Date.parse(time) > 0, ['info', 'warn', 'error'].includes(level), typeof message]).toEqual([true, true, 'string']);
  expect(lines).toContainEqual(expect.objectContaining({ run: evil, level: 'warn', node: '1' }));
  expect(lines).toContainEqual(expect.objectContaining({ run: evil, status: 'error', ms: expect.any(Number) }));
  expect(lines).toContainEqual(expect.objectContaining({ request: 'trace-1', method: 'GET', path: '/history', status: 200, client: '127.0.0.1', received: 0 }));
  const shown = (await server.json('/internal/logs/raw')) as Answer;
  expect(JSON.stringify(shown)).toContain('\\\\x1b');
  const texts: string[] = [];
  new Logbook((text) => texts.push(text)).log('a\u001b[31mb\u0007\u009bc');
  expect(texts).toEqual(['a\\x1b[31mb\\x07\\x9bc\n']);
});
