// Chooses where a model runs, from the sizes of its pieces and what each device may use: the fastest placement that fits, or a refusal with the numbers.
// Knows sizes and names; opens nothing.
import { UserError } from './errors.ts';
import { wholeBytes, type ModelBytes } from './model-bytes.ts';
import type { Placement, Strategy } from './placement.ts';

export interface Room {
  readonly name: string;
  /** Infinity where it is not known. */
  readonly budgetBytes: number;
}

export interface Choice {
  readonly placement: Placement;
  /** 16-bit weights become float32 at load. */
  readonly expandWeights: boolean;
  /** Bytes of weights by device. */
  readonly weights: ReadonlyMap<string, number>;
  /** Such as `a whole model on each of cpu:0, cpu:1 (2.1 GB each of 7.2 GB)`. */
  readonly description: string;
}

export interface Wish {
  /** What the user asked for. */
  readonly strategy: Strategy | 'auto';
  /** Those that may be used; the node's own first, if it is one of them. */
  readonly rooms: readonly Room[];
  /** The node's own device. Default: the first of the rooms. */
  readonly home?: string;
  readonly vision?: string;
  readonly autoencoder?: string;
}

/** `bytesOf` gives the sizes with 16-bit weights expanded or not. Throws a UserError where nothing fits. */
export function choosePlacement(name: string, wish: Wish, bytesOf: (expand: boolean) => ModelBytes): Choice {
  const sizes = { expanded: bytesOf(true), asStored: bytesOf(false) };
  // First with room for a picture of the usual size, then for one of half its sides, then for the weights alone: what is drawn decides when it runs.
  for (const part of [1, 1 / 4, 0]) {
    for (const expandWeights of [true, false]) {
      const bytes = expandWeights ? sizes.expanded : sizes.asStored;
      for (const placed of candidates(wish, bytes)) {
        const fits = wish.rooms.every((room) => (placed.weights.get(room.name) ?? 0) + (placed.weights.has(room.name) ? bytes.work * part : 0) <= room.budgetBytes);
        if (fits) return { ...placed, expandWeights, description: describe(placed, wish.rooms, expandWeights || wholeBytes(sizes.asStored) === wholeBytes(sizes.expanded)) };
      }
    }
  }
  throw refusal(name, wish, sizes.asStored);
}

interface Placed {
  readonly placement: Placement;
  readonly weights: ReadonlyMap<string, number>;
}

/** Ways to place the model, the fastest first: replicas share the branches of guidance, blocks of layers pipeline them. */
function candidates(wish: Wish, bytes: ModelBytes): Placed[] {
  const { strategy, rooms } = wish;
  const isOpen = (one: Strategy) => strategy === 'auto' || strategy === one;
  const placed: Placed[] = [];
  if (isOpen('parallel branches') && (rooms.length > 1 || strategy !== 'auto')) {
    const able = strategy === 'auto' ? rooms.filter(({ budgetBytes }) => wholeBytes(bytes) + bytes.work <= budgetBytes) : rooms;
    if (able.length > 1 || strategy !== 'auto') placed.push(replicas(wish, able, bytes));
  }
  if (isOpen('split layers') && (rooms.length > 1 || strategy !== 'auto')) {
    placed.push(split(wish, bytes, rooms.map(() => 1)));
    const shares = roomForLayers(wish, bytes);
    if (strategy === 'auto' && shares !== undefined) placed.push(split(wish, bytes, shares));
  }
  if (isOpen('one device')) {
    for (const [i, room] of rooms.entries()) {
      if (i > 0 && strategy !== 'auto') break;
      for (const spared of i > 0 || strategy !== 'auto' ? [undefined] : [undefined, largest(rooms.slice(1))]) placed.push(alone(wish, room, bytes, room.name === (wish.home ?? rooms[0]!.name), spared?.name));
      if (rooms.length === 1) break;
    }
  }
  return placed;
}

function replicas(wish: Wish, rooms: readonly Room[], bytes: ModelBytes): Placed {
  const weights = new Map(rooms.map(({ name }) => [name, wholeBytes(bytes)]));
  return { placement: { strategy: 'parallel branches', devices: rooms.map(({ name }) => name), ...elsewhere(wish) }, weights };
}

/** `elsewhereName`: vision tower and autoencoder go there. `isHome`: the model is where the node is. */
function alone(wish: Wish, { name }: Room, bytes: ModelBytes, isHome: boolean, elsewhereName: string | undefined): Placed {
  const other = { vision: wish.vision ?? elsewhereName ?? name, autoencoder: wish.autoencoder ?? elsewhereName ?? name };
  const weights = new Map<string, number>();
  add(weights, name, wholeBytes(bytes) - bytes.vision - bytes.autoencoder);
  add(weights, other.vision, bytes.vision);
  add(weights, other.autoencoder, bytes.autoencoder);
  // a block of layers that is all of them
  const placement: Placement = isHome ? { strategy: 'one device', devices: [] } : { strategy: 'split layers', devices: [name] };
  return { placement: { ...placement, ...(other.vision === name && isHome ? {} : { vision: other.vision }), ...(other.autoencoder === name && isHome ? {} : { autoencoder: other.autoencoder }) }, weights };
}

