// TRACE=PATH for a server: a Chrome trace of each run in a file of its own. PATH is a folder, or the name that the run's id goes into.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunEvent } from '../exec/events.ts';
import { createTrace, type Trace } from '../exec/trace.ts';

/** Returns what takes every event of every run. `say` is told of files that could not be written. */
export function writeTraces(place: string, say: (line: string) => void): (event: RunEvent) => void {
  const open = new Map<string, Trace>();
  return (event) => {
    const trace = open.get(event.run) ?? createTrace();
    open.set(event.run, trace);
    trace.event(event);
    if (event.kind !== 'ended') return;
    open.delete(event.run);
    const file = traceFile(place, event.run);
    void mkdir(path.dirname(file), { recursive: true }).then(() => writeFile(file, trace.json())).catch((error: Error) => say(`TRACE: ${file} cannot be written: ${error.message}`));
  };
}

/** `traces/` → `traces/ID.json`, `run.json` → `run-ID.json`. Ids are the clients' words, so they become plain names. */
function traceFile(place: string, run: string): string {
  const id = /^[\w-]{1,100}$/.test(run) ? run : `${run.replace(/[^\w-]/g, '_').slice(0, 60)}-${createHash('sha256').update(run).digest('hex').slice(0, 8)}`;
  if (/[\\/]$/.test(place) || statSync(place, { throwIfNoEntry: false })?.isDirectory() === true) return path.join(place, `${id}.json`);
  const { dir, name, ext } = path.parse(place);
  return path.join(dir, `${name}-${id}${ext === '' ? '.json' : ext}`);
}
