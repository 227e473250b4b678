// Turns what was written into a value as Python would: ComfyUI's rules of INT, FLOAT, STRING and BOOLEAN.
// JavaScript has two kinds of whole numbers where Python has one; `received` carries a linked value from one to the other.
import type { Literal } from './graph.ts';
import type { InputSpec } from './node.ts';
import { SEED } from './types.ts';

/** The value of a literal for an input. Throws an Error with the reason when there is none. Types other than the four (and SEED) are left as written. */
export function coerce(spec: InputSpec<unknown>, literal: Literal): unknown {
  if (spec.coerce !== undefined) return spec.coerce(literal);
  if (spec.type === SEED) return wholeNumber(literal);
  switch (spec.type.name) {
    case 'INT': return numberIfSafe(wholeNumber(literal));
    case 'FLOAT': return floatNumber(literal);
    case 'STRING': return pythonText(literal);
    case 'BOOLEAN': return isTruthy(literal);
    default: return literal;
  }
}

/** A linked value as the input declares it: a SEED is a bigint, INT and FLOAT are numbers where that is exact. */
export function received(spec: InputSpec<unknown>, value: unknown): unknown {
  if (typeof value === 'number') return spec.type === SEED && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'bigint' || spec.type === SEED) return value;
  if (spec.type.name === 'INT') return numberIfSafe(value);
  return spec.type.name === 'FLOAT' ? Number(value) : value;
}

/** Python's int(): truncates, reads text, counts true as 1. */
export function wholeNumber(literal: Literal): bigint {
  if (typeof literal === 'bigint') return literal;
  if (typeof literal === 'boolean') return literal ? 1n : 0n;
  if (typeof literal === 'number') {
    if (!Number.isFinite(literal)) throw new Error(`cannot convert ${pythonText(literal)} to a whole number`);
    return BigInt(Math.trunc(literal));
  }
  if (typeof literal === 'string') {
    const text = literal.trim();
    if (/^[+-]?\d+(_\d+)*$/.test(text)) {
      const digits = BigInt(text.replace(/^[+-]|_/g, ''));
      return text.startsWith('-') ? -digits : digits;
    }
    throw new Error(`${pythonRepr(literal)} is no whole number`);
  }
  throw new Error(`a whole number is needed, got ${kindOf(literal)}`);
}

/** Python's float(): reads `1e3`, `inf` and `nan`, counts true as 1. */
export function floatNumber(literal: Literal): number {
  if (typeof literal === 'number') return literal;
  if (typeof literal === 'boolean') return literal ? 1 : 0;
  if (typeof literal === 'bigint') {
    const value = Number(literal);
    if (!Number.isFinite(value)) throw new Error('the whole number is too large for a number');
    return value;
  }
  if (typeof literal === 'string') {
    const text = literal.trim().toLowerCase();
    const word = /^([+-]?)(inf|infinity|nan)$/.exec(text);
    if (word !== null) return word[2] === 'nan' ? NaN : word[1] === '-' ? -Infinity : Infinity;
    if (/^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/.test(text)) return Number(text.replaceAll('_', ''));
    throw new Error(`${pythonRepr(literal)} is no number`);
  }
  throw new Error(`a number is needed, got ${kindOf(literal)}`);
}

/** Python's bool(): empty and zero are false; the text "false" is true. */
export function isTruthy(literal: Literal): boolean {
  if (typeof literal !== 'object' || literal === null) return Number.isNaN(literal) || Boolean(literal);
  return literal instanceof Map ? literal.size > 0 : (literal as readonly Literal[]).length > 0;
}

/** Python's str(): 5.0, True, None, ['a', 1]. */
export function pythonText(literal: Literal): string {
  return typeof literal === 'string' ? literal : pythonRepr(literal);
}

function pythonRepr(literal: Literal): string {
  if (literal === null) return 'None';
  switch (typeof literal) {
    case 'boolean': return literal ? 'True' : 'False';
    case 'bigint': return String(literal);
    case 'number': return pythonFloat(literal);
    case 'string': return quoted(literal);
  }
  if (literal instanceof Map) return `{${[...literal].map(([key, value]) => `${quoted(key)}: ${pythonRepr(value)}`).join(', ')}}`;
  return `[${(literal as readonly Literal[]).map(pythonRepr).join(', ')}]`;
}

function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  // Python changes to an exponent at 1e16 and below 1e-4, JavaScript at 1e21 and below 1e-6; the digits are the same.
  const magnitude = Math.abs(value);
  if (magnitude < 1e16 && magnitude >= 1e-4) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function numberIfSafe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function kindOf(literal: Literal): string {
  if (literal === null) return 'null';
  return literal instanceof Map ? 'an object' : Array.isArray(literal) ? 'a list' : `${typeof literal} ${pythonText(literal)}`;
}

/**
 * The least or greatest allowed value, or the step. Of whole numbers exactly: 2^64 and 2^63 stand for the largest 64-bit integers,
 * which a JavaScript number cannot tell from them.
 */
export function boundOf(spec: InputSpec<unknown>, bound: 'min' | 'max' | 'step'): number | bigint | undefined {
  const value = spec[bound];
  if (value === undefined || spec.type.name !== 'INT' || !Number.isFinite(value)) return value;
  const whole = BigInt(Math.trunc(value));
  return whole === 2n ** 64n || whole === 2n ** 63n ? whole - 1n : whole;
}