function split(wish: Wish, bytes: ModelBytes, shares: readonly number[]): Placed {
  const rooms = wish.rooms.filter((_, i) => shares[i]! > 0);
  const given = shares.filter((share) => share > 0);
  const names = rooms.map(({ name }) => name);
  const weights = new Map<string, number>();
  const ends = endsOf(given, bytes.layers.length);
  names.forEach((name, i) => add(weights, name, sum(bytes.layers.slice(i === 0 ? 0 : ends[i - 1], ends[i]))));
  add(weights, names[0]!, bytes.first);
  add(weights, names.at(-1)!, bytes.last);
  add(weights, wish.vision ?? wish.rooms[0]!.name, bytes.vision);
  add(weights, wish.autoencoder ?? wish.rooms[0]!.name, bytes.autoencoder);
  const isEven = given.every((share) => share === given[0]);
  return { placement: { strategy: 'split layers', devices: names, ...(isEven ? {} : { shares: given }), ...elsewhere(wish) }, weights };
}

/** Where the blocks of `layers` layers end that these shares make; every share gets one at least where there are enough. */
export function endsOf(shares: readonly number[], layers: number): number[] {
  const whole = sum(shares);
  let before = 0;
  return shares.map((share) => {
    before += share;
    return Math.round((before / whole) * layers);
  });
}

/** Layers that each device has room for beside what else it holds; undefined where they are not all placed. */
function roomForLayers({ rooms, vision, autoencoder }: Wish, bytes: ModelBytes): number[] | undefined {
  const layer = Math.max(1, ...bytes.layers);
  const besides = rooms.map(({ name }, i) => bytes.work
    + (i === 0 ? bytes.first : 0) + (i === rooms.length - 1 ? bytes.last : 0)
    + (name === (vision ?? rooms[0]!.name) ? bytes.vision : 0) + (name === (autoencoder ?? rooms[0]!.name) ? bytes.autoencoder : 0));
  const able = rooms.map(({ budgetBytes }, i) => Math.min(bytes.layers.length, Math.max(0, Math.floor((budgetBytes - besides[i]!) / layer))));
  const spare = sum(able) - bytes.layers.length;
  if (spare < 0) return undefined;
  // even as far as there is room
  const shares = able.map(() => 0);
  for (let left = bytes.layers.length; left > 0; left--) {
    const next = shares.reduce((best, share, i) => (share < able[i]! && (best < 0 || share < shares[best]!) ? i : best), -1);
    shares[next]!++;
  }
  return shares;
}

function elsewhere({ vision, autoencoder }: Wish): Pick<Placement, 'vision' | 'autoencoder'> {
  return { ...(vision === undefined ? {} : { vision }), ...(autoencoder === undefined ? {} : { autoencoder }) };
}

function describe({ placement, weights }: Placed, rooms: readonly Room[], isFast: boolean): string {
  const where = [...weights].map(([name, bytes]) => `${name} ${gigabytes(bytes)} of ${gigabytes(rooms.find((room) => room.name === name)?.budgetBytes ?? Infinity)}`).join(', ');
  const how = placement.strategy === 'parallel branches' ? 'a whole model on each device, which share the branches of guidance'
    : placement.strategy === 'split layers' && placement.devices.length > 1 ? `layers split ${placement.shares === undefined ? 'evenly' : placement.shares.join(' to ')}, the branches of guidance follow one another through them`
      : `the whole model on ${placement.devices[0] ?? rooms[0]!.name}`;
  return `${how}${isFast ? '' : ', 16-bit weights stay in their file and are cast in every pass'} (weights: ${where})`;
}

function refusal(name: string, { strategy, rooms }: Wish, bytes: ModelBytes): UserError {
  const whole = wholeBytes(bytes);
  const given = rooms.map((room) => `${room.name} may use ${gigabytes(room.budgetBytes)}`).join(', ');
  const perDevice = whole / rooms.length;
  const least = Math.max(...bytes.layers) + bytes.first + bytes.vision + bytes.autoencoder;
  const together = sum(rooms.map(({ budgetBytes }) => budgetBytes));
  const needed = strategy === 'parallel branches' ? `${gigabytes(whole)} on each device` : strategy === 'split layers' ? `about ${gigabytes(perDevice)} on each of ${rooms.length}` : gigabytes(whole);
  const ways = [
    ...(strategy !== 'auto' ? ['placement "auto"'] : []),
    `devices with ${gigabytes(whole)} together${together >= whole ? ` and ${gigabytes(least)} on the first` : ''} (--devices, --memory NAME=GB)`,
    'an import to int8 or int4 (bagelgraph import), or to bf16, whose weights stay in their file: slow, but it runs',
  ];
  return new UserError(`the model ${name} does not fit: its weights need ${needed}, but ${given}. What would fit: ${ways.join('; ')}`);
}

export function gigabytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return 'any memory';
  return bytes >= 1e8 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function add(weights: Map<string, number>, name: string, bytes: number): void {
  weights.set(name, (weights.get(name) ?? 0) + bytes);
}

function largest(rooms: readonly Room[]): Room | undefined {
  return rooms.reduce<Room | undefined>((best, room) => (best === undefined || room.budgetBytes > best.budgetBytes ? room : best), undefined);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
