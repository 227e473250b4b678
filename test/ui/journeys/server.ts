// The real server as a process on the demo model, in a folder of its own, for journeys through the page.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

// tests and benchmarks run in the repository's root
const program = path.resolve('bin/bagelgraph.js');
const pack = path.resolve('test/ui/journeys/pack');

export interface Server {
  readonly url: string;
  /** The server's own folder: input, output, temp and user lie in it. */
  readonly folder: string;
  /** Ends it at once, as a crash does; the folder stays. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startServer(...words: readonly string[]): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-journey-'));
  let running = await launch(folder, '0', words);
  const { url } = running;
  const kill = async () => {
    running.child.kill('SIGKILL');
    await running.ended;
  };
  return {
    url, folder, kill,
    async restart() { running = await launch(folder, new URL(url).port, words); },
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function launch(folder: string, port: string, words: readonly string[]): Promise<{ child: ChildProcess; url: string; ended: Promise<void> }> {
  const child = spawn(process.execPath, [program, 'serve', '--port', port, '--node-pack', pack, ...words], { cwd: folder, env: { ...process.env, DEBUG: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    const hear = (text: string) => {
      said += text;
      const found = /serves (\S+)\n/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.setEncoding('utf8').on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
    void ended.then(() => reject(new Error(`the server ended: ${said}`)));
  });
  return { child, url, ended };
}
