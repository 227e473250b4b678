// Routes for operators: does it live, is it ready, what do its numbers say. The first two tell nothing about anyone, so they need no token.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Environment } from '../graph/node.ts';
import type { Site } from './comfy/site.ts';
import type { LogFields } from './logbook.ts';
import type { Metrics, Sample } from './metrics.ts';
import { sendJson, sendText, type Answered } from './web.ts';

type DeviceStats = Awaited<ReturnType<NonNullable<ReturnType<Environment['devices']['get']>>['stats']>>;

/** A store that does not answer for so long counts as broken. */
const storeMs = 5000;

export function addHealthRoutes(site: Site, metrics: Metrics): void {
  const { web } = site;
  web.on('/healthz', { get: (_request, response) => sendText(response, 200, 'ok\n') });
  web.on('/readyz', {
    get: async (_request, response) => {
      const problems = await whyNotReady(site);
      sendJson(response, JSON.stringify({ ready: problems.length === 0, problems }), problems.length === 0 ? 200 : 503);
    },
  });
  web.on('/metrics', {
    get: async (_request, response) => {
      response.setHeader('Cache-Control', 'no-store');
      const text = Buffer.from(await metrics.text());
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Content-Length': text.length }).end(text);
    },
  });
  readSite(metrics, site);
  readProcess(metrics);
}

async function whyNotReady({ runner, prompts, store }: Site): Promise<readonly string[]> {
  const problems: string[] = [];
  if (runner.isStopping) problems.push('the server is stopping');
  if (prompts.isFull) problems.push('the queue is full');
  const isStored = await Promise.race([store.committed().then(() => true, () => false), new Promise<boolean>((resolve) => setTimeout(resolve, storeMs, false).unref())]);
  if (!isStored) problems.push('queue and history cannot be stored');
  return problems;
}

/** What the server knows already, asked for when someone looks. */
function readSite(metrics: Metrics, { runner, clients, engine, environment }: Site): void {
  const { queue } = runner;
  metrics.read('bagelgraph_queue_waiting', 'gauge', 'Prompts that wait.', () => [[{}, queue.pending.length]]);
  metrics.read('bagelgraph_queue_running', 'gauge', 'Prompts that run.', () => [[{}, [...queue.running].length]]);
  metrics.read('bagelgraph_queue_paused', 'gauge', '1 while nothing more is started.', () => [[{}, queue.isPaused ? 1 : 0]]);
  metrics.read('bagelgraph_sockets', 'gauge', 'Clients with a WebSocket.', () => [[{}, clients.size]]);
  metrics.read('bagelgraph_dropped_frames_total', 'counter', 'Frames, such as previews, that were left out for clients that read too slowly.', () => [[{}, clients.droppedFrames]]);
  metrics.read('bagelgraph_cache_entries', 'gauge', 'Results that are kept.', () => [[{}, engine.cacheStats().entries]]);
  metrics.read('bagelgraph_cache_bytes', 'gauge', 'Bytes of results that are kept.', () => [[{}, engine.cacheStats().bytes]]);
  const devices = async (read: (stats: DeviceStats) => Iterable<Sample>) => (await Promise.all([...environment.devices.values()].map((device) => device.stats().then(read, () => [])))).flatMap((samples) => [...samples]);
  metrics.read('bagelgraph_device_memory_bytes', 'gauge', 'Memory of a device\'s worker process.', () => devices(({ name: device, memory }) => (memory === undefined ? [] : Object.entries(memory).map(([kind, bytes]) => [{ device, kind }, bytes] as const))));
  metrics.read('bagelgraph_device_handle_bytes', 'gauge', 'Bytes of tensors and row buffers on a device.', () => devices(({ name: device, handles }) => [[{ device }, handles.bytes]]));
  metrics.read('bagelgraph_device_handles', 'gauge', 'Tensors and row buffers on a device.', () => devices(({ name: device, handles }) => [[{ device }, handles.count]]));
  metrics.read('bagelgraph_device_sessions', 'gauge', 'Loaded programs of a device.', () => devices(({ name: device, sessions }) => [[{ device }, sessions]]));
  metrics.read('bagelgraph_device_runs_total', 'counter', 'Programs that a device has run.', () => devices(({ name: device, runs }) => [[{ device }, runs]]));
  metrics.read('bagelgraph_worker_restarts_total', 'counter', 'Times that a device\'s worker was lost and started anew.', () => devices(({ name: device, restarts }) => [[{ device }, restarts]]));
}

function readProcess(metrics: Metrics): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.read('process_resident_memory_bytes', 'gauge', 'Resident memory of the server, without workers.', () => [[{}, process.memoryUsage.rss()]]);
  metrics.read('process_heap_bytes', 'gauge', 'Used heap of the server.', () => [[{}, process.memoryUsage().heapUsed]]);
  metrics.read('process_cpu_seconds_total', 'counter', 'Processor time of the server, without workers.', () => {
    const { user, system } = process.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });
  metrics.read('process_start_time_seconds', 'gauge', 'When the server started, in seconds since the epoch.', () => [[{}, performance.timeOrigin / 1000]]);
  metrics.read('bagelgraph_event_loop_delay_seconds', 'gauge', 'The 99th percentile of delays of the event loop since the last look.', () => {
    const seconds = delay.percentile(99) / 1e9;
    delay.reset();
    return [[{}, Number.isFinite(seconds) ? seconds : 0]];
  });
}

/** Returns what takes every answer: numbers, and a line for each in a JSON log. */
export function countAnswers(metrics: Metrics, record: (line: string, fields: LogFields) => void): (answered: Answered) => void {
  const requests = metrics.counter('bagelgraph_http_requests_total', 'HTTP requests that were answered.');
  const times = metrics.histogram('bagelgraph_http_request_duration_seconds', 'Time from a request to the end of its answer, streams included.', [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 300]);
  const received = metrics.counter('bagelgraph_http_received_bytes_total', 'Bytes of bodies that came.');
  const sent = metrics.counter('bagelgraph_http_sent_bytes_total', 'Bytes of answers, their heads included.');
  return ({ id, method, route = 'other', path, status, ms, receivedBytes, sentBytes, client, isBroken }) => {
    const verb = knownVerbs.has(method) ? method : 'other';
    requests.add({ method: verb, route, status: String(status) });
    times.observe({ method: verb, route }, ms / 1000);
    received.add({}, receivedBytes);
    sent.add({}, sentBytes);
    record(`${method} ${path} ${status}`, { request: id, method, path, status, ms: Math.round(ms * 10) / 10, received: receivedBytes, sent: sentBytes, client, ...(isBroken ? { broken: true } : {}) });
  };
}

const knownVerbs = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
