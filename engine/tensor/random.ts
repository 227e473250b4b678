// A seeded random stream that draws what torch's CPU generator draws, so that a seed gives the reference's noise.
// Knows numbers only. Source: torch aten CPUGeneratorImpl, MT19937RNGEngine, DistributionTemplates (described, not copied).
import { float32, sizeOf, type Shape, type Tensor } from './tensor.ts';

const stateLength = 624;
const middle = 397;
const twoPi = 2 * Math.PI;
const twoPiFloat32 = Math.fround(twoPi);

/**
 * A stream of random numbers equal to torch's after `torch.manual_seed(seed)`. Draws continue one another.
 * Only the low 32 bits of the seed count, as in torch.
 */
export class Generator {
  readonly #state = new Uint32Array(stateLength);
  #next = stateLength;
  /** The second value of the last scalar Box-Muller pair. Drawn first by the next scalar call, left alone by long draws. */
  #spareNormal: number | undefined;

  constructor(seed: bigint | number) {
    if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
      throw new RangeError(`Generator: the seed must be a whole number, got ${seed}; give a bigint beyond 2^53`);
    }
    const state = this.#state;
    state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < stateLength; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Standard normal float32 values, as `torch.randn(shape)`. */
  randn(shape: Shape): Tensor {
    const values = new Float32Array(sizeOf(shape));
    if (values.length < 16) {
      for (let i = 0; i < values.length; i++) values[i] = this.#normal();
    } else {
      this.#fillNormal(values);
    }
    return float32(shape, values);
  }

  /** Uniform float32 values in [0, 1), as `torch.rand(shape)`. */
  uniform(shape: Shape): Tensor {
    const values = new Float32Array(sizeOf(shape));
    this.#fillUniform(values);
    return float32(shape, values);
  }

  /** One uniform double in [0, 1) with 53 random bits, as `torch.rand((), dtype=torch.float64)`. */
  random(): number {
    const high = this.#word();
    const low = this.#word();
    return ((high & 0x1fffff) * 2 ** 32 + low) * 2 ** -53;
  }

  /** The next 32 bits of mt19937. */
  #word(): number {
    if (this.#next === stateLength) this.#refill();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < stateLength; i++) {
      const following = state[(i + 1) % stateLength]!;
      const joined = (state[i]! & 0x80000000) | (following & 0x7fffffff);
      state[i] = state[(i + middle) % stateLength]! ^ (joined >>> 1) ^ (following & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  #fillUniform(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) values[i] = (this.#word() & 0xffffff) * 2 ** -24;
  }

  /** torch's path for fewer than 16 values: Box-Muller in double, one pair at a time. */
  #normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const u1 = this.random();
    const u2 = this.random();
    const radius = Math.sqrt(-2 * Math.log1p(-u2));
    const theta = twoPi * u1;
    this.#spareNormal = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }

  /** torch's path for 16 values and more: uniforms for all, then Box-Muller in place over blocks of 16. */
  #fillNormal(values: Float32Array): void {
    this.#fillUniform(values);
    for (let start = 0; start + 16 <= values.length; start += 16) boxMuller16(values, start);
    if (values.length % 16 === 0) return;
    // The odd end is not filled up: the last 16 values are drawn anew.
    const tail = values.subarray(values.length - 16);
    this.#fillUniform(tail);
    boxMuller16(tail, 0);
  }
}

/** Turns 16 uniforms into normals: value j pairs with value j + 8. Rounded to float32 where torch's vector code rounds. */
function boxMuller16(values: Float32Array, start: number): void {
  const { fround } = Math;
  for (let j = start; j < start + 8; j++) {
    const radius = fround(Math.sqrt(fround(-2 * fround(Math.log(1 - values[j]!)))));
    const theta = fround(twoPiFloat32 * values[j + 8]!);
    values[j] = radius * fround(Math.cos(theta));
    values[j + 8] = radius * fround(Math.sin(theta));
  }
}
