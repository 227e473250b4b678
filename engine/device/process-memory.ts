// Memory of another process as the system tells it, without asking the process. Linux only.
import { readFile } from 'node:fs/promises';
import type { DeviceStats } from './device.ts';

/** Undefined where the system does not tell. */
export async function processMemory(pid: number): Promise<DeviceStats['memory']> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const bytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  const resident = bytes('Rss');
  const anonymous = bytes('Anonymous');
  return { resident, anonymous, file: resident - anonymous, shared: bytes('Shared_Clean') + bytes('Shared_Dirty'), proportional: bytes('Pss') };
}
