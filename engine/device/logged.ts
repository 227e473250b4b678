// A device that tells of every call: what ran, how long, and (level 3) the statistics of what came out. For DEBUG=2 and 3; knows no command line.
import { isHandle, type Device, type Handle } from './device.ts';
import { isPort, type Port } from './move.ts';
import type { WireTensor } from './protocol.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Level 2: calls. Level 3: also minimum, mean, maximum and count of values that are not finite of each output, which are read back for it. */
export function logged<D extends Device>(device: D, level: number, write: (line: string) => void): D extends Port ? Device & Port : Device;
export function logged(device: Device, level: number, write: (line: string) => void): Device {
  const timed = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await call();
    write(`${device.name} ${what}  ${(performance.now() - start).toFixed(2)} ms`);
    return result;
  };
  return {
    get name() { return device.name; },
    ...(device.budgetBytes === undefined ? {} : { budgetBytes: device.budgetBytes }),
    ...(isPort(device) ? {
      send: (handle: Handle, rows?: number) => timed(`send ${handle.dtype} [${handle.shape.join(', ')}]`, () => device.send(handle, rows)),
      accept: (tensor: WireTensor) => timed(`accept ${tensor.dtype} [${tensor.shape.join(', ')}]`, () => device.accept(tensor)),
    } : {}),
    get epoch() { return device.epoch; },
    load: (program) => timed(`load ${program.name} (${program.bytes.length} bytes)`, () => device.load(program)),
    async run(session, feeds, fetch, options) {
      const result = await timed(`run ${session.program}`, () => device.run(session, feeds, fetch, options));
      if (level >= 3) for (const [name, value] of Object.entries(result)) write(`  ${name} ${await describe(device, value)}`);
      return result;
    },
    write: (tensor) => timed(`write ${tensor.dtype} [${tensor.shape.join(', ')}]`, () => device.write(tensor)),
    read: (handle, rows) => timed(`read ${handle.dtype} [${handle.shape.join(', ')}]`, () => device.read(handle, rows)),
    free: (held) => device.free(held),
    stats: () => device.stats(),
    holds: (held) => device.holds(held),
    close: () => device.close(),
  };
}

async function describe(device: Device, value: Handle | Tensor): Promise<string> {
  const { dtype, shape, data } = isHandle(value) ? await device.read(value) : value;
  let [low, high, sum, odd] = [Infinity, -Infinity, 0, 0];
  for (const element of data) {
    const x = Number(element);
    if (!Number.isFinite(x)) { odd++; continue; }
    low = Math.min(low, x);
    high = Math.max(high, x);
    sum += x;
  }
  const count = data.length - odd;
  const figures = count === 0 ? 'empty' : `min ${low.toPrecision(4)} mean ${(sum / count).toPrecision(4)} max ${high.toPrecision(4)}`;
  return `${dtype} [${shape.join(', ')}] ${figures}${odd === 0 ? '' : `, ${odd} not finite`}`;
}
