// Seeds as ComfyUI-BAGEL has them: 0 is a random one. What was drawn is told, and recorded as the seed of the run.
import { randomInt } from 'node:crypto';
import { wholeNumber } from '../../engine/graph/coerce.ts';
import { volatile, type InputSpec, type NodeContext, type Type, type Volatile } from '../../engine/graph/node.ts';

/** No SEED: the run records the seed that the nodes made from it get, which 0 is not. */
const SEED_OR_RANDOM: Type<number | bigint> = { name: 'INT' };

/** Editors offer the declared range; larger ones that saved workflows have (493218878032302) run all the same. */
export const seedInput = {
  type: SEED_OR_RANDOM, default: 0n, min: 0, coerce: wholeNumber, ui: { max: 1000000n, tooltip: 'Random seed, 0 for random' },
} as const satisfies InputSpec<number | bigint>;

/** A drawn seed makes another result each time. */
export function seedFingerprint({ seed }: Readonly<Record<string, unknown>>): null | Volatile {
  return seed === 0n ? volatile : null;
}

/** The seed, or one of 32 bits that is drawn now in place of 0. */
export function seedFor(seed: number | bigint, context: Pick<NodeContext, 'notice'>): bigint {
  const given = BigInt(seed);
  if (given !== 0n) return given;
  const drawn = drawSeed();
  context.notice(`seed 0 means a random one: ${drawn} is used`);
  return drawn;
}

export function drawSeed(): bigint {
  return BigInt(randomInt(1, 2 ** 32));
}
