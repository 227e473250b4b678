// A server as a process in a folder that outlives it: started, killed, started again.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Answer } from './harness.ts';

const program = fileURLToPath(new URL('../../bin/bagelgraph.js', import.meta.url));
export const waitPack = fileURLToPath(new URL('./durable-pack', import.meta.url));
export const pictures = fileURLToPath(new URL('../../workflows/pictures', import.meta.url));

export interface Served {
  readonly url: string;
  readonly pid: number;
  /** What it has said on stderr so far. */
  said(): string;
  kill(signal: NodeJS.Signals): Promise<number | null>;
  get(route: string): Promise<Answer>;
  post(route: string, body: unknown): Promise<{ readonly status: number; readonly body: Answer }>;
}

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-durable-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Serves from the folder; `words` are further flags. */
export async function serveFrom(folder: string, ...words: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, [program, 'serve', '--port', '0', ...words], { cwd: folder, env: { ...process.env, DEBUG: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => { child.kill('SIGKILL'); });
  let said = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text; });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const found = /serves (\S+)\n/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
  return {
    url, pid: child.pid!,
    said: () => said,
    kill(signal) {
      child.kill(signal);
      return ended;
    },
    get: async (route) => (await fetch(`${url}${route}`)).json() as Promise<Answer>,
    async post(route, body) {
      const response = await fetch(`${url}${route}`, { method: 'POST', body: JSON.stringify(body) });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) as Answer };
    },
  };
}

/** Process ids of a server's workers. */
export function workersOf(server: number): readonly number[] {
  const words = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return []; // it has ended
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => words(pid).some((word) => word.endsWith(path.join('device', 'worker.js'))) && words(pid).some((word) => word.includes(`"hostPid":${server},`))).map(Number);
}

/** Asks until `asked` gives something. */
export async function until<T>(asked: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await asked();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const isIdle = (server: Served) => async (): Promise<boolean> => (await server.get('/prompt')).exec_info.queue_remaining === 0;
export const entryOf = (server: Served, id: string) => async (): Promise<Answer> => (await server.get(`/history/${id}`))[id];
export const isRunning = (server: Served, id: string) => async (): Promise<boolean> => (await server.get('/queue')).queue_running.some((item: Answer) => item[1] === id);
