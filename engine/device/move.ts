// Copies a tensor from one device to another. Between worker processes the data goes through shared memory without entering the host.
import { bytesOf } from '../tensor/tensor.ts';
import type { Device, Handle } from './device.ts';
import type { WireTensor } from './protocol.ts';

/** A device whose tensors can travel as wire tensors (process.ts). */
export interface Port {
  send(handle: Handle, rows?: number): Promise<WireTensor>;
  accept(tensor: WireTensor): Promise<Handle>;
}

/** Copies the handle, or its first `rows` rows, to `to`. The source stays as it is; `bytes` is what was copied. */
export async function move(handle: Handle, from: Device, to: Device, rows?: number): Promise<{ readonly handle: Handle; readonly bytes: number }> {
  const arrive = await depart(handle, from, to, rows);
  const moved = await arrive();
  return { handle: moved, bytes: bytesOf(moved) };
}

/** The first half of a move: the source is free for other work from now on, whenever the target takes the copy. What departed must arrive. */
export async function depart(handle: Handle, from: Device, to: Device, rows?: number): Promise<() => Promise<Handle>> {
  if (isPort(from) && isPort(to)) {
    const sent = await from.send(handle, rows);
    return () => to.accept(sent);
  }
  const tensor = await from.read(handle, rows);
  return () => to.write(tensor);
}

export function isPort(device: Device): device is Device & Port {
  return 'send' in device && 'accept' in device;
}
