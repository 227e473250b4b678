// What a dry run came to, as figures and as text: memory by device, transfers, passes, time. Knows devices that only keep account; runs nothing.
import type { DryDevice } from '../device/dry.ts';
import { table } from './arguments.ts';

export interface DevicePlan {
  readonly device: string;
  readonly parts: readonly { readonly part: string; readonly weightBytes: number; readonly runs: number }[];
  readonly weightBytes: number;
  /** Of the weights, what stays in its file and is read again where memory does not hold it. */
  readonly mappedBytes: number;
  readonly valueBytes: number;
  readonly scratchBytes: number;
  readonly neededBytes: number;
  /** Absent where it is not known. */
  readonly budgetBytes?: number;
  readonly movedBytes: number;
  readonly flops: number;
  /** How long it would be busy; absent when this machine was not timed. */
  readonly seconds?: number;
}

export interface Plan {
  readonly devices: readonly DevicePlan[];
  readonly passes: Readonly<Record<string, number>>;
  /** From start to end, with what overlaps. */
  readonly seconds?: number;
  /** What the nodes have to say: how the model is placed, what was assumed. */
  readonly notices: readonly string[];
  readonly fits: boolean;
}

/** `seconds` is what the clock of the devices shows at the end. */
export function planOf(devices: Iterable<DryDevice>, passes: Readonly<Record<string, number>>, notices: readonly string[], seconds: number | undefined): Plan {
  const list = [...devices].map((device) => devicePlan(device, seconds !== undefined));
  return {
    devices: list, passes, notices, fits: list.every(({ neededBytes, budgetBytes = Infinity }) => neededBytes <= budgetBytes),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

function devicePlan(device: DryDevice, isTimed: boolean): DevicePlan {
  const tallies = [...device.tallies.values()].filter(({ runs }) => runs > 0);
  const sum = (of: (tally: (typeof tallies)[number]) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  return {
    device: device.name, parts: tallies.map(({ program, weightBytes, runs }) => ({ part: program, weightBytes, runs })),
    weightBytes: sum(({ weightBytes }) => weightBytes), mappedBytes: sum(({ weightBytes, residentBytes }) => weightBytes - residentBytes),
    valueBytes: device.peakBytes, scratchBytes: Math.max(0, ...tallies.map(({ scratchBytes }) => scratchBytes)),
    neededBytes: device.neededBytes, ...(device.budgetBytes === undefined ? {} : { budgetBytes: device.budgetBytes }),
    movedBytes: device.movedIn + device.movedOut, flops: sum(({ flops }) => flops), ...(isTimed ? { seconds: device.busySeconds } : {}),
  };
}

/** `on` says whose time it is, such as `this machine`. */
export function planText({ devices, passes, seconds, notices, fits }: Plan, on: string): string {
  const lines = devices.flatMap((one) => [
    `${one.device}: needs ${size(one.neededBytes)}${one.budgetBytes === undefined ? '' : ` of ${size(one.budgetBytes)}`}${one.neededBytes > (one.budgetBytes ?? Infinity) ? '  ← does not fit' : ''}`,
    ...table([
      ['  weights', `${size(one.weightBytes)} in ${one.parts.length} parts: ${partsText(one.parts)}`],
      ...(one.mappedBytes === 0 ? [] : [['  in files', mappedText(one)] as const]),
      ['  values', `${size(one.valueBytes)} at most: contexts, latents`],
      ['  at work', `${size(one.scratchBytes)} at most, inside one part`],
      ['  moved', `${size(one.movedBytes)} in and out`],
      ['  computes', `${(one.flops / 1e9).toPrecision(3)} GFLOP${one.seconds === undefined ? '' : `, busy for about ${time(one.seconds)} on ${on}`}`],
    ] as const),
  ]);
  const counted = Object.entries(passes).map(([name, count]) => `${name} ${count}`).join(', ');
  return `${[
    ...notices.map((notice) => `note: ${notice}`), ...lines, ...(counted === '' ? [] : [`passes: ${counted}`]), ...(seconds === undefined ? [] : [`time: about ${time(seconds)} on ${on}, without loading`]),
    ...(fits ? [] : ['It does not fit. Share the layers over more devices (--devices), import the model to int8 or int4, or draw smaller pictures.']),
  ].join('\n')}\n`;
}

/** Pieces of one kind and size stand together: `llm:0-27 0.5 GB × 147 each`. */
function partsText(parts: DevicePlan['parts']): string {
  const groups: { first: string; last: string; weightBytes: number; runs: number; count: number }[] = [];
  for (const { part, weightBytes, runs } of parts) {
    if (weightBytes === 0) continue;
    const group = groups.at(-1);
    if (group !== undefined && part.split(':')[0] === group.first.split(':')[0] && group.runs === runs && Math.abs(group.weightBytes - weightBytes) <= weightBytes / 20) {
      group.last = part;
      group.count++;
    } else groups.push({ first: part, last: part, weightBytes, runs, count: 1 });
  }
  return groups.map(({ first, last, weightBytes, runs, count }) => `${first}${count === 1 ? '' : `…${last.split(':')[1]}`} ${size(weightBytes)} × ${runs}${count === 1 ? '' : ' each'}`).join(', ') || 'none';
}

/** Bytes a second that a disk is taken to give. */
const usualDiskBytes = 1e9;

/** Weights in files cost no memory that must be there; but what memory does not hold is read again in every pass. */
function mappedText({ parts, mappedBytes, neededBytes, budgetBytes = Infinity }: DevicePlan): string {
  const missing = Math.min(mappedBytes, Math.max(0, neededBytes + mappedBytes - budgetBytes));
  if (missing === 0) return `${size(mappedBytes)} of these stay pages of their files, for which there is room`;
  const passes = Math.max(...parts.map(({ runs }) => runs));
  return `${size(mappedBytes)} of these stay pages of their files; ${size(missing)} have no room and are read from the disk again in every pass, which at ${size(usualDiskBytes)} a second adds about ${time((missing * passes) / usualDiskBytes)}: an import to int8 (about half) or int4 helps`;
}

export function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function time(seconds: number): string {
  return seconds < 60 ? `${seconds.toPrecision(2)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
