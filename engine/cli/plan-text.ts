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
  /** What comes from files; `seconds` is no part of the plan's. */
  readonly disk: DiskPlan;
  readonly flops: number;
  /** How long it would be busy; absent when this machine was not timed. */
  readonly seconds?: number;
}

export interface DiskPlan {
  /** Read until all weights are in use. */
  readonly loadBytes: number;
  readonly loadSeconds: number;
  /** Of what stays in files, what finds no room and is read again in every pass. */
  readonly againBytes: number;
  readonly passes: number;
  readonly againSeconds: number;
}

export interface Plan {
  readonly devices: readonly DevicePlan[];
  readonly passes: Readonly<Record<string, number>>;
  /** From start to end, with what overlaps. */
  readonly seconds?: number;
  /** Bytes a second that the disk is taken to give. */
  readonly diskBytesPerSecond: number;
  /** What the nodes have to say: how the model is placed, what was assumed. */
  readonly notices: readonly string[];
  readonly fits: boolean;
}

/** `seconds` is what the clock of the devices shows at the end. */
export function planOf(devices: Iterable<DryDevice>, passes: Readonly<Record<string, number>>, notices: readonly string[], seconds: number | undefined, diskBytesPerSecond: number): Plan {
  const list = [...devices].map((device) => devicePlan(device, seconds !== undefined, diskBytesPerSecond));
  return {
    devices: list, passes, notices, diskBytesPerSecond, fits: list.every(({ neededBytes, budgetBytes = Infinity }) => neededBytes <= budgetBytes),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

function devicePlan(device: DryDevice, isTimed: boolean, diskBytesPerSecond: number): DevicePlan {
  const tallies = [...device.tallies.values()].filter(({ runs }) => runs > 0);
  const sum = (of: (tally: (typeof tallies)[number]) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  const mappedBytes = sum(({ weightBytes, residentBytes }) => weightBytes - residentBytes);
  const [loadBytes, passes] = [sum(({ storedBytes }) => storedBytes), Math.max(0, ...tallies.map(({ runs }) => runs))];
  const againBytes = Math.min(mappedBytes, Math.max(0, device.neededBytes + mappedBytes - (device.budgetBytes ?? Infinity)));
  return {
    disk: { loadBytes, loadSeconds: loadBytes / diskBytesPerSecond, againBytes, passes, againSeconds: (againBytes * Math.max(0, passes - 1)) / diskBytesPerSecond },
    device: device.name, parts: tallies.map(({ program, weightBytes, runs }) => ({ part: program, weightBytes, runs })),
    weightBytes: sum(({ weightBytes }) => weightBytes), mappedBytes,
    valueBytes: device.peakBytes, scratchBytes: Math.max(0, ...tallies.map(({ scratchBytes }) => scratchBytes)),
    neededBytes: device.neededBytes, ...(device.budgetBytes === undefined ? {} : { budgetBytes: device.budgetBytes }),
    movedBytes: device.movedIn + device.movedOut, flops: sum(({ flops }) => flops), ...(isTimed ? { seconds: device.busySeconds } : {}),
  };
}

/** `on` says whose time it is, such as `this machine`. */
export function planText({ devices, passes, seconds, notices, fits, diskBytesPerSecond }: Plan, on: string): string {
  const lines = devices.flatMap((one) => [
    `${one.device}: needs ${size(one.neededBytes)}${one.budgetBytes === undefined ? '' : ` of ${size(one.budgetBytes)}`}${one.neededBytes > (one.budgetBytes ?? Infinity) ? '  ← does not fit' : ''}`,
    ...table([
      ['  weights', `${size(one.weightBytes)} in ${one.parts.length} parts: ${partsText(one.parts)}`],
      ...(one.mappedBytes === 0 ? [] : [['  in files', mappedText(one)] as const]),
      ['  loading', `about ${time(one.disk.loadSeconds)}: ${size(one.disk.loadBytes)} from files`],
      ...(one.disk.againBytes === 0 ? [] : [['  reading again', `about ${time(one.disk.againSeconds)}: ${size(one.disk.againBytes)}, ${time(one.disk.againBytes / diskBytesPerSecond)}, in every pass (${one.disk.passes} in all)`] as const]),
      ['  values', `${size(one.valueBytes)} at most: contexts, latents`],
      ['  at work', `${size(one.scratchBytes)} at most, inside one part`],
      ['  moved', `${size(one.movedBytes)} in and out`],
      ['  computes', `${(one.flops / 1e9).toPrecision(3)} GFLOP${one.seconds === undefined ? '' : `, busy for about ${time(one.seconds)} on ${on}`}`],
    ] as const),
  ]);
  const counted = Object.entries(passes).map(([name, count]) => `${name} ${count}`).join(', ');
  return `${[
    ...notices.map((notice) => `note: ${notice}`), ...lines, ...(counted === '' ? [] : [`passes: ${counted}`]),
    ...(seconds === undefined ? [] : [`time: about ${time(seconds)} on ${on}`]),
    `disk: ${seconds === undefined ? '' : 'beside that '}${diskText(devices)}, at ${size(diskBytesPerSecond)} a second (assumed; --disk GB says otherwise), less what memory holds already`,
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

/** All devices read from one disk. */
function diskText(devices: readonly DevicePlan[]): string {
  const all = (of: (disk: DiskPlan) => number) => devices.reduce((sum, { disk }) => sum + of(disk), 0);
  const again = all(({ againSeconds }) => againSeconds);
  return `about ${time(all(({ loadSeconds }) => loadSeconds))} to load${again === 0 ? '' : ` and ${time(again)} to read again`}`;
}

/** Weights in files cost no memory that must be there; but what memory does not hold is read again in every pass. */
function mappedText({ mappedBytes, disk: { againBytes } }: DevicePlan): string {
  if (againBytes === 0) return `${size(mappedBytes)} of these stay pages of their files, for which there is room`;
  return `${size(mappedBytes)} of these stay pages of their files; ${size(againBytes)} have no room: an import to int8 (about half) or int4 helps`;
}

export function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function time(seconds: number): string {
  return seconds < 60 ? `${seconds.toPrecision(2)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
