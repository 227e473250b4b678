// A real server on a free port with small nodes, and a client that keeps what its socket got.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { memoryDevice } from '../../engine/device/memory.ts';
import { createEngine } from '../../engine/exec/engine.ts';
import type { CachePolicy } from '../../engine/exec/cache.ts';
import { openFiles } from '../../engine/exec/files.ts';
import { blocked, defineNode, type AnyNode } from '../../engine/graph/node.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { ANY, BOOLEAN, FLOAT, IMAGE, INT } from '../../engine/graph/types.ts';
import { startServer, type ServerOptions } from '../../engine/server/server.ts';
import type { Route } from '../../engine/server/web.ts';
import * as core from '../../nodes/core/index.ts';

/** One number, given as a list that is as long. */
const Numbers = defineNode({
  type: 'Numbers', category: 't', inputs: { count: { type: INT, default: 1n, min: 1, max: 5000 } }, outputs: [{ name: 'numbers', type: INT, list: true }],
  run: ({ count }) => [Array.from({ length: count }, (_, i) => i)],
});

const Pass = defineNode({ type: 'Pass', category: 't', inputs: { value: { type: ANY } }, outputs: [{ name: 'value', type: ANY }], run: ({ value }) => [value] });

/** Takes either side, asks for one. */
const Choose = defineNode({
  type: 'Choose', category: 't', inputs: { first: { type: BOOLEAN }, a: { type: ANY, lazy: true }, b: { type: ANY, lazy: true } }, outputs: [{ name: 'value', type: ANY }],
  needs: ({ first }) => [first === true ? 'a' : 'b'],
  run: ({ first, a, b }) => [first ? a : b],
});

const Block = defineNode({ type: 'Block', category: 't', inputs: { value: { type: ANY } }, outputs: [{ name: 'value', type: ANY }], run: () => [blocked('not today')] });

const Break = defineNode({
  type: 'Break', category: 't', inputs: { value: { type: ANY } }, outputs: [{ name: 'value', type: ANY }],
  run(): [unknown] {
    throw new RangeError('it broke');
  },
});

/** Tells its progress with a preview until it is done or stopped. */
const Work = defineNode({
  type: 'Work', category: 't', inputs: { steps: { type: INT }, stepMs: { type: FLOAT }, value: { type: ANY, optional: true } }, outputs: [{ name: 'steps', type: INT }],
  async run({ steps, stepMs }, context) {
    for (let step = 1; step <= steps; step++) {
      await sleep(stepMs, undefined, { signal: context.signal });
      context.text(`${step} `);
      await context.progress(step, steps, async () => ({ width: 8, height: 4, batch: 1, channels: 3, data: new Float32Array(96).fill(0.5) }));
    }
    return [steps];
  },
});

/** Becomes two nodes. */
const Twice = defineNode({
  type: 'Twice', category: 't', inputs: { value: { type: ANY } }, outputs: [{ name: 'value', type: ANY }],
  run({ value }, context) {
    const build = context.expand();
    return build.finish([build.node('Pass', { value: build.node('Pass', { value }, { id: 'a' }).out(0) }, { id: 'b' }).out(0)]);
  },
});

const Refuse = defineNode({
  type: 'Refuse', category: 't', inputs: { a: { type: FLOAT, min: 0, max: 1 }, b: { type: FLOAT, min: 0, max: 1 } }, outputs: [{ name: 'image', type: IMAGE }],
  validate: { inputs: 'all', check: ({ b }) => (b === 7 ? 'no sevens' : true) },
  run: () => [{ width: 1, height: 1, batch: 1, channels: 3, data: new Float32Array(3) }],
});

const testNodes: readonly AnyNode[] = [Numbers, Pass, Choose, Block, Break, Work, Twice, Refuse];

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly routes: readonly Route[];
  get(route: string): Promise<Response>;
  json(route: string): Promise<unknown>;
  post(route: string, body: unknown): Promise<Response>;
  /** Posts a prompt for a client and gives the answer. */
  prompt(nodes: object, more?: object): Promise<{ readonly status: number; readonly body: Answer }>;
  connect(clientId?: string, flags?: object): Promise<TestClient>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked at from outside, as a client in JavaScript does
export type Answer = any;

