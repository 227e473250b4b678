// A server of ours as a process, and a client that speaks ComfyUI's wire to it: what was answered, and every frame in order.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const pack = path.join(root, 'test/contract/pack');

export interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type Answer = readonly [status: number, body: unknown];

export interface Serving {
  readonly url: string;
  stop(): Promise<void>;
}

/** `bagelgraph serve` with these flags on a free port, in a folder of its own whose input folder has an example.png. */
export async function serve(...flags: readonly string[]): Promise<Serving> {
  const base = await mkdtemp(path.join(tmpdir(), 'bagelgraph-contract-'));
  await mkdir(path.join(base, 'input'));
  await writeFile(path.join(base, 'input/example.png'), '');
  const child = spawn(process.execPath, [path.join(root, 'bin/bagelgraph.js'), 'serve', '--port', '0', '--base-directory', base, '--node-pack', pack, ...flags], { cwd: base, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    const listen = (text: string) => {
      said += text;
      const found = /serves (http:\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.setEncoding('utf8').on('data', listen);
    child.stderr.setEncoding('utf8').on('data', listen);
    void closed.then(() => reject(new Error(`the server ended: ${said}`)));
  });
  return {
    url,
    async stop() {
      child.kill();
      await closed;
      await rm(base, { recursive: true, force: true });
    },
  };
}

export class Client {
  readonly frames: Frame[] = [];
  readonly #url: string;
  readonly #socket: WebSocket;
  readonly #listeners = new Set<() => void>();

  private constructor(url: string, socket: WebSocket) {
    this.#url = url;
    this.#socket = socket;
    socket.on('message', (message, isBinary) => {
      if (isBinary) return;
      this.frames.push(JSON.parse(String(message)) as Frame);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Connects and says that it takes previews with metadata. */
  static async connect(url: string, clientId: string): Promise<Client> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?clientId=${clientId}`);
    const client = new Client(url, socket);
    await new Promise<void>((resolve, reject) => socket.once('open', () => resolve()).once('error', reject));
    socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
    return client;
  }

  async get(route: string): Promise<Answer> {
    const response = await fetch(`${this.#url}${route}`);
    return [response.status, await response.json()];
  }

  async post(route: string, body: unknown): Promise<Answer> {
    const response = await fetch(`${this.#url}${route}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await response.text();
    return [response.status, text === '' ? null : JSON.parse(text)];
  }

  /** Frames from `from` on, once one of them is what `isLast` looks for. */
  async until(isLast: (frame: Frame) => boolean, from = 0): Promise<readonly Frame[]> {
    for (let at = from; ;) {
      while (at < this.frames.length) if (isLast(this.frames[at++]!)) return this.frames.slice(from, at);
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}
