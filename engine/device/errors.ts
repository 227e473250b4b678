// What can go wrong between host and device, each with a class of its own so that callers can tell loss and abort from a mistake.
import type { Shape } from '../tensor/tensor.ts';

/** A call that a device refused or that failed on it. The message names device and program. */
export class DeviceError extends Error {
  override readonly name: string = 'DeviceError';
}

/** A call was refused because it would pass the device's budget; nothing was done. */
export class OutOfBudgetError extends DeviceError {
  override readonly name = 'OutOfBudgetError';
  readonly device: string;

  constructor(device: string, message: string) {
    super(message);
    this.device = device;
  }
}

/** The worker ended while the call was waiting. Everything it held is gone; it restarts at next use. */
export class DeviceLostError extends DeviceError {
  override readonly name = 'DeviceLostError';
  readonly device: string;
  readonly epoch: number;

  constructor(device: string, epoch: number, message: string) {
    super(message);
    this.device = device;
    this.epoch = epoch;
  }
}

/** The caller's signal was aborted; `cause` is its reason. */
export class AbortError extends Error {
  override readonly name = 'AbortError';
  readonly code = 'ABORT_ERR';

  constructor(what: string, signal: AbortSignal) {
    super(`${what} was cancelled`, { cause: signal.reason });
  }
}

export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Bytes for a person: `1.5 GB`. */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} bytes`;
}