export async function serve(options: Partial<ServerOptions> & { readonly cache?: CachePolicy; readonly nodes?: readonly AnyNode[] } = {}): Promise<TestServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-server-'));
  const folders = { input: path.join(folder, 'input'), output: path.join(folder, 'output'), temp: path.join(folder, 'temp'), user: path.join(folder, 'user'), models: [path.join(folder, 'models')] };
  const registry = createRegistry([{ name: 'core', nodes: core.nodes }, { name: 'test-pack', nodes: options.nodes ?? testNodes }]);
  const devices = new Map([['cpu:0', memoryDevice({}, { name: 'cpu:0' })]]);
  const files = openFiles(folders);
  const engine = createEngine({ registry, devices, files, ...(options.cache === undefined ? {} : { cache: options.cache }), ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }) });
  const server = await startServer({ engine, registry, environment: { files, devices }, folders, port: 0, ...options });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${server.port}`;
  const send = (route: string, body: unknown) => fetch(`${url}${route}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
  return {
    url, port: server.port, folder, routes: server.routes,
    get: (route) => fetch(`${url}${route}`),
    json: async (route) => (await fetch(`${url}${route}`)).json() as Promise<unknown>,
    post: send,
    async prompt(nodes, more = {}) {
      const response = await send('/prompt', { prompt: nodes, ...more });
      return { status: response.status, body: await response.json() as Answer };
    },
    connect: (clientId, flags) => TestClient.open(server.port, clientId, flags),
  };
}

/** A text frame as JSON, or the bytes of a binary one. */
export type Frame = Answer;

export class TestClient {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  readonly #listeners = new Set<() => void>();

  static async open(port: number, clientId?: string, flags?: object): Promise<TestClient> {
    const client = new TestClient(new WebSocket(`ws://127.0.0.1:${port}/ws${clientId === undefined ? '' : `?clientId=${clientId}`}`));
    await client.until((frame) => frame.type === 'status');
    if (flags !== undefined) {
      client.socket.send(JSON.stringify({ type: 'feature_flags', data: flags }));
      await client.until((frame) => frame.type === 'feature_flags');
    }
    client.frames.splice(0, client.frames.findIndex((frame) => frame.type === (flags === undefined ? 'status' : 'feature_flags')) + 1);
    return client;
  }

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer, isBinary) => {
      this.frames.push(isBinary ? data : JSON.parse(String(data)));
      for (const listener of this.#listeners) listener();
    });
    onTestFinished(() => socket.terminate());
  }

  /** The first frame that holds, of those that came or will come. */
  async until(holds: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(holds);
      if (found !== undefined) return found;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no such frame came; these did:\n${this.log().join('\n')}`)), 5000);
        const listener = () => {
          clearTimeout(timer);
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  /** Waits for the last frame of a prompt. */
  end(promptId: string): Promise<Frame> {
    return this.until((frame) => frame.type === 'executing' && frame.data.node === null && frame.data.prompt_id === promptId);
  }

  log(): string[] {
    return this.frames.map(line);
  }
}

/** A frame as a line, without ids of prompts and times. */
export function line(frame: Frame): string {
  if (frame instanceof Buffer) return `binary ${frame.readUInt32BE(0)}`;
  const { type, data } = frame;
  switch (type) {
    case 'status': return `status ${data.status.exec_info.queue_remaining}`;
    case 'execution_cached': return `execution_cached ${data.nodes.join(' ')}`.trim();
    case 'progress_state': return `progress_state ${Object.values(data.nodes as Record<string, Answer>).map((node) => `${node.node_id}:${node.state} ${node.value}/${node.max}`).join(', ')}`;
    case 'executing': return `executing ${data.node}${data.display_node === undefined || data.display_node === data.node ? '' : ` as ${data.display_node}`}`;
    case 'executed': return `executed ${data.node} ${JSON.stringify(data.output)}`;
    case 'progress': return `progress ${data.node} ${data.value}/${data.max}`;
    case 'execution_error': return `execution_error ${data.node_id} ${data.exception_type}: ${data.exception_message.trim()} after ${data.executed.join(' ')}`.trim();
    case 'execution_interrupted': return `execution_interrupted ${data.node_id} ${data.node_type}`;
    case 'bagelgraph': return `run event ${data.kind}`;
    default: return type;
  }
}

/** Nodes of the API form from `{id: [type, inputs]}`. */
export function nodes(written: Readonly<Record<string, readonly [type: string, inputs?: object]>>): object {
  return Object.fromEntries(Object.entries(written).map(([id, [type, inputs = {}]]) => [id, { class_type: type, inputs }]));
}
