// Nodes that hold one constant. Class and input names, and results, are ComfyUI's.
import { defineNode, type Type } from '../../engine/graph/node.ts';
import type { Literal } from '../../engine/graph/graph.ts';
import { BOOLEAN, FLOAT, STRING } from '../../engine/graph/types.ts';

const category = 'utils/primitive';
const largest = 2n ** 63n - 1n;

/** A number where that is exact, else a bigint: seeds beyond 2^53 pass through unharmed. */
const WHOLE: Type<number | bigint> = { name: 'INT' };

export const PrimitiveInt = defineNode({
  type: 'PrimitiveInt',
  title: 'Int',
  category,
  inputs: {
    value: { type: WHOLE, min: -(2 ** 63), max: 2 ** 63, coerce: wholeNumber, ui: { min: -largest, max: largest, control_after_generate: true } },
  },
  outputs: [{ name: 'INT', type: WHOLE }],
  run: ({ value }) => [value],
});

export const PrimitiveFloat = defineNode({
  type: 'PrimitiveFloat',
  title: 'Float',
  category,
  inputs: { value: { type: FLOAT, min: -(2 ** 63), max: 2 ** 63, ui: { min: -largest, max: largest } } },
  outputs: [{ name: 'FLOAT', type: FLOAT }],
  run: ({ value }) => [value],
});

export const PrimitiveString = defineNode({
  type: 'PrimitiveString',
  title: 'String',
  category,
  inputs: { value: { type: STRING, ui: { multiline: false } } },
  outputs: [{ name: 'STRING', type: STRING }],
  run: ({ value }) => [value],
});

export const PrimitiveStringMultiline = defineNode({
  type: 'PrimitiveStringMultiline',
  title: 'String (Multiline)',
  category,
  inputs: { value: { type: STRING, ui: { multiline: true } } },
  outputs: [{ name: 'STRING', type: STRING }],
  run: ({ value }) => [value],
});

export const PrimitiveBoolean = defineNode({
  type: 'PrimitiveBoolean',
  title: 'Boolean',
  category,
  inputs: { value: { type: BOOLEAN } },
  outputs: [{ name: 'BOOLEAN', type: BOOLEAN }],
  run: ({ value }) => [value],
});

/** Python's int(): truncates, reads text, counts true as 1. */
function wholeNumber(literal: Literal): number | bigint {
  let whole: bigint;
  if (typeof literal === 'bigint') whole = literal;
  else if (typeof literal === 'number' && Number.isFinite(literal)) whole = BigInt(Math.trunc(literal));
  else if (typeof literal === 'boolean') whole = literal ? 1n : 0n;
  else if (typeof literal === 'string' && /^\s*[+-]?\d+\s*$/.test(literal)) whole = BigInt(literal.trim().replace(/^\+/, ''));
  else throw new Error(`${typeof literal === 'string' ? JSON.stringify(literal) : String(literal)} is no whole number`);
  if (whole > largest || whole < -largest) throw new Error(`${whole} is outside ±${largest}`);
  return whole >= BigInt(Number.MIN_SAFE_INTEGER) && whole <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(whole) : whole;
}
