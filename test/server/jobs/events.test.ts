// Server-sent events of a job: whole, replayed from any point, gaps told, slow readers bounded; and the log behind them.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunEvent } from '../../../engine/exec/events.ts';
import { EventLog, type Gap, type LoggedEvent } from '../../../engine/server/jobs/event-log.ts';
import { streamEvents } from '../../../engine/server/jobs/event-stream.ts';
import type { Job } from '../../../engine/store/store.ts';
import { nodes, serve, type Answer, type TestServer } from '../harness.ts';

interface Sent { readonly id?: string; readonly event?: string; readonly data?: Answer }

async function events(server: TestServer, id: string, after?: string): Promise<Sent[]> {
  const response = await fetch(`${server.url}/api/jobs/${id}/events`, after === undefined ? {} : { headers: { 'Last-Event-ID': after } });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  return parse(await response.text());
}

function parse(text: string): Sent[] {
  return text.split('\n\n').filter((block) => block.includes('event: ')).map((block) => Object.fromEntries(block.split('\n').map((line) => {
    const [, name = '', value = ''] = /^(\w+): (.*)$/.exec(line) ?? [];
    return [name, name === 'data' ? JSON.parse(value) : value];
  })));
}

const work = (steps: number) => nodes({ 1: ['Work', { steps, stepMs: 2 }], 2: ['PreviewAny', { source: ['1', 0] }] });

describe('over HTTP', () => {
  test('all events from the first to the last, whenever one comes; after the last the outputs are there', async () => {
    const server = await serve();
    await server.prompt(work(20), { prompt_id: 'a' });
    const live = await events(server, 'a');
    expect(await server.json('/api/jobs/a')).toMatchObject({ status: 'completed', outputs: { 2: { text: ['20'] } } });
    expect(live.map(({ data }) => data.seq)).toEqual(live.map((_, i) => i));
    expect([live[0]!.event, live.at(-1)!.event]).toEqual(['started', 'ended']);
    expect(live.filter(({ event }) => event === 'progress')).toHaveLength(20);
    expect(live.every(({ data, event }) => data.kind === event && data.run === 'a')).toBe(true);
    expect(await events(server, 'a')).toEqual(live);
    expect(await events(server, 'a', live[9]!.id)).toEqual(live.slice(10));
    expect(await events(server, 'a', '9')).toEqual(live.slice(10));
    expect(await events(server, 'a', live.at(-1)!.id)).toEqual([]);
  });

  test('an id of another attempt is a gap, not a silent skip', async () => {
    const server = await serve();
    await server.prompt(work(2), { prompt_id: 'a' });
    const [gap, ...rest] = await events(server, 'a', '3.before');
    expect(gap).toMatchObject({ event: 'gap', data: { from: 4, to: null, reason: expect.stringContaining('earlier attempt') } });
    expect(rest[0]!.event).toBe('started');
  });

  test('a job that never ran, and one that failed, end their streams too', async () => {
    const server = await serve();
    await server.prompt(work(2000), { prompt_id: 'busy' });
    await server.prompt(work(2), { prompt_id: 'waits' });
    const waiting = events(server, 'waits');
    await server.post('/api/jobs/cancel', { job_ids: ['waits', 'busy'] });
    expect((await waiting).map(({ data }) => [data.kind, data.status])).toEqual([['ended', 'interrupted']]);
    const stopped = await events(server, 'busy');
    expect(stopped.at(-1)!.data).toMatchObject({ kind: 'ended', status: 'interrupted' });
    await server.prompt(nodes({ 1: ['Break', { value: 1 }], 2: ['PreviewAny', { source: ['1', 0] }] }), { prompt_id: 'bad' });
    const failed = await events(server, 'bad');
    expect(failed.find(({ event }) => event === 'failed')!.data).toMatchObject({ node: '1', reason: 'it broke' });
    expect(failed.at(-1)!.data.status).toBe('error');
  });

  test('a reader that takes nothing holds up nothing', async () => {
    const server = await serve();
    await server.prompt(work(300), { prompt_id: 'a' });
    const slow = http.get(`${server.url}/api/jobs/a/events`);
    slow.on('error', () => undefined);
    await new Promise((resolve) => slow.on('response', (response) => resolve(response.pause())));
    expect((await events(server, 'a')).at(-1)!.event).toBe('ended');
    slow.destroy();
  });
});

