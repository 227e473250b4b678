// JSON without loss: 5 stays apart from 5.0, 64-bit integers survive, and keys keep the order they were written in.
// Pure and browser-safe.
import { FormatError, JsonSyntaxError } from './errors.ts';

/**
 * An integer is a bigint, a number with a point or exponent a number. Objects are Maps, for their order.
 * Texts stand before booleans: Vue goes by the order of a property's types, and would pass an empty text on as true.
 */
export type Json = null | string | boolean | number | bigint | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** Values as JavaScript writes them; integers beyond 2^53 stay bigints. */
export type Plain = null | boolean | string | number | bigint | readonly Plain[] | { readonly [key: string]: Plain };

/** Deeper nesting than this is refused: nothing we read needs it, and it could exhaust the stack. */
const deepest = 512;
/** Python's own bound; converting longer ones takes quadratic time. */
const mostDigits = 4300;

export function isJsonObject(json: Json | undefined): json is JsonObject {
  return json instanceof Map;
}

export function isJsonArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

/** What a value is, for messages: `an object`, `the text "abc"`, `the number 5`. */
export function describeJson(json: Json | undefined): string {
  if (json === undefined) return 'nothing';
  if (isJsonObject(json)) return 'an object';
  if (isJsonArray(json)) return `a list of ${json.length}`;
  if (typeof json === 'string') return `the text ${JSON.stringify(json.length > 60 ? `${json.slice(0, 60)}…` : json)}`;
  if (typeof json === 'bigint' || typeof json === 'number') return `the number ${encodeJson(json)}`;
  return String(json);
}

/**
 * Reads one JSON value. A key that is given twice has its last value. A byte order mark and the tokens NaN and (-)Infinity,
 * which Python writes, are tolerated. Throws JsonSyntaxError with line, column and what was found there.
 */
