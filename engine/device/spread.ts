// One device made of several: each program runs where it is placed, and what it needs from another device is copied there for that run.
// Still the six verbs; knows no model.
import type { Device, Devices, Feed, Handle, Held } from './device.ts';
import { move } from './move.ts';

export interface SpreadDevice extends Device {
  /** The device that programs of this name run on. */
  at(program: string): Device;
  /** The device of this name. */
  on(name: string): Device;
}

/**
 * `home` takes what is written without a program; `placeOf` names the device of a program, nothing = home.
 * Throws naming the devices there are when it names another.
 */
export function spread(devices: Devices, home: string, placeOf: (program: string) => string | undefined): SpreadDevice {
  const get = (name: string): Device => {
    const device = devices.get(name);
    if (device === undefined) throw new Error(`there is no device ${name}; devices are ${[...devices.keys()].join(', ') || 'none'}: start with --devices`);
    return device;
  };
  const own = get(home);
  const at = (program: string) => get(placeOf(program) ?? home);
  return {
    name: home,
    get epoch() { return own.epoch; },
    at,
    on: get,
    load: (program) => at(program.name).load(program),
    async run(session, feeds, fetch, options) {
      const device = get(session.device);
      const brought: Handle[] = [];
      try {
        return await device.run(session, await bring(feeds, device, get, brought), fetch, options);
      } finally {
        await device.free(brought);
      }
    },
    write: (tensor) => own.write(tensor),
    read: (handle, rows) => get(handle.device).read(handle, rows),
    async free(held) {
      await Promise.all([...byDevice(held)].map(([name, of]) => get(name).free(of)));
    },
    stats: () => own.stats(),
    holds: (held) => devices.get(held.device)?.holds(held) ?? false,
    close: () => own.close(),
  };
}

/** The feeds with handles of other devices replaced by copies, which are also put into `brought`. */
async function bring(feeds: Readonly<Record<string, Feed>>, device: Device, get: (name: string) => Device, brought: Handle[]): Promise<Readonly<Record<string, Feed>>> {
  const far = Object.entries(feeds).filter(([, feed]) => 'handle' in feed && feed.handle.device !== device.name) as [string, Extract<Feed, { handle: Handle }>][];
  if (far.length === 0) return feeds;
  const near: Record<string, Feed> = { ...feeds };
  for (const [name, { handle, rows }] of far) {
    const moved = await move(handle, get(handle.device), device, rows);
    brought.push(moved.handle);
    near[name] = { handle: moved.handle };
  }
  return near;
}

function byDevice(held: readonly Held[]): Map<string, Held[]> {
  const groups = new Map<string, Held[]>();
  for (const one of held) {
    const group = groups.get(one.device);
    if (group === undefined) groups.set(one.device, [one]);
    else group.push(one);
  }
  return groups;
}

export function isSpread(device: Device): device is SpreadDevice {
  return 'at' in device;
}
