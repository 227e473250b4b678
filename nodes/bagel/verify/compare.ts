// How far a computed tensor may be from its golden one: the one table of tolerances, and the comparison.
import { sizeOf, type Tensor } from '../../../engine/tensor/tensor.ts';

/** Kinds of comparison. `limit` is of the golden tensor's standard deviation unless the kind says otherwise. */
export const tolerances = {
  /** Bytes or ids: equal. */
  exact: 0,
  /** Parts, contexts and the first velocity: max |Δ| of the standard deviation. */
  part: 2e-3,
  /** After many steps: last velocity and latent. */
  trajectory: 1e-2,
  /** Random numbers: max |Δ|. */
  noise: 1e-6,
  /** Pictures: share of values that may be off by more than 2 of 255. */
  picture: 1e-3,
} as const;
export type Tolerance = keyof typeof tolerances;

export interface Verdict {
  readonly key: string;
  readonly tolerance: Tolerance;
  /** In the tolerance's own unit. */
  readonly error: number;
  readonly limit: number;
  readonly passed: boolean;
  /** Why it could not be compared. */
  readonly reason?: string;
}

/** Compares by the tolerance's rule. Different shapes fail with the reason. */
export function compare(key: string, expected: Tensor, given: Tensor, tolerance: Tolerance): Verdict {
  const limit = tolerances[tolerance];
  if (sizeOf(expected.shape) !== sizeOf(given.shape)) {
    return { key, tolerance, error: Infinity, limit, passed: false, reason: `shape [${given.shape.join(', ')}], expected [${expected.shape.join(', ')}]` };
  }
  const error = measure(expected.data, given.data, tolerance);
  return { key, tolerance, error, limit, passed: error <= limit };
}

type Numbers = ArrayLike<number | bigint>;

function measure(expected: Numbers, given: Numbers, tolerance: Tolerance): number {
  const difference = (i: number) => {
    const delta = Math.abs(Number(given[i]) - Number(expected[i]));
    return Number.isNaN(delta) ? Infinity : delta;
  };
  let largest = 0;
  let off = 0;
  for (let i = 0; i < expected.length; i++) {
    const delta = difference(i);
    if (delta > largest) largest = delta;
    if (delta > 2) off++;
  }
  if (tolerance === 'picture') return expected.length === 0 ? 0 : off / expected.length;
  return tolerance === 'part' || tolerance === 'trajectory' ? largest / standardDeviation(expected) : largest;
}

function standardDeviation(values: Numbers): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number(values[i]);
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (Number(values[i]) - mean) ** 2;
  return Math.sqrt(squares / values.length) || 1;
}