export function parseJson(text: string): Json {
  return new Parser(text).document();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  document(): Json {
    this.#skipSpace();
    if (this.#at >= this.#text.length) this.#fail('the text is empty, expected JSON');
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail(`expected the end, found ${this.#found()}`);
    return value;
  }

  #value(): Json {
    const char = this.#text[this.#at];
    if (char === '"') return this.#string();
    if (char === '{') return this.#nested(() => this.#object());
    if (char === '[') return this.#nested(() => this.#array());
    if (char !== undefined && /[-\d]/.test(char)) return this.#number();
    for (const [word, value] of words) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#fail(`expected a value, found ${this.#found()}`);
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > deepest) this.#fail(`nested more than ${deepest} levels deep`);
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): JsonObject {
    const object = new Map<string, Json>();
    this.#at++;
    this.#skipSpace();
    if (this.#take('}')) return object;
    for (;;) {
      if (this.#text[this.#at] !== '"') this.#fail(`expected a key in double quotes, found ${this.#found()}`);
      const key = this.#string();
      this.#skipSpace();
      if (!this.#take(':')) this.#fail(`expected ":" after the key ${JSON.stringify(key)}, found ${this.#found()}`);
      this.#skipSpace();
      object.set(key, this.#value());
      this.#skipSpace();
      if (this.#take('}')) return object;
      if (!this.#take(',')) this.#fail(`expected "," or "}", found ${this.#found()}`);
      this.#skipSpace();
    }
  }

  #array(): readonly Json[] {
    const array: Json[] = [];
    this.#at++;
    this.#skipSpace();
    if (this.#take(']')) return array;
    for (;;) {
      array.push(this.#value());
      this.#skipSpace();
      if (this.#take(']')) return array;
      if (!this.#take(',')) this.#fail(`expected "," or "]", found ${this.#found()}`);
      this.#skipSpace();
    }
  }

  #string(): string {
    const start = this.#at++;
    let decoded = '';
    let plainFrom = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) {
        this.#at = start;
        this.#fail('this text has no closing quote');
      } else if (code === 0x22) {
        decoded += this.#text.slice(plainFrom, this.#at++);
        return decoded;
      } else if (code === 0x5c) {
        decoded += this.#text.slice(plainFrom, this.#at) + this.#escape();
        plainFrom = this.#at;
      } else if (code < 0x20) {
        this.#fail(`${this.#found()} inside a text: write \\n for a line break, \\u${code.toString(16).padStart(4, '0')} for this character`);
      } else this.#at++;
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[\da-fA-F]{4}$/.test(hex)) this.#fail(`\\u needs four hexadecimal digits, found ${JSON.stringify(hex)}`);
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const char = escapes.get(letter);
    if (char === undefined) this.#fail(`there is no escape \\${letter}; a backslash itself is written \\\\`);
    this.#at += 2;
    return char!;
  }

  #number(): Json {
    if (this.#text.startsWith('-Infinity', this.#at)) {
      this.#at += 9;
      return -Infinity;
    }
    numberPattern.lastIndex = this.#at;
    const [token = '', , rest = ''] = numberPattern.exec(this.#text) ?? [];
    if (token === '') this.#fail(`expected digits after "-", found ${JSON.stringify(this.#text[this.#at + 1] ?? 'the end')}`);
    const next = this.#text[this.#at + token.length] ?? '';
    if (/[\w.+-]/.test(next)) this.#fail(`${JSON.stringify(`${token}${next}`)} starts no number that JSON knows`);
    if (rest === '' && token.length > mostDigits) this.#fail(`a number of ${token.length} digits; at most ${mostDigits} are read`);
    const value = rest === '' ? BigInt(token) : Number(token);
    if (value === Infinity || value === -Infinity) this.#fail(`${token.slice(0, 40)} is beyond the range of 64-bit floats`);
    this.#at += token.length;
    return value;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #found(): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return 'the end of the text';
    const word = /^[\w.]{2,20}/.exec(this.#text.slice(this.#at, this.#at + 20))?.[0];
    return JSON.stringify(word ?? String.fromCodePoint(code));
  }

  #fail(problem: string): never {
    const before = this.#text.slice(0, this.#at).split(/\r\n|\n|\r/);
    throw new JsonSyntaxError(problem, before.length, before.at(-1)!.length + 1);
  }
}

const words: readonly (readonly [string, Json])[] = [['true', true], ['false', false], ['null', null], ['NaN', NaN], ['Infinity', Infinity]];
const escapes = new Map([['"', '"'], ['\\', '\\'], ['/', '/'], ['b', '\b'], ['f', '\f'], ['n', '\n'], ['r', '\r'], ['t', '\t']]);
/** The whole part, then fraction and exponent. */
const numberPattern = /(-?(?:0|[1-9]\d*))((?:\.\d+)?(?:[eE][+-]?\d+)?)/y;

export interface EncodeOptions {
  /** Spaces a level; absent = one line. */
  readonly indent?: number;
  /** Writes everything outside ASCII as \uXXXX. */
  readonly ascii?: boolean;
}

/** JSON text that reads back as the same value: a whole number that is no bigint ends in `.0`. NaN and infinities, which JSON lacks, become null. */
export function encodeJson(json: Json, { indent = 0, ascii = false }: EncodeOptions = {}): string {
  const text = encode(json, indent, '\n', 0);
  return ascii ? text.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`) : text;
}

function encode(json: Json, indent: number, newline: string, depth: number): string {
  if (typeof json === 'bigint') return String(json);
  if (typeof json === 'number') return numberText(json);
  if (json === null || typeof json !== 'object') return JSON.stringify(json);
  if (depth >= deepest) throw new FormatError(`JSON nested more than ${deepest} levels deep`);
  const inner = newline + ' '.repeat(indent);
  const colon = indent === 0 ? ':' : ': ';
  const isList = isJsonArray(json);
  const items = isList
    ? json.map((item) => encode(item, indent, inner, depth + 1))
    : [...json].map(([key, item]) => `${JSON.stringify(key)}${colon}${encode(item, indent, inner, depth + 1)}`);
  const [open, close] = isList ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  return indent === 0 ? `${open}${items.join(',')}${close}` : `${open}${inner}${items.join(`,${inner}`)}${newline}${close}`;
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** Lossless JSON of a JavaScript value, as if written by JSON.stringify and read back: 5 becomes 5n, undefined members are left out. */
export function jsonOf(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map((item: unknown) => (item === undefined ? null : jsonOf(item)));
  if (typeof value === 'object') {
    const entries: Iterable<[string, unknown]> = value instanceof Map ? (value as Map<string, unknown>) : Object.entries(value);
    return new Map([...entries].filter(([, item]) => item !== undefined).map(([key, item]) => [key, jsonOf(item)]));
  }
  throw new FormatError(`a ${typeof value} cannot be written as JSON`);
}

/** A JavaScript value for JSON.stringify and comparisons: the difference of 5 and 5.0 is lost; integers beyond 2^53 stay bigints. */
export function plainOf(json: Json): Plain {
  if (typeof json === 'bigint') return json >= BigInt(Number.MIN_SAFE_INTEGER) && json <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(json) : json;
  if (isJsonArray(json)) return json.map(plainOf);
  // fromEntries defines own properties, so that a key such as __proto__ stays a key
  if (isJsonObject(json)) return Object.fromEntries([...json].map(([key, item]) => [key, plainOf(item)]));
  return json;
}

/** True when both would be written the same, apart from the order of keys. */
export function equalJson(a: Json | undefined, b: Json | undefined): boolean {
  if (isJsonArray(a)) return isJsonArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i]));
  if (isJsonObject(a)) return isJsonObject(b) && a.size === b.size && [...a].every(([key, item]) => b.has(key) && equalJson(item, b.get(key)));
  return Object.is(a, b);
}
