// A device whose worker starts at its first use: a server that waits for work holds no worker's memory.
import type { Device } from './device.ts';

/** `open` is called once. */
export function lazyDevice(name: string, open: () => Promise<Device>): Device {
  let opening: Promise<Device> | undefined;
  let opened: Device | undefined;
  let isClosed = false;
  const device = (): Promise<Device> => {
    if (isClosed) return Promise.reject(new Error(`the device ${name} is closed`));
    return (opening ??= open().then((made) => (opened = made)));
  };
  return {
    name,
    get epoch() { return opened?.epoch ?? 0; },
    load: async (program) => (await device()).load(program),
    run: async (session, feeds, fetch, options) => (await device()).run(session, feeds, fetch, options),
    write: async (tensor) => (await device()).write(tensor),
    read: async (handle, rows) => (await device()).read(handle, rows),
    free: async (held) => opened?.free(held),
    stats: async () => (await device()).stats(),
    holds: (held) => opened?.holds(held) ?? false,
    async close() {
      isClosed = true;
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}
