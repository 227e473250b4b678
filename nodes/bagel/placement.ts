// Where the parts of a model run: all on one device, blocks of layers on several, or whole replicas among which the branches of guidance are shared.
// Knows part names and device names; computes nothing.
import type { Devices } from '../../engine/device/device.ts';
import { spread } from '../../engine/device/spread.ts';
import type { Work } from './context.ts';
import { UserError } from './errors.ts';
import type { Cuts } from './model/parts.ts';

export const strategies = ['one device', 'split layers', 'parallel branches'] as const;
export type Strategy = (typeof strategies)[number];

export interface Placement {
  readonly strategy: Strategy;
  /** Devices that share the language model, in order; none = all there are. */
  readonly devices: readonly string[];
  /** Split layers: how the layers are shared among the devices; absent = evenly. */
  readonly shares?: readonly number[];
  /** Where the vision tower and the autoencoder run; nothing = where the node is. */
  readonly vision?: string;
  readonly autoencoder?: string;
}

export const onOneDevice: Placement = { strategy: 'one device', devices: [] };

/** How many blocks of layers the language model must at least be cut into. */
export function blocksOf({ strategy, devices, shares }: Placement): number {
  if (strategy === 'parallel branches') return Math.max(1, devices.length); // a branch too many is shared by all
  if (strategy !== 'split layers' || devices.length === 1) return 1;
  return Math.max(2, shares === undefined ? devices.length : shares.reduce((sum, share) => sum + share, 0));
}

/** `cpu:0, cpu:1` → names. Throws a UserError where one is given twice. */
export function readDeviceList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim()).filter((name) => name !== '');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`the devices ${JSON.stringify(text)} name ${twice} twice`);
  return names;
}

/** Throws a UserError when the placement names a device that is not open. */
export function checkPlacement({ devices, vision, autoencoder }: Placement, open: Devices): void {
  for (const name of [...devices, ...(vision === undefined ? [] : [vision]), ...(autoencoder === undefined ? [] : [autoencoder])]) {
    if (!open.has(name)) throw new UserError(`the model is placed on ${name}, but open are ${[...open.keys()].join(', ')}: start with --devices ${[...new Set([...open.keys(), name])].join(',')}`);
  }
}

/** Index of the block that a piece of the language model belongs to, where blocks have layers in these shares. */
export function blockOf(cuts: Pick<Cuts, 'llm'>, index: number, shares: readonly number[]): number {
  const layers = cuts.llm.at(-1)!.end;
  const { first, end } = cuts.llm[index]!;
  const whole = shares.reduce((sum, share) => sum + share, 0);
  let before = 0;
  const found = shares.findIndex((share) => (before += share) * layers > ((first + end) / 2) * whole);
  return found < 0 ? shares.length - 1 : found;
}

/** What model code needs to run on these devices: `home` is where the node was placed. */
export function placedWork(work: Work, placement: Placement, cuts: Pick<Cuts, 'llm'>, devices: Devices): Work {
  checkPlacement(placement, devices);
  const shared = placement.devices.length > 0 ? placement.devices : [...devices.keys()];
  const shares = placement.shares ?? shared.map(() => 1);
  const at = (home: string, order: readonly string[]): Work => ({
    ...work,
    device: spread(devices, home, (program) => {
      const [kind, rest = ''] = program.split(':') as [string, string?];
      if (order.length > 0) {
        if (kind === 'llm') return order[blockOf(cuts, Number(rest), shares)];
        if (firstParts.has(kind)) return order[0];
        if (lastParts.has(kind)) return order.at(-1);
      }
      if (kind === 'vit' || kind === 'patches') return placement.vision;
      return autoencoderParts.has(kind) ? placement.autoencoder : undefined;
    }),
  });
  const home = work.device.name;
  if (placement.strategy === 'split layers') return at(home, shared);
  if (placement.strategy === 'one device' || shared.length < 2) return at(home, []);
  // the node's own device takes the first branch, if it has a model
  const order = shared.includes(home) ? [home, ...shared.filter((name) => name !== home)] : shared;
  return { ...at(order[0]!, []), branches: order.map((name) => at(name, [])), shared: at(order[0]!, order) };
}

/** What feeds the first layers, and what reads the last. */
const firstParts: ReadonlySet<string> = new Set(['embed', 'latent']);
const lastParts: ReadonlySet<string> = new Set(['head', 'top', 'flow']);
const autoencoderParts: ReadonlySet<string> = new Set(['encoder', 'decoder', 'posterior', 'image']);
