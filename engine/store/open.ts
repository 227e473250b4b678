// Opens the place where jobs are kept: a folder, or memory alone. The database is loaded only for a folder.
import type { Disk } from './job-store.ts';
import { JobStore } from './job-store.ts';
import type { Retention, Store } from './store.ts';

export interface StoreOptions {
  /** Undefined = memory. */
  readonly folder?: string | undefined;
  readonly retention?: Partial<Retention>;
  readonly log?: (line: string) => void;
}

export const defaultRetention: Retention = { ageMs: 30 * 24 * 3600 * 1000, bytes: 512 * 2 ** 20, jobs: 10_000 };

/** Rejects with a StoreError that says what is wrong with the folder; a damaged file in it is moved aside and told. */
export async function openStore({ folder, retention = {}, log = () => undefined }: StoreOptions = {}): Promise<Store> {
  const disk: Disk | undefined = folder === undefined ? undefined : (await import('./sqlite.ts')).openDisk(folder, log);
  return new JobStore({ retention: { ...defaultRetention, ...retention }, disk, log });
}

/** Jobs that end with the process. */
export function memoryStore(retention: Partial<Retention> = {}): Store {
  return new JobStore({ retention: { ...defaultRetention, ...retention }, log: () => undefined });
}
