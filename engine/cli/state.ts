// Where `serve` keeps queue and history, from its flags: a folder by default, so that a killed server loses nothing.
import path from 'node:path';
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import { openStore } from '../store/open.ts';
import { StoreError } from '../store/errors.ts';
import type { Store } from '../store/store.ts';
import { UsageError } from './arguments.ts';
import type { IsNamed } from './temp-folder.ts';

export const stateOptions: Record<string, CommandOption> = {
  state: { type: 'string', value: 'DIR|memory', description: 'where queue and history are kept (default state/ in the base directory); memory = not beyond this run' },
  'history-days': { type: 'string', value: 'N', description: 'drop finished prompts from the history after so many days (default 30)' },
  'history-size': { type: 'string', value: 'MB', description: 'drop the oldest when the history is larger (default 512)' },
  'stop-grace': { type: 'string', value: 'SECONDS', description: 'how long SIGTERM lets the running prompt go on before it is put back into the queue (default 30)' },
};

const dayMs = 24 * 3600 * 1000;

/** Throws a UsageError for a wrong flag and for a folder that cannot be used. */
export async function openState(args: CommandArguments, base: string, log: (line: string) => void): Promise<Store> {
  const chosen = textOf(args, 'state') ?? path.join(base, 'state');
  if (chosen === '') throw new UsageError('--state is empty: give a folder, or memory');
  const retention = { ageMs: numberOf(args, 'history-days', 30) * dayMs, bytes: numberOf(args, 'history-size', 512) * 2 ** 20 };
  try {
    return await openStore({ folder: chosen === 'memory' ? undefined : path.resolve(chosen), retention, log });
  } catch (error) {
    throw error instanceof StoreError ? new UsageError(error.message) : error;
  }
}

export function stopGraceMs(args: CommandArguments): number {
  return numberOf(args, 'stop-grace', 30) * 1000;
}

/** Temp files that finished prompts show or waiting ones read. */
export function namedIn(store: Store): IsNamed {
  const names = store.tempFiles();
  const waiting = store.open().map(({ id }) => store.texts(id)?.request ?? '');
  return (file) => names.has(file) || waiting.some((request) => request.includes(JSON.stringify(path.posix.basename(file)).slice(1, -1)));
}

function textOf({ options }: CommandArguments, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

function numberOf(args: CommandArguments, name: string, initial: number): number {
  const text = textOf(args, name);
  const value = text === undefined || text.trim() === '' ? initial : Number(text);
  if (!Number.isFinite(value) || value < 0 || text?.trim() === '') throw new UsageError(`--${name} is ${JSON.stringify(text)}: give a number from 0`);
  return value;
}
