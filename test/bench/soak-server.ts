// The server of the soak: a process in a folder, killed and started again at the same port, its workers, and what it holds.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { treeMemory } from './measure.ts';

export interface HistoryEntry {
  readonly prompt: readonly [number, string, ...unknown[]];
  readonly outputs: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;
  readonly status: { readonly status_str: string; readonly messages: readonly (readonly [string, Readonly<Record<string, unknown>>])[] };
}

export class SoakServer {
  readonly folder: string;
  #port = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  /** What it said on stderr. */
  readonly lines: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<void> {
    const words = ['bin/bagelgraph.js', 'serve', '--port', String(this.#port), '--base-directory', this.folder, '--input-directory', 'workflows/pictures', '--node-pack', 'test/contract/pack', '--cache-lru', '40'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.on('close', resolve));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.lines.push(...text.split('\n').filter((line) => line !== '')));
    this.#port = await new Promise<number>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const found = /serves http:\S+:(\d+)/.exec(text)?.[1];
        if (found !== undefined) resolve(Number(found));
      });
      void this.#ended.then(() => reject(new Error(`the server ended: ${this.lines.slice(-5).join(' ')}`)));
    });
  }

  /** `SIGKILL`, or a stop in order. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child?.kill(signal);
    await this.#ended;
  }

  /** Kills a worker if there is one. */
  async killWorker(): Promise<boolean> {
    for (const name of await readdir('/proc')) {
      const words = /^\d+$/.test(name) ? (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0') : [];
      if (!words.some((word) => word.endsWith(path.join('device', 'worker.js'))) || !words.some((word) => word.includes(`"hostPid":${this.#child?.pid},`))) continue;
      process.kill(Number(name), 'SIGKILL');
      return true;
    }
    return false;
  }

  /** Bytes that the server holds, with its workers. */
  memory(): Promise<number> {
    return treeMemory(this.#child?.pid ?? 0);
  }

  /** Bytes of the server's own process. */
  async ownMemory(): Promise<number> {
    const text = await readFile(`/proc/${this.#child?.pid}/smaps_rollup`, 'utf8').catch(() => '');
    return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
  }

  /** Rejects when the server is not there. */
  async post(route: string, body: unknown): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#port}${route}`, { method: 'POST', body: JSON.stringify(body) });
    await response.arrayBuffer();
    return response.status;
  }

  async remaining(): Promise<number> {
    return (await this.#get<{ exec_info: { queue_remaining: number } }>('/prompt')).exec_info.queue_remaining;
  }

  history(): Promise<Readonly<Record<string, HistoryEntry>>> {
    return this.#get('/history');
  }

  async #get<T>(route: string): Promise<T> {
    return (await fetch(`http://127.0.0.1:${this.#port}${route}`)).json() as Promise<T>;
  }
}
