// Ends workers whose host died while they were inside a long native run. Linux only: elsewhere a process can not be told from a later one
// with the same id, and the worker ends by itself when its run does.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Entry {
  readonly workerStart: string;
  readonly host: number;
  readonly hostStart: string;
}

/** Start of a process in clock ticks since boot; undefined when it is not running. Together with its id it names a process for good. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function folder(): string {
  return join(tmpdir(), `bagelgraph-workers-${process.getuid?.() ?? 0}`);
}

/** Notes a worker of this process. */
export function recordWorker(pid: number): void {
  const [workerStart, hostStart] = [startOf(pid), startOf(process.pid)];
  if (process.platform !== 'linux' || workerStart === undefined || hostStart === undefined) return;
  try {
    mkdirSync(folder(), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder(), String(pid)), JSON.stringify({ workerStart, host: process.pid, hostStart } satisfies Entry), { mode: 0o600 });
  } catch {
    // without the note a worker of a dead host lives until its run ends, no longer
  }
}

export function forgetWorker(pid: number): void {
  rmSync(join(folder(), String(pid)), { force: true });
}

/** Kills recorded workers that still run though their host does not; gives their process ids. */
export function endOrphanWorkers(): number[] {
  if (process.platform !== 'linux' || !isOurs(folder())) return [];
  const ended: number[] = [];
  for (const name of readdirSync(folder())) {
    const pid = Number(name);
    const entry = readEntry(name);
    if (entry !== undefined && startOf(entry.host) === entry.hostStart) continue;
    if (entry !== undefined && startOf(pid) === entry.workerStart && isWorker(pid)) {
      process.kill(pid, 'SIGKILL');
      ended.push(pid);
    }
    forgetWorker(pid);
  }
  return ended;
}

function isOurs(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.uid === process.getuid?.();
}

function readEntry(name: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(join(folder(), name), 'utf8')) as Entry;
  } catch {
    return undefined;
  }
}

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join('device', 'worker.js'));
  } catch {
    return false;
  }
}
