// Chooses the next token from logits on the host: repetition penalty, temperature, top-k, top-p, in that order, then one draw.
// Pure functions over numbers. Works on the largest logits alone and says when the others could change the result.
// Source: bagel.py: generate_text (softmax of logits / temperature); filters as in Hugging Face's generation.

export interface SamplingOptions {
  /** 0 = the most likely token. Default 1. */
  readonly temperature?: number;
  /** Keep that many of the most likely tokens; 0 (default) = all. */
  readonly topK?: number;
  /** Keep the most likely tokens until their probabilities reach it; 1 (default) = all. */
  readonly topP?: number;
  /** Above 1: tokens seen before become less likely. Default 1. */
  readonly repetitionPenalty?: number;
}

/** Logits with their token ids. */
export interface Logits {
  readonly logits: ArrayLike<number>;
  readonly ids: ArrayLike<number>;
  /** log Σ exp over all logits of the vocabulary, where only the largest are given. Absent: these are all of them. */
  readonly logSumExp?: number;
  /** Tokens in the vocabulary; narrows what the others can weigh. */
  readonly vocab?: number;
}

interface Candidate {
  readonly id: number;
  readonly logit: number;
}

/** Probability that may be left out unnoticed. */
const negligible = 1e-6;
/** Rounding of a float32 log-sum-exp, as a part of the sum. */
const roundingOfSum = 2 ** -22;

/**
 * The next token's id. `seen` are the tokens a repetition penalty counts, `draw` is uniform in [0, 1).
 * Undefined when logits that were not given could change the result: call again with all of them and the same draw.
 */
export function sampleToken(given: Logits, options: SamplingOptions, seen: readonly number[], draw: number): number | undefined {
  const { temperature = 1, topK = 0, topP = 1, repetitionPenalty = 1 } = options;
  checkOptions(temperature, topK, topP, repetitionPenalty);
  const isComplete = given.logSumExp === undefined;
  if (!isComplete && repetitionPenalty < 1 && seen.length > 0) return undefined; // tokens that were not given rise
  const candidates = penalize(given, seen, repetitionPenalty);
  const cutoff = isComplete ? -Infinity : minimum(given.logits); // no other logit is larger
  const sorted = candidates.sort((a, b) => b.logit - a.logit || a.id - b.id);
  const first = sorted[0];
  if (first === undefined) throw new RangeError('sampleToken: no logits were given');
  if (temperature === 0 || topK === 1) return first.logit >= cutoff ? first.id : undefined;
  if (topK > 0 && topK < (given.vocab ?? Infinity)) {
    const last = sorted[topK - 1];
    if (!isComplete && (last === undefined || last.logit < cutoff)) return undefined;
    return drawFrom(sorted.slice(0, topK), 0, temperature, topP, draw);
  }
  const rest = isComplete ? 0 : weightOfRest(given, cutoff, first.logit, temperature);
  return drawFrom(sorted, rest, temperature, topP, draw, cutoff);
}

function checkOptions(temperature: number, topK: number, topP: number, repetitionPenalty: number): void {
  if (!(temperature >= 0 && temperature < Infinity)) throw new RangeError(`temperature is ${temperature}, expected 0 or more`);
  if (!(topK >= 0)) throw new RangeError(`top-k is ${topK}, expected 0 (off) or more`);
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`top-p is ${topP}, expected a number above 0 up to 1 (off)`);
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity)) throw new RangeError(`repetition penalty is ${repetitionPenalty}, expected a number above 0 (1 = off)`);
}

/** The given logits, those of seen tokens divided (or multiplied, below zero) by the penalty. */
function penalize({ logits, ids }: Logits, seen: readonly number[], penalty: number): Candidate[] {
  const known = new Set(penalty === 1 ? [] : seen);
  return Array.from({ length: logits.length }, (_, i) => {
    const id = ids[i]!;
    const logit = logits[i]!;
    return { id, logit: known.has(id) ? (logit < 0 ? logit * penalty : logit / penalty) : logit };
  });
}

function minimum(values: ArrayLike<number>): number {
  let least = Infinity;
  for (let i = 0; i < values.length; i++) least = Math.min(least, values[i]!);
  return least;
}

/** An upper bound of Σ exp((logit − largest) / temperature) over the logits that were not given. */
function weightOfRest({ logits, logSumExp = 0, vocab = Infinity }: Logits, cutoff: number, largest: number, temperature: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - logSumExp);
  const left = Math.max(0, 1 - sum) + roundingOfSum * Math.max(1, Math.abs(logSumExp)); // of exp(logSumExp)
  const others = Math.log(Math.max(0, vocab - logits.length));
  const most = others + (cutoff - largest) / temperature;
  // Below 1 every term shrinks by exp(logit · (1 / T − 1)) at least as much as the cutoff does; above 1 a root is concave.
  const bound = temperature <= 1
    ? Math.log(left) + logSumExp + cutoff * (1 / temperature - 1) - largest / temperature
    : others * (1 - 1 / temperature) + (Math.log(left) + logSumExp - largest) / temperature;
  return Math.exp(Math.min(most, bound));
}

/** Draws from candidates, largest first. `rest` bounds the weight of those not given, none of which has a logit above `cutoff`. */
function drawFrom(sorted: readonly Candidate[], rest: number, temperature: number, topP: number, draw: number, cutoff = -Infinity): number | undefined {
  const largest = sorted[0]!.logit;
  const weights = sorted.map(({ logit }) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const isNegligible = rest <= negligible * total;
  if (topP === 1) return isNegligible ? pick(sorted, weights, total, draw) : undefined;
  const kept = countReaching(weights, topP * total);
  const keptAtMost = isNegligible ? kept : countReaching(weights, topP * (total + rest));
  if (kept !== keptAtMost || kept > sorted.length || sorted[kept - 1]!.logit < cutoff) return undefined;
  const nucleus = weights.slice(0, kept);
  return pick(sorted, nucleus, nucleus.reduce((sum, weight) => sum + weight, 0), draw);
}

/** How many of the first weights it takes to reach `wanted`; one more than there are when they do not. */
function countReaching(weights: readonly number[], wanted: number): number {
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    if (sum >= wanted) return i + 1;
  }
  return weights.length + (wanted > sum * (1 + 1e-12) ? 1 : 0);
}

function pick(sorted: readonly Candidate[], weights: readonly number[], total: number, draw: number): number {
  let left = draw * total;
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return sorted[i]!.id;
  }
  return sorted[weights.length - 1]!.id;
}
