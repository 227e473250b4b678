// The link types that every pack shares, and shorthands for inputs of them. Packs add their own types.
import type { InputSpec, Image, Type } from './node.ts';

export const INT: Type<number> = { name: 'INT' };
export const FLOAT: Type<number> = { name: 'FLOAT' };
export const STRING: Type<string> = { name: 'STRING' };
export const BOOLEAN: Type<boolean> = { name: 'BOOLEAN' };
/** A choice from a list. */
export const COMBO: Type<string> = { name: 'COMBO' };
/** float32 [batch, height, width, 3 or 4] in 0…1. */
export const IMAGE: Type<Image> = { name: 'IMAGE' };
/** float32 [batch, height, width] in 0…1; 1 = masked. */
export interface Mask { readonly width: number; readonly height: number; readonly batch: number; readonly data: Float32Array }
export const MASK: Type<Mask> = { name: 'MASK' };
export const ANY: Type<unknown> = { name: '*', any: true };
/** A 64-bit seed; exact beyond 2^53. */
export const SEED: Type<bigint> = { name: 'INT' };

export type Options<T> = Omit<InputSpec<T>, 'type'>;
