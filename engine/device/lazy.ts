// A device whose worker starts at its first use: a server that waits for work holds no worker's memory.
import type { Device, DeviceStats } from './device.ts';
import type { Port } from './move.ts';

/** `open` is called once. */
export function lazyDevice(name: string, open: () => Promise<Device & Port>, budgetBytes?: number): Device & Port {
  let opening: Promise<Device & Port> | undefined;
  let opened: Device & Port | undefined;
  let isClosed = false;
  const device = (): Promise<Device & Port> => {
    if (isClosed) return Promise.reject(new Error(`the device ${name} is closed`));
    return (opening ??= open().then((made) => (opened = made)));
  };
  return {
    name,
    ...(budgetBytes === undefined ? {} : { budgetBytes }),
    send: async (handle, rows) => (await device()).send(handle, rows),
    accept: async (tensor) => (await device()).accept(tensor),
    get epoch() { return opened?.epoch ?? 0; },
    load: async (program) => (await device()).load(program),
    run: async (session, feeds, fetch, options) => (await device()).run(session, feeds, fetch, options),
    write: async (tensor) => (await device()).write(tensor),
    read: async (handle, rows) => (await device()).read(handle, rows),
    free: async (held) => opened?.free(held),
    stats: async () => opened?.stats() ?? idle(name), // a look starts no worker
    holds: (held) => opened?.holds(held) ?? false,
    async close() {
      isClosed = true;
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}

function idle(name: string): DeviceStats {
  return { name, provider: 'none', epoch: 0, pid: 0, restarts: 0, threads: 0, handles: { count: 0, bytes: 0 }, sessions: 0, runs: 0 };
}
