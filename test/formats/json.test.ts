// Lossless JSON: what was written comes back, and what is no JSON is refused with its place.
import { describe, expect, test } from 'vitest';
import { JsonSyntaxError } from '../../engine/formats/errors.ts';
import { encodeJson, equalJson, jsonOf, parseJson, plainOf, type Json } from '../../engine/formats/json.ts';

describe('parseJson', () => {
  test('keeps integers apart from floats, exactly', () => {
    expect(parseJson('[5, 5.0, 5e0, 18446744073709551615, -9223372036854775808, 0.1, -0.0]')).toEqual([5n, 5, 5, 18446744073709551615n, -9223372036854775808n, 0.1, -0]);
  });

  test('keeps the order of keys that look like numbers; the last duplicate wins', () => {
    const object = parseJson('{"10": 1, "2": 2, "a": 3, "2": 4, "__proto__": 5}') as Map<string, Json>;
    expect([...object]).toEqual([['10', 1n], ['2', 4n], ['a', 3n], ['__proto__', 5n]]);
  });

  test('reads every escape, lone surrogates too', () => {
    expect(parseJson(String.raw`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800"`)).toBe('"\\/\b\f\n\r\té😀\ud800');
  });

  test('tolerates a byte order mark and what Python writes for non-numbers', () => {
    expect(parseJson('\uFEFF [NaN, Infinity, -Infinity]')).toEqual([NaN, Infinity, -Infinity]);
  });

  test.each([
    ['', 'line 1, column 1: the text is empty, expected JSON'],
    ['{"a": 1,\n  b: 2}', 'line 2, column 3: expected a key in double quotes, found "b"'],
    ['{"a" 1}', 'line 1, column 6: expected ":" after the key "a", found "1"'],
    ['{"a": 1 "b": 2}', 'line 1, column 9: expected "," or "}", found "\\""'],
    ['[1, 2', 'line 1, column 6: expected "," or "]", found the end of the text'],
    ['[1,]', 'line 1, column 4: expected a value, found "]"'],
    ['{"a": tru}', 'line 1, column 7: expected a value, found "tru"'],
    ['1 2', 'line 1, column 3: expected the end, found "2"'],
    ['["a\nb"]', 'line 1, column 4: "\\n" inside a text: write \\n for a line break, \\u000a for this character'],
    ['\r\n["abc', 'line 2, column 2: this text has no closing quote'],
    ['"\\x"', 'line 1, column 2: there is no escape \\x; a backslash itself is written \\\\'],
    ['"\\u12g4"', 'line 1, column 2: \\u needs four hexadecimal digits, found "12g4"'],
    ['01', 'line 1, column 1: "01" starts no number that JSON knows'],
    ['-', 'line 1, column 1: expected digits after "-", found "the end"'],
    ['1.', 'line 1, column 1: "1." starts no number that JSON knows'],
    ['1e400', 'line 1, column 1: 1e400 is beyond the range of 64-bit floats'],
    ['<html>', 'line 1, column 1: expected a value, found "<"'],
  ])('refuses %j', (text, message) => {
    expect(() => parseJson(text)).toThrow(new JsonSyntaxError(message.replace(/^line \d+, column \d+: /, ''), ...place(message)));
  });

  test('refuses hostile depth and length without overflowing', () => {
    expect(() => parseJson('['.repeat(1_000_000))).toThrow('nested more than 512 levels deep');
    expect(() => parseJson('{"a":'.repeat(1_000_000))).toThrow('nested more than 512 levels deep');
    expect(() => parseJson('9'.repeat(1_000_000))).toThrow('a number of 1000000 digits; at most 4300 are read');
    expect(parseJson('['.repeat(512) + ']'.repeat(512))).toBeInstanceOf(Array);
  });
});

function place(message: string): [number, number] {
  const [, line, column] = /^line (\d+), column (\d+)/.exec(message)!;
  return [Number(line), Number(column)];
}

