// What a prompt costs over HTTP, minus a server that does nothing, measured by the same client; how soon a server answers and what it holds idle.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WebSocket } from 'ws';
import { median, treeMemory } from './measure.ts';
import type { Row } from './table.ts';

export const burst = 100;
const rounds = 15;
const singles = 200;
const clientId = 'bench';

interface Prompt { readonly [id: string]: { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> } }

let fresh = 0;

const twoNodes = (): Prompt => ({ 1: { class_type: 'PrimitiveInt', inputs: { value: fresh++ } }, 2: { class_type: 'PreviewAny', inputs: { source: ['1', 0] } } });

export const sixNodes = (): Prompt => ({
  1: { class_type: 'PrimitiveInt', inputs: { value: fresh++ } },
  2: { class_type: 'PrimitiveInt', inputs: { value: fresh++ } },
  3: { class_type: 'PrimitiveString', inputs: { value: `a${fresh++}` } },
  4: { class_type: 'PrimitiveString', inputs: { value: `b${fresh++}` } },
  5: { class_type: 'StringConcatenate', inputs: { string_a: ['3', 0], string_b: ['4', 0], delimiter: '' } },
  6: { class_type: 'PreviewAny', inputs: { source: ['5', 0] } },
});

/** A picture of 1024² in a new colour, inverted ten times, saved. */
function invertedPicture(): Prompt {
  const inverted = Array.from({ length: 10 }, (_, i) => [`i${i}`, { class_type: 'ImageInvert', inputs: { image: [i === 0 ? '1' : `i${i - 1}`, 0] } }] as const);
  return {
    1: { class_type: 'EmptyImage', inputs: { width: 1024, height: 1024, batch_size: 1, color: fresh++ } },
    ...Object.fromEntries(inverted),
    2: { class_type: 'SaveImage', inputs: { images: ['i9', 0], filename_prefix: 'bench' } },
  };
}

