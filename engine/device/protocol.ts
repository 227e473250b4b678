// The messages between host and worker: one per call of Device, answered in order. Handles travel as numbers that the host gives out;
// inputs and outputs as indices into the names that the answer to `load` gave. Knows no process and no runtime.
import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/tensor.ts';
import type { ProgramOptions } from './device.ts';
import type { Payload } from './staging.ts';

export interface WireTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: Payload;
}

export interface LoadCall { readonly call: 'load'; readonly session: number; readonly program: string; readonly bytes: Payload; readonly options: ProgramOptions }
/** A run may name hundreds of feeds, so those that are handles ride in one array. */
export interface RunCall {
  readonly call: 'run';
  readonly session: number;
  /** Triples: input index, handle, rows or `allRows`. */
  readonly handles: Uint32Array;
  /** Input index and tensor. */
  readonly tensors: readonly (readonly [number, WireTensor])[];
  /** Quadruples: output index, one of `fetchAs`, handle (0 for a tensor), row. */
  readonly fetch: Uint32Array;
}
export interface WriteCall { readonly call: 'write'; readonly handle: number; readonly dtype: DType; readonly shape: Shape; readonly data?: Payload }
export interface ReadCall { readonly call: 'read'; readonly handle: number; readonly rows?: number }
/** Does nothing but bring what is freed, when no other call follows. */
export interface FreeCall { readonly call: 'free' }

export type Call = LoadCall | RunCall | WriteCall | ReadCall | FreeCall;
/** Handles and sessions that nobody uses any more. They ride with the next call and are gone before it is worked, even where it is cancelled. */
export interface Freed { readonly handles: readonly number[]; readonly sessions: readonly number[] }
export type SentCall = Call & { readonly id: number; readonly freed?: Freed };
export type FromHost = SentCall | { readonly call: 'cancel'; readonly id: number };

/** An input or output of a program; a side that is known only at run time has a name. */
export interface Edge { readonly name: string; readonly dtype: DType; readonly dims: readonly (number | string)[] }
/** The answer to each call; of a run one entry per fetch, in its order: a tensor, the form of a new handle, or null for rows copied. */
export interface Answers {
  readonly load: { readonly inputs: readonly Edge[]; readonly outputs: readonly Edge[] };
  readonly run: readonly (WireTensor | { readonly dtype: DType; readonly shape: Shape; readonly data?: undefined } | null)[];
  readonly write: null;
  readonly read: WireTensor;
  readonly free: null;
}
export type FromWorker =
  | { readonly ready: true }
  | { readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly id: number; readonly error: string; readonly cancelled?: true };

export const fetchAs = { handle: 0, tensor: 1, into: 2 } as const;
export const allRows = 0xffffffff;
