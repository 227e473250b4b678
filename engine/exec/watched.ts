// A device that tells of bulk data crossing between it and the host or another device. Changes nothing of what the device does.
import type { Device, Fetch, Handle } from '../device/device.ts';
import { isPort, type Port } from '../device/move.ts';
import { bytesOf, type Tensor } from '../tensor/tensor.ts';

/** Less than this rides along in messages and is not worth an event. */
const bulkBytes = 64 * 1024;
const host = 'host';

/** Which device a tensor on its way between devices came from. */
const senders = new WeakMap<object, string>();

/** The device; `tell` hears of 64 KB and more, with device names or `host`. */
export function watched(device: Device, tell: (bytes: number, from: string, to: string) => void): Device {
  const crossed = (bytes: number, from: string, to: string) => {
    if (bytes >= bulkBytes) tell(bytes, from, to);
  };
  const over: Partial<Device & Port> = {
    async read(handle, rows) {
      const tensor = await device.read(handle, rows);
      crossed(bytesOf(tensor), device.name, host);
      return tensor;
    },
    async write(tensor) {
      const handle = await device.write(tensor);
      if ('data' in tensor) crossed(bytesOf(tensor), host, device.name);
      return handle;
    },
    async run(session, feeds, fetch: Readonly<Record<string, Fetch>>, options) {
      const outputs = await device.run(session, feeds, fetch, options);
      let fed = 0;
      for (const name in feeds) if (!('handle' in feeds[name]!)) fed += bytesOf(feeds[name] as Tensor);
      crossed(fed, host, device.name);
      let fetched = 0;
      for (const name in outputs) if (fetch[name] === 'tensor') fetched += bytesOf(outputs[name] as Tensor | Handle);
      crossed(fetched, device.name, host);
      return outputs;
    },
    ...(isPort(device) ? portOf(device, crossed) : {}),
  };
  return Object.assign(Object.create(device) as Device, over);
}

function portOf(device: Device & Port, crossed: (bytes: number, from: string, to: string) => void): Port {
  return {
    async send(handle, rows) {
      const tensor = await device.send(handle, rows);
      senders.set(tensor, device.name);
      return tensor;
    },
    async accept(tensor) {
      const handle = await device.accept(tensor);
      crossed(bytesOf(handle), senders.get(tensor) ?? host, device.name);
      return handle;
    },
  };
}
