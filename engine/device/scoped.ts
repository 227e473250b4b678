// A device that remembers which handles were made through it, so that what a node made and did not return is freed when it ends.
import type { Device, Handle, Held } from './device.ts';
import { isHandle } from './device.ts';
import { isPort } from './move.ts';
import type { WireTensor } from './protocol.ts';

export interface Scope {
  readonly device: Device;
  /** These outlive the scope. */
  keep(held: readonly Held[]): void;
  /** Frees the rest, and what calls still under way make. Sessions are not the scope's. */
  end(): Promise<void>;
}

export function scoped(device: Device): Scope {
  const made = new Map<number, Handle>();
  let hasEnded = false;

  async function record(handles: readonly Handle[]): Promise<void> {
    if (hasEnded) await device.free(handles);
    else for (const handle of handles) made.set(handle.id, handle);
  }

  async function recorded(making: Promise<Handle>): Promise<Handle> {
    const handle = await making;
    await record([handle]);
    return handle;
  }

  const inner: Device = {
    ...(isPort(device) ? { send: device.send.bind(device), accept: (tensor: WireTensor) => recorded(device.accept(tensor)) } : {}),
    get name() { return device.name; },
    ...(device.keeps16Bit === undefined ? {} : { keeps16Bit: device.keeps16Bit }),
    ...(device.budgetBytes === undefined ? {} : { budgetBytes: device.budgetBytes }),
    get epoch() { return device.epoch; },
    load: (program) => device.load(program),
    read: (handle, rows) => device.read(handle, rows),
    stats: () => device.stats(),
    holds: (held) => device.holds(held),
    close: () => device.close(),
    async run(session, feeds, fetch, options) {
      const outputs = await device.run(session, feeds, fetch, options);
      await record(Object.values(outputs).filter(isHandle));
      return outputs;
    },
    write: (tensor) => recorded(device.write(tensor)),
    async free(held) {
      for (const { kind, id } of held) if (kind === 'handle') made.delete(id);
      await device.free(held);
    },
  };
  return {
    device: inner,
    keep(held) {
      for (const { kind, id, device: name } of held) if (kind === 'handle' && name === device.name) made.delete(id);
    },
    async end() {
      hasEnded = true;
      const rest = [...made.values()];
      made.clear();
      await device.free(rest);
    },
  };
}
