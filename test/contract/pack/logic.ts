// Whole numbers, comparisons and truth.
import { defineNode } from 'bagelgraph/graph/node';
import { ANY, BOOLEAN, COMBO, FLOAT, INT, STRING } from 'bagelgraph/graph/types';

const category = 'Testing/Logic';
const limit = 2 ** 64;
const whole = { type: INT, default: 0n, min: -limit, max: limit, step: 1 } as const;

const integerOperations: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: floorDivide,
  modulo: (a, b) => a - floorDivide(a, b) * b,
  power: (a, b) => a ** b,
};

/** Rounds down, also below zero. */
function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return quotient * b !== a && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

const TestIntMathOperation = defineNode({
  type: 'TestIntMathOperation', title: 'Int Math Operation', category,
  inputs: { a: whole, b: whole, operation: { type: COMBO, choices: Object.keys(integerOperations) } },
  outputs: [{ name: 'INT', type: INT }],
  run({ a, b, operation }) {
    const result = integerOperations[operation]!(BigInt(a), BigInt(b));
    const small = Number(result);
    return [Number.isSafeInteger(small) ? small : result as unknown as number];
  },
});

type Comparable = number | bigint;
const comparisons: Readonly<Record<string, (a: Comparable, b: Comparable) => boolean>> = {
  '==': (a, b) => !(a < b) && !(a > b),
  '!=': (a, b) => a < b || a > b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
};
const comparison = { type: COMBO, choices: Object.keys(comparisons) } as const;
const outputs = [{ name: 'BOOLEAN', type: BOOLEAN }] as const;

const TestIntConditions = defineNode({
  type: 'TestIntConditions', title: 'Int Conditions', category,
  inputs: { a: whole, b: whole, operation: comparison }, outputs,
  run: ({ a, b, operation }) => [comparisons[operation]!(a, b)],
});

const real = { type: FLOAT, default: 0, min: -1e38, max: 1e38, step: 0.01 } as const;

const TestFloatConditions = defineNode({
  type: 'TestFloatConditions', title: 'Float Conditions', category,
  inputs: { a: real, b: real, operation: comparison }, outputs,
  run: ({ a, b, operation }) => [comparisons[operation]!(a, b)],
});

const textConditions: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  'a == b': (a, b) => a === b,
  'a != b': (a, b) => a !== b,
  'a IN b': (a, b) => b.includes(a),
  'a MATCH REGEX(b)': matches,
  'a BEGINSWITH b': (a, b) => a.startsWith(b),
  'a ENDSWITH b': (a, b) => a.endsWith(b),
};

/** From the start of the text; a pattern that is none matches nothing. */
function matches(text: string, pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})`).test(text);
  } catch {
    return false;
  }
}

const TestStringConditions = defineNode({
  type: 'TestStringConditions', title: 'String Conditions', category,
  inputs: {
    a: { type: STRING }, b: { type: STRING },
    operation: { type: COMBO, choices: Object.keys(textConditions) },
    case_sensitive: { type: BOOLEAN, default: true },
  },
  outputs,
  run({ a, b, operation, case_sensitive: isCaseSensitive }) {
    return [isCaseSensitive ? textConditions[operation]!(a, b) : textConditions[operation]!(a.toLowerCase(), b.toLowerCase())];
  },
});

const TestToBoolNode = defineNode({
  type: 'TestToBoolNode', title: 'To Bool', category,
  inputs: { value: { type: ANY }, invert: { type: BOOLEAN, default: false, optional: true } }, outputs,
  run: ({ value, invert }) => [isTrue(value) !== (invert ?? false)],
});

/** Pictures and masks: any value but zero. */
function isTrue(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value);
  if ('data' in value && value.data instanceof Float32Array) return value.data.some((v) => v !== 0);
  if (Array.isArray(value)) return value.length > 0;
  return value instanceof Map ? value.size > 0 : Object.keys(value).length > 0;
}

const truthOperations: Readonly<Record<string, (a: boolean, b: boolean) => boolean>> = {
  'a AND b': (a, b) => a && b,
  'a OR b': (a, b) => a || b,
  'a XOR b': (a, b) => a !== b,
  'NOT a': (a) => !a,
};

const TestBoolOperationNode = defineNode({
  type: 'TestBoolOperationNode', title: 'Bool Operation', category,
  inputs: { a: { type: BOOLEAN }, b: { type: BOOLEAN }, op: { type: COMBO, choices: Object.keys(truthOperations) } }, outputs,
  run: ({ a, b, op }) => [truthOperations[op]!(a, b)],
});

export const logic = [TestIntMathOperation, TestIntConditions, TestFloatConditions, TestStringConditions, TestToBoolNode, TestBoolOperationNode];
