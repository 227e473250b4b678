// The six verbs handed on as they are: what a device that changes one of them is made from. Knows nothing of what is changed.
import type { Device } from './device.ts';
import type { Port } from './move.ts';

/** A new object; what it says of the device's limits is what `device` says now. */
export function forward(device: Device & Port): Device & Port {
  return {
    name: device.name,
    ...(device.budgetBytes === undefined ? {} : { budgetBytes: device.budgetBytes }),
    ...(device.keeps16Bit === undefined ? {} : { keeps16Bit: device.keeps16Bit }),
    get epoch() { return device.epoch; },
    load: (program) => device.load(program),
    run: (...call) => device.run(...call),
    write: (tensor) => device.write(tensor),
    read: (...call) => device.read(...call),
    free: (held) => device.free(held),
    stats: () => device.stats(),
    holds: (held) => device.holds(held),
    send: (...call) => device.send(...call),
    accept: (tensor) => device.accept(tensor),
    close: () => device.close(),
  };
}
