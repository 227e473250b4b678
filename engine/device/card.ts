// A device on an NVIDIA card: 16-bit weights stay as they are in the card's own memory, of which the driver's tool tells. Knows no runtime.
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device, DeviceStats } from './device.ts';
import { forward } from './forward.ts';
import type { Port } from './move.ts';

/** Of a card's memory, what a device uses where nothing is said: the driver and ONNX Runtime take their part. */
export const usableShare = 0.95;

const fields = '--query-gpu=index,memory.total,memory.free';
const format = '--format=csv,noheader,nounits';
const timeoutMs = 5000;
/** Asking takes a process; who looks more often gets the last answer. */
const freshMs = 1000;

type CardMemory = NonNullable<DeviceStats['card']>;

/** Memory of each card by its number; none where the driver's tool is missing or fails. Waits for it, so ask once. */
export function cardMemory(): ReadonlyMap<number, CardMemory> {
  try {
    return read(execFileSync('nvidia-smi', [fields, format], { timeout: timeoutMs, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return new Map();
  }
}

let asked: { readonly atMs: number; readonly answer: Promise<ReadonlyMap<number, CardMemory>> } | undefined;

async function cardMemoryNow(index: number): Promise<CardMemory | undefined> {
  if (asked === undefined || performance.now() - asked.atMs > freshMs) {
    const answer = promisify(execFile)('nvidia-smi', [fields, format], { timeout: timeoutMs }).then(({ stdout }) => read(stdout), () => new Map<number, CardMemory>());
    asked = { atMs: performance.now(), answer };
  }
  return (await asked.answer).get(index);
}

/** Lines such as `0, 24564, 24000`, in MiB; a card that cannot say (`[N/A]`) is passed over. */
function read(csv: string): ReadonlyMap<number, CardMemory> {
  const rows = csv.split('\n').map((line) => line.split(',').map((field) => Number(field.trim() || NaN)));
  return new Map(rows.filter((row) => row.length === 3 && row.every(Number.isFinite)).map(([index, total, free]) => [index!, { totalBytes: total! * 2 ** 20, freeBytes: free! * 2 ** 20 }]));
}

/** `device` as one that computes on card `index`. */
export function onCard(device: Device & Port, index: number): Device & Port {
  return Object.assign(forward(device), {
    keeps16Bit: true,
    async stats(): Promise<DeviceStats> {
      const [stats, card] = await Promise.all([device.stats(), cardMemoryNow(index)]);
      return card === undefined ? stats : { ...stats, card };
    },
  });
}