test('a reader that stalls is dropped, and little is kept for it', async () => {
  const jobs = new Map<string, Job>([['a', { id: 'a', number: 0, state: 'running', createdAt: 0, startedAt: 0, kills: 0, outputs: 0 }]]);
  const log = new EventLog({ store: { get: (id) => jobs.get(id) } });
  const delta = 'x'.repeat(200_000);
  for (let seq = 0; seq < 200; seq++) log.receive({ run: 'a', seq, at: 0, node: '1', display: '1', parent: null, real: '1', kind: 'text', delta });
  let mostBuffered = 0;
  let done!: (writable: boolean) => void;
  const dropped = new Promise<boolean>((resolve) => { done = resolve; });
  const app = express();
  app.get('/', async (request, response) => {
    const timer = setInterval(() => { mostBuffered = Math.max(mostBuffered, response.writableLength); }, 1);
    await streamEvents(request, response, 'a', log, { heartbeatMs: 5, stallMs: 100 });
    clearInterval(timer);
    done(response.writableFinished);
  });
  const server = app.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.on('listening', resolve));
  const stalled = http.get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }, (response) => response.pause());
  stalled.on('error', () => undefined);
  expect(await dropped).toBe(false);
  expect(mostBuffered).toBeLessThan(2_000_000);
  stalled.destroy();
});

describe('the log', () => {
  const job = (id: string, more: Partial<Job> = {}): Job => ({ id, number: 0, state: 'success', createdAt: 0, startedAt: 0, endedAt: 5, kills: 0, outputs: 0, ...more });
  const event = (run: string, seq: number, kind: 'text' | 'ended' = 'text'): RunEvent => (kind === 'ended'
    ? { run, seq, at: seq, kind, status: 'success', ms: 1 } : { run, seq, at: seq, node: '1', display: '1', parent: null, real: '1', kind, delta: String(seq) });

  function logOf(options: { eventsOfRun?: number; events?: number } = {}): { log: EventLog; jobs: Map<string, Job>; end(id: string): void; all(id: string, after?: string): Promise<(LoggedEvent | Gap)[]> } {
    const jobs = new Map<string, Job>();
    const log = new EventLog({ store: { get: (id) => jobs.get(id) }, ...options });
    return {
      log, jobs,
      end: (id) => {
        jobs.set(id, job(id));
        log.end(job(id));
      },
      async all(id, after) {
        const found = [];
        for await (const item of log.follow(id, after, new AbortController().signal)) found.push(item);
        return found;
      },
    };
  }
  const short = (items: readonly (LoggedEvent | Gap)[]) => items.map((item) => (item.kind === 'gap' ? `gap ${item.from}-${item.to}` : item.event.seq));

  test('a long run keeps its latest events, and says what is gone', async () => {
    const { log, end, all } = logOf({ eventsOfRun: 10 });
    for (let seq = 0; seq < 25; seq++) log.receive(event('a', seq));
    log.receive(event('a', 25, 'ended'));
    end('a');
    expect(short(await all('a'))).toEqual(['gap 0-15', 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    expect(short(await all('a', '20'))).toEqual([21, 22, 23, 24, 25]);
  });

  test('of many runs those that are over go first; of a forgotten one the end is known', async () => {
    const { log, end, all } = logOf({ events: 10 });
    log.receive(event('busy', 0));
    for (const run of ['a', 'b', 'c']) {
      for (let seq = 0; seq < 4; seq++) log.receive(event(run, seq));
      end(run);
    }
    expect(short(await all('a'))).toEqual(['gap 0-0', 1]);
    expect(short(await all('c'))).toEqual([0, 1, 2, 3, 4]);
    log.receive(event('busy', 1, 'ended'));
    end('busy');
    expect(short(await all('busy'))).toEqual([0, 1]);
  });

  test('readers wait for what comes; one that aborts is let go; the last event comes when the job is stored', async () => {
    const { log, end, jobs, all } = logOf();
    jobs.set('a', { id: 'a', number: 0, state: 'running', createdAt: 0, startedAt: 0, kills: 0, outputs: 0 });
    const stop = new AbortController();
    const seen: number[] = [];
    const gone = (async () => {
      for await (const item of log.follow('a', undefined, stop.signal)) if (item.kind === 'event') seen.push(item.event.seq);
    })();
    log.receive(event('a', 0));
    const whole = all('a');
    log.receive(event('a', 1));
    log.receive(event('a', 2, 'ended'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual([0, 1]);
    stop.abort();
    await gone;
    end('a');
    expect(short(await whole)).toEqual([0, 1, 2]);
    expect(seen).toEqual([0, 1]);
  });
});