describe('encodeJson', () => {
  test('writes back as it came', () => {
    const text = '{"2":[5,5.0,1e+300,-0.0,18446744073709551615,0.30000000000000004],"1":{"é":"a\\nb","x":null},"e":[],"o":{}}';
    expect(encodeJson(parseJson(text))).toBe(text);
  });

  test('indents as JSON.stringify does', () => {
    const value = { a: [1, { b: 'x' }], c: {}, d: [] };
    expect(encodeJson(jsonOf(value), { indent: 2 })).toBe(JSON.stringify(value, null, 2));
  });

  test('ascii escapes the rest', () => {
    const text = encodeJson('é😀\u2028', { ascii: true });
    expect(text).toBe('"\\u00e9\\ud83d\\ude00\\u2028"');
    expect(parseJson(text)).toBe('é😀\u2028');
  });

  test('any value comes back equal', () => {
    const random = mulberry32(7);
    for (let i = 0; i < 2000; i++) {
      const value = randomJson(random, 4);
      for (const options of [{}, { indent: 1 }, { ascii: true }]) {
        const text = encodeJson(value, options);
        expect(equalJson(parseJson(text), value), text).toBe(true);
        expect(encodeJson(parseJson(text), options)).toBe(text);
        JSON.parse(text); // other readers take it too
      }
    }
  });

  test('agrees with JSON.parse on any value', () => {
    const random = mulberry32(11);
    for (let i = 0; i < 1000; i++) {
      const text = encodeJson(randomJson(random, 3));
      expect(JSON.parse(JSON.stringify(plainOf(parseJson(text)), bigintAsNumber))).toEqual(JSON.parse(text));
    }
  });

  test('broken text is either refused with its place or read: never another error', () => {
    const random = mulberry32(3);
    for (let i = 0; i < 3000; i++) {
      const text = encodeJson(randomJson(random, 3));
      const at = Math.floor(random() * text.length);
      const broken = text.slice(0, at) + '{}[]",:-0.eE\\\n\u0000n'[Math.floor(random() * 16)]! + text.slice(at + (random() < 0.5 ? 1 : 0));
      let ours: unknown = 'refused';
      try {
        ours = parseJson(broken);
      } catch (error) {
        expect(error, broken).toBeInstanceOf(JsonSyntaxError);
      }
      let theirs: unknown = 'refused';
      try {
        theirs = JSON.parse(broken);
      } catch { /* ours must refuse it too */ }
      if (!/NaN|Infinity|[eE]\+?\d{3}/.test(broken)) expect(ours === 'refused', broken).toBe(theirs === 'refused');
    }
  });
});

describe('plain values', () => {
  test('jsonOf takes what JSON.stringify takes', () => {
    expect(jsonOf({ a: 5, b: 0.5, c: undefined, d: [undefined, NaN], e: 2n ** 64n, f: new Map([['x', 1]]) }))
      .toEqual(new Map<string, Json>([['a', 5n], ['b', 0.5], ['d', [null, null]], ['e', 2n ** 64n], ['f', new Map([['x', 1n]])]]));
    expect(() => jsonOf({ a: () => 1 })).toThrow('a function cannot be written as JSON');
  });

  test('plainOf keeps keys such as __proto__ as keys', () => {
    const plain = plainOf(parseJson('{"__proto__": {"polluted": true}, "n": 18446744073709551615}'));
    expect(Object.keys(plain as object)).toEqual(['__proto__', 'n']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

function bigintAsNumber(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function mulberry32(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomJson(random: () => number, depth: number): Json {
  const pick = Math.floor(random() * (depth > 0 ? 9 : 7));
  const text = () => Array.from({ length: Math.floor(random() * 8) }, () => String.fromCharCode(...[Math.floor(random() * 128), Math.floor(random() * 65536), 0xd83d, 0xde00, 34, 92].slice(Math.floor(random() * 6)).slice(0, 1))).join('');
  switch (pick) {
    case 0: return null;
    case 1: return random() < 0.5;
    case 2: return BigInt(Math.floor((random() - 0.5) * 1e6));
    case 3: return BigInt(Math.floor(random() * 2 ** 52)) * BigInt(Math.floor(random() * 2 ** 52)) * (random() < 0.5 ? -1n : 1n);
    case 4: return Math.round(random() * 100);
    case 5: return (random() - 0.5) * 10 ** Math.floor(random() * 600 - 300);
    case 6: return text();
    case 7: return Array.from({ length: Math.floor(random() * 4) }, () => randomJson(random, depth - 1));
    default: return new Map(Array.from({ length: Math.floor(random() * 4) }, () => [text(), randomJson(random, depth - 1)]));
  }
}