/** Posts prompts and learns of their end, by a socket or by asking. */
export class Caller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #port: number;
  readonly #socket: WebSocket | undefined;
  readonly #ends = new Map<string, () => void>();

  private constructor(port: number, socket?: WebSocket) {
    this.#port = port;
    this.#socket = socket;
    socket?.on('message', (data, isBinary) => {
      if (isBinary) return;
      const { type, data: body } = JSON.parse(String(data)) as { type: string; data: { node?: string | null; prompt_id?: string } };
      if (type === 'executing' && body.node === null) this.#ends.get(body.prompt_id!)?.();
    });
  }

  static async open(port: number, hasSocket: boolean): Promise<Caller> {
    if (!hasSocket) return new Caller(port);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?clientId=${clientId}`);
    await new Promise<void>((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Caller(port, socket);
  }

  call(method: string, url: string, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ port: this.#port, path: url, method, agent: this.#agent }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => { text += part; });
        answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`${method} ${url}: ${answer.statusCode} ${text}`))));
      });
      asked.on('error', reject).end(body);
    });
  }

  /** Posts them all at once and waits until the last has ended. Milliseconds. */
  async run(prompts: readonly Prompt[]): Promise<number> {
    const bodies = prompts.map((prompt) => {
      const id = `bench-${fresh++}`;
      return { id, body: JSON.stringify({ prompt, client_id: clientId, prompt_id: id }) };
    });
    const start = performance.now();
    const ends = this.#socket === undefined ? [] : bodies.map(({ id }) => new Promise<void>((resolve) => this.#ends.set(id, resolve)));
    await Promise.all(bodies.map(({ body }) => this.call('POST', '/prompt', body)));
    if (this.#socket === undefined) while (!(await this.call('GET', '/prompt')).includes('"queue_remaining":0')) { /* asks again at once: the wait is what is measured */ }
    await Promise.all(ends);
    for (const { id } of bodies) this.#ends.delete(id);
    return performance.now() - start;
  }

  /** What the posting alone costs. */
  async post(prompts: readonly Prompt[]): Promise<number> {
    const bodies = prompts.map((prompt) => JSON.stringify({ prompt, client_id: clientId, prompt_id: `bench-${fresh++}` }));
    const start = performance.now();
    await Promise.all(bodies.map((body) => this.call('POST', '/prompt', body)));
    return performance.now() - start;
  }

  close(): void {
    this.#socket?.close();
    this.#agent.destroy();
  }
}

async function withNothingServer<T>(use: (port: number) => Promise<T>): Promise<T> {
  const server: Server = createServer((asked, answer) => {
    asked.resume().on('end', () => answer.writeHead(200, { 'Content-Type': 'application/json' }).end('{"prompt_id":"x","number":0,"node_errors":{}}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface Started { readonly port: number; readonly child: ChildProcess; readonly answersMs: number }

async function start(folder: string, ...flags: readonly string[]): Promise<Started> {
  const began = performance.now();
  const child = spawn(process.execPath, ['bin/bagelgraph.js', 'serve', '--port', '0', '--base-directory', folder, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    let said = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /serves http:\S+:(\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.on('exit', () => reject(new Error(`the server ended: ${said}`)));
  });
  const caller = await Caller.open(port, false);
  await caller.call('GET', '/prompt');
  caller.close();
  return { port, child, answersMs: performance.now() - began };
}

export async function withServer<T>(flags: readonly string[], use: (started: Started) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  const started = await start(folder, ...flags);
  try {
    return await use(started);
  } finally {
    const ended = new Promise((resolve) => started.child.on('exit', resolve));
    started.child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchStart(): Promise<Row[]> {
  const answers: number[] = [];
  let idle = 0;
  for (let i = 0; i < 5; i++) {
    await withServer([], async ({ answersMs, child }) => {
      answers.push(answersMs);
      if (i < 4) return;
      await new Promise((resolve) => setTimeout(resolve, 2000));
      idle = await treeMemory(child.pid!);
    });
  }
  return [
    { name: 'server, command to first answer', value: median(answers) / 1000, unit: 's', goal: '≤ 1', note: 'without a model' },
    { name: 'server, idle memory', value: idle / 1e6, unit: 'MB', goal: '< 120', note: 'all processes (PSS)' },
  ];
}

async function measurePrompts(port: number, nothing: number, hasSocket: boolean): Promise<Row[]> {
  const ours = await Caller.open(port, hasSocket);
  const base = await Caller.open(nothing, false);
  const times = { two: [] as number[], twoBase: [] as number[], burst: [] as number[], burstBase: [] as number[] };
  for (let i = -50; i < singles; i++) {
    const [two, twoBase] = [await ours.run([twoNodes()]), await base.post([twoNodes()])];
    if (i >= 0) times.two.push(two), times.twoBase.push(twoBase);
  }
  for (let i = -5; i < rounds; i++) {
    const many = () => Array.from({ length: burst }, sixNodes);
    const [of, without] = [await ours.run(many()), await base.post(many())];
    if (i >= 0) times.burst.push(of), times.burstBase.push(without);
  }
  ours.close();
  base.close();
  const by = hasSocket ? 'with a socket' : 'without a socket';
  return [
    { name: `two-node prompt, ${by}`, value: median(times.two) - median(times.twoBase), unit: 'ms', goal: '≤ 1.5', note: `minus ${median(times.twoBase).toFixed(2)} ms of a server that does nothing` },
    { name: `six-node prompt in a burst of ${burst}, ${by}`, value: (median(times.burst) - median(times.burstBase)) / burst, unit: 'ms', goal: '≤ 0.5', note: `minus ${(median(times.burstBase) / burst).toFixed(2)} ms of a server that does nothing` },
  ];
}

async function measurePicture(port: number, note: string): Promise<Row> {
  const caller = await Caller.open(port, true);
  const times: number[] = [];
  for (let i = -4; i < 15; i++) {
    const ms = await caller.run([invertedPicture()]);
    if (i >= 0) times.push(ms);
  }
  caller.close();
  return { name: `1024² inverted ten times and saved, ${note}`, value: median(times), unit: 'ms', goal: '≤ 120', note: '' };
}

export async function benchServe(): Promise<Row[]> {
  const started = await benchStart();
  const prompts = await withNothingServer((nothing) => withServer(['--state', 'memory'], async ({ port }) => [
    ...(await measurePrompts(port, nothing, false)),
    ...(await measurePrompts(port, nothing, true)),
  ]));
  const picture = (note: string, ...flags: readonly string[]) => withServer(['--state', 'memory', ...flags], ({ port }) => measurePicture(port, note));
  return [...started, ...prompts, await picture('all results kept'), await picture('those of the last prompt kept', '--cache-classic')];
}
