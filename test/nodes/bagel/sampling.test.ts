// Choosing tokens: each filter against numbers worked out by hand, frequencies against probabilities, and the largest logits alone against all of them.
import { describe, expect, test } from 'vitest';
import { Generator } from '../../../engine/tensor/random.ts';
import { sampleToken, type Logits, type SamplingOptions } from '../../../nodes/bagel/sampling.ts';

const all = (logits: readonly number[]): Logits => ({ logits, ids: logits.map((_, id) => id) });

/** The `count` largest of them, as the head's top part gives them. */
function top(logits: readonly number[], count: number): Logits {
  const ids = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]!).slice(0, count);
  const logSumExp = Math.fround(Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)));
  return { logits: ids.map((id) => logits[id]!), ids, logSumExp, vocab: logits.length };
}

/** Which tokens can be drawn at all. */
function reachable(given: Logits, options: SamplingOptions, seen: readonly number[] = []): number[] {
  const found = new Set(Array.from({ length: 1000 }, (_, i) => sampleToken(given, options, seen, i / 1000)!));
  return [...found].sort((a, b) => a - b);
}

const logits = [Math.log(0.1), Math.log(0.5), Math.log(0.15), Math.log(0.25)];

test('temperature 0 and top-k 1 take the largest', () => {
  for (const draw of [0, 0.5, 0.999]) {
    expect(sampleToken(all(logits), { temperature: 0 }, [], draw)).toBe(1);
    expect(sampleToken(all(logits), { topK: 1 }, [], draw)).toBe(1);
  }
});

test('draws walk down from the most likely token', () => {
  const at = (draw: number, options: SamplingOptions = {}) => sampleToken(all(logits), options, [], draw);
  expect([0, 0.49, 0.51, 0.74, 0.76, 0.89, 0.91, 0.999999].map((draw) => at(draw))).toEqual([1, 1, 3, 3, 2, 2, 0, 0]);
  // At temperature 0.5 probabilities are squared: 0.25, 0.0625, 0.0225, 0.01 of 0.345.
  expect([0.72, 0.73, 0.9, 0.91, 0.97, 0.98].map((draw) => at(draw, { temperature: 0.5 }))).toEqual([1, 3, 3, 2, 2, 0]);
});

test('frequencies are the softmax of logits / temperature', () => {
  const random = new Generator(7);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) counts[sampleToken(all(logits), { temperature: 2 }, [], random.random())!]!++;
  const weights = logits.map((logit) => Math.exp(logit / 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  counts.forEach((count, id) => expect(count / 20_000).toBeCloseTo(weights[id]! / total, 1.7));
});

describe('filters', () => {
  test('top-k', () => expect(reachable(all(logits), { topK: 2 })).toEqual([1, 3]));
  test('top-k beyond the vocabulary is all', () => expect(reachable(all(logits), { topK: 9 })).toEqual([0, 1, 2, 3]));
  test('top-p keeps what it takes to reach it', () => {
    expect(reachable(all(logits), { topP: 0.4 })).toEqual([1]);
    expect(reachable(all(logits), { topP: 0.6 })).toEqual([1, 3]);
    expect(reachable(all(logits), { topP: 0.8 })).toEqual([1, 2, 3]);
    expect(reachable(all(logits), { topP: 0.95 })).toEqual([0, 1, 2, 3]);
  });
  test('top-p counts what top-k left', () => expect(reachable(all(logits), { topK: 2, topP: 0.6 })).toEqual([1]));
  test('repetition penalty divides above zero and multiplies below', () => {
    expect(sampleToken(all([2, 3, -1]), { temperature: 0, repetitionPenalty: 2 }, [1], 0)).toBe(0);
    expect(sampleToken(all([-2, -1.5]), { temperature: 0, repetitionPenalty: 2 }, [1], 0)).toBe(0);
    expect(sampleToken(all([2, 3]), { temperature: 0, repetitionPenalty: 1.2 }, [1, 1, 1], 0)).toBe(1); // once, however often it was seen
  });
});

describe('the largest logits alone', () => {
  const random = new Generator(3);
  /** 2,000 logits like a language model's: a few that matter and a long tail. */
  const peaked = Array.from({ length: 2000 }, (_, id) => (id % 97 === 0 ? 6 : 0) + 4 * (random.random() - 0.5));
  const flat = peaked.map((logit) => logit / 10);

  test('give what all give wherever they give anything', () => {
    const options: SamplingOptions[] = [
      {}, { temperature: 0.1 }, { temperature: 0.3 }, { temperature: 0.7 }, { temperature: 1.5 }, { topK: 50 }, { topK: 200, temperature: 2 }, { topK: 300 }, { topP: 0.5 }, { topP: 0.9 },
      { topP: 0.9, temperature: 0.5 }, { topP: 0.5, temperature: 1.3 }, { repetitionPenalty: 1.3, temperature: 0.3 }, { repetitionPenalty: 3, topK: 5 }, { repetitionPenalty: 0.5, topK: 5 }, { temperature: 0, repetitionPenalty: 1.1 },
    ];
    let answered = 0;
    for (const source of [peaked, flat]) {
      for (const option of options) {
        for (let i = 0; i < 40; i++) {
          const seen = Array.from({ length: 60 }, () => Math.floor(random.random() * 2000));
          const draw = random.random();
          const chosen = sampleToken(top(source, 256), option, seen, draw);
          if (chosen === undefined) continue;
          answered++;
          expect(chosen, JSON.stringify(option)).toBe(sampleToken(all(source), option, seen, draw));
        }
      }
    }
    expect(answered).toBeGreaterThan(400);
  });

  test('ask for all where the rest matters', () => {
    const ask = (source: readonly number[], options: SamplingOptions, seen: readonly number[] = []) => sampleToken(top(source, 256), options, seen, 0.5);
    expect(ask(flat, { temperature: 1 })).toBeUndefined();
    expect(ask(peaked, { temperature: 1 })).toBeUndefined(); // the tail holds more than a millionth
    expect(ask(peaked, { temperature: 0.2 })).toBeTypeOf('number');
    expect(ask(flat, { topK: 300 })).toBeUndefined();
    expect(ask(flat, { topP: 0.99 })).toBeUndefined();
    expect(ask(peaked, { topP: 0.3 })).toBeTypeOf('number');
    expect(ask(flat, { temperature: 0, repetitionPenalty: 0.9 }, [1])).toBeUndefined();
    const seenAll = top(peaked, 256).ids as number[];
    expect(ask(peaked, { temperature: 0, repetitionPenalty: 50 }, seenAll)).toBeUndefined(); // one that was not given is the largest now
  });

  test('are enough when they are the whole vocabulary', () => {
    for (const temperature of [0.3, 1, 3]) expect(sampleToken(top(logits, 4), { temperature }, [], 0.95)).toBe(sampleToken(all(logits), { temperature }, [], 0.95));
  });
});

test('options out of range are refused', () => {
  expect(() => sampleToken(all(logits), { temperature: -1 }, [], 0)).toThrow('temperature is -1, expected 0 or more');
  expect(() => sampleToken(all(logits), { topP: 0 }, [], 0)).toThrow('top-p is 0');
  expect(() => sampleToken(all(logits), { topK: -2 }, [], 0)).toThrow('top-k is -2');
  expect(() => sampleToken(all(logits), { repetitionPenalty: 0 }, [], 0)).toThrow('repetition penalty is 0');
  expect(() => sampleToken(all([]), {}, [], 0)).toThrow('no logits were given');
});
