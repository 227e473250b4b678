// Names of devices as the command line gives them, how the machine's threads are shared among them, and what memory there is.
import { availableParallelism, totalmem } from 'node:os';
import type { Provider } from './backend.ts';
import { usableShare } from './card.ts';

export interface DeviceName {
  readonly name: string;
  readonly provider: Provider;
  readonly index: number;
}

/** Reads `cpu:0,cuda:1`; `cpu` alone is `cpu:0`. Throws on unknown providers and repeated names. */
export function parseDeviceNames(text: string): readonly DeviceName[] {
  const devices: DeviceName[] = [];
  for (const part of text.split(',').map((word) => word.trim())) {
    const [, provider, index = '0'] = /^([a-z]+)(?::(\d+))?$/.exec(part) ?? [];
    if (provider === undefined) throw new Error(`devices "${text}": "${part}" is no device name; write names such as cpu:0, separated by commas`);
    if (provider !== 'cpu' && provider !== 'cuda') throw new Error(`devices "${text}": there is no provider "${provider}"; known are cpu and cuda`);
    const name = `${provider}:${Number(index)}`;
    if (devices.some((device) => device.name === name)) throw new Error(`devices "${text}": ${name} is given twice`);
    devices.push({ name, provider, index: Number(index) });
  }
  return devices;
}

/** Threads of each of `devices` devices that compute at the same time. */
export function threadsPerDevice(devices: number, cores = availableParallelism()): number {
  return Math.max(1, Math.floor(cores / devices));
}

/**
 * Bytes by device: as given, else for CPUs an equal share of this machine's memory, of which a tenth is left to the host, and for GPUs nearly all of the card's.
 * `cards` has the bytes of cards by their number; one that is not there says itself when it is full.
 */
export function budgetsOf(names: readonly string[], given: ReadonlyMap<string, number> = new Map(), cards: ReadonlyMap<number, number> = new Map()): ReadonlyMap<string, number> {
  const share = (cpuMemoryBytes() * 0.9) / names.filter((name) => name.startsWith('cpu:')).length;
  const usual = (name: string): number | undefined => {
    if (name.startsWith('cpu:')) return share;
    const card = cards.get(Number(name.split(':')[1]));
    return card === undefined ? undefined : card * usableShare;
  };
  return new Map(names.flatMap((name) => {
    const bytes = given.get(name) ?? usual(name);
    return bytes === undefined ? [] : [[name, bytes] as const];
  }));
}

/** Bytes that devices on the CPU may use: the machine's memory, or less where a container says so. */
export function cpuMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
