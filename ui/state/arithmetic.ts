// Arithmetic for number fields: `512*2`, `(1+2)/3`, `2^10`, `1,5`, `16:9`. A small parser of its own, so that nothing typed is ever run.

export type Calculated = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly at: number; readonly problem: 'syntax' | 'range' };

/**
 * The value of an expression. Knows + − × ÷ * / % ^, brackets, a leading + − × ÷ applied to `current` when written as `*=2`, `+=1`.
 * A comma counts as a decimal point where it is one.
 */
export function calculate(text: string, current?: number): Calculated {
  const trimmed = text.trim();
  const relative = /^([+\-*/])=(.*)$/s.exec(trimmed);
  const source = relative !== null && current !== undefined ? `(${current})${relative[1]}(${relative[2]})` : trimmed;
  if (source.length === 0 || source.length > 200) return { ok: false, at: 0, problem: 'syntax' };
  const reader = new Reader(source.replaceAll('−', '-').replaceAll('×', '*').replaceAll('÷', '/').replaceAll(':', '/').replace(/(\d),(\d)/g, '$1.$2'));
  const value = reader.sum();
  if (value === undefined || !reader.isAtEnd) return { ok: false, at: reader.at, problem: 'syntax' };
  return Number.isFinite(value) ? { ok: true, value: value + 0 } : { ok: false, at: 0, problem: 'range' };
}

/** A whole number of any size as it is written; undefined where it is an expression. Seeds need all their digits. */
export function readInteger(text: string): bigint | undefined {
  const trimmed = text.trim().replace(/[\s_']/g, '');
  return /^[+-]?\d{1,40}$/.test(trimmed) ? BigInt(trimmed.replace('+', '')) : undefined;
}

class Reader {
  readonly #text: string;
  #depth = 0;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    this.#skipSpace();
    return this.at >= this.#text.length;
  }

  sum(): number | undefined {
    let left = this.#product();
    for (let sign = this.#take('+-'); left !== undefined && sign !== undefined; sign = this.#take('+-')) {
      const right = this.#product();
      left = right === undefined ? undefined : sign === '+' ? left + right : left - right;
    }
    return left;
  }

  #product(): number | undefined {
    let left = this.#signed();
    for (let sign = this.#take('*/%'); left !== undefined && sign !== undefined; sign = this.#take('*/%')) {
      const right = this.#signed();
      left = right === undefined ? undefined : sign === '*' ? left * right : sign === '/' ? left / right : left % right;
    }
    return left;
  }

  /** A sign binds less than a power: −2^2 is −4. */
  #signed(): number | undefined {
    if (++this.#depth > 100) return undefined;
    const sign = this.#take('+-');
    const value = sign === undefined ? this.#power() : this.#signed();
    this.#depth--;
    return value === undefined || sign !== '-' ? value : -value;
  }

  #power(): number | undefined {
    const base = this.#atom();
    if (base === undefined || this.#take('^') === undefined) return base;
    const exponent = this.#signed();
    return exponent === undefined ? undefined : base ** exponent;
  }

  #atom(): number | undefined {
    if (this.#take('(') !== undefined) {
      const inner = this.sum();
      return inner !== undefined && this.#take(')') !== undefined ? inner : undefined;
    }
    this.#skipSpace();
    const digits = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(this.#text.slice(this.at))?.[0];
    if (digits === undefined) return undefined;
    this.at += digits.length;
    return Number(digits);
  }

  #take(signs: string): string | undefined {
    this.#skipSpace();
    const char = this.#text[this.at];
    if (char === undefined || !signs.includes(char)) return undefined;
    this.at++;
    return char;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.at] ?? '')) this.at++;
  }
}
