// Values as Python would read them (ComfyUI contract §3.1).
import { describe, expect, it } from 'vitest';
import { coerce, received } from '../../engine/graph/coerce.ts';
import type { Literal } from '../../engine/graph/graph.ts';
import type { Type } from '../../engine/graph/node.ts';
import { BOOLEAN, FLOAT, INT, SEED, STRING } from '../../engine/graph/types.ts';

const throws = Symbol('throws');
const list: Literal = [1n, 'a', null];
const object: Literal = new Map<string, Literal>([['k', 2.5], ["it's", true]]);

const table: readonly (readonly [Type<unknown>, Literal, unknown])[] = [
  [INT, 5n, 5], [INT, 5.0, 5], [INT, 5.9, 5], [INT, -5.9, -5], [INT, '12', 12], [INT, ' -1_000 ', -1000], [INT, '+7', 7], [INT, true, 1], [INT, false, 0],
  [INT, '3.5', throws], [INT, '1e3', throws], [INT, '', throws], [INT, 'abc', throws], [INT, '0x10', throws], [INT, null, throws], [INT, list, throws], [INT, object, throws],
  [INT, NaN, throws], [INT, Infinity, throws], [INT, 2n ** 60n, 2n ** 60n], [INT, 1e20, 10n ** 20n],
  [SEED, 18446744073709551615n, 18446744073709551615n], [SEED, 5n, 5n], [SEED, '18446744073709551615', 18446744073709551615n], [SEED, 7.9, 7n], [SEED, 'x', throws],
  [FLOAT, 5n, 5], [FLOAT, 2.5, 2.5], [FLOAT, '1e3', 1000], [FLOAT, ' .5 ', 0.5], [FLOAT, '5.', 5], [FLOAT, '1_0.5', 10.5], [FLOAT, '-inf', -Infinity], [FLOAT, 'NaN', NaN],
  [FLOAT, true, 1], [FLOAT, '', throws], [FLOAT, '1e', throws], [FLOAT, 'one', throws], [FLOAT, null, throws], [FLOAT, list, throws], [FLOAT, 10n ** 400n, throws],
  [STRING, 'a', 'a'], [STRING, 5n, '5'], [STRING, 5.0, '5.0'], [STRING, 2.5, '2.5'], [STRING, 1e16, '1e+16'], [STRING, 123456789012345.0, '123456789012345.0'],
  [STRING, 1e-5, '1e-05'], [STRING, 1.5e-7, '1.5e-07'], [STRING, 0.0001, '0.0001'], [STRING, -0, '-0.0'], [STRING, 1e300, '1e+300'], [STRING, NaN, 'nan'], [STRING, -Infinity, '-inf'],
  [STRING, true, 'True'], [STRING, null, 'None'], [STRING, list, "[1, 'a', None]"], [STRING, object, `{'k': 2.5, "it's": True}`],
  [BOOLEAN, true, true], [BOOLEAN, 'false', true], [BOOLEAN, '', false], [BOOLEAN, 0n, false], [BOOLEAN, 0.0, false], [BOOLEAN, 0.1, true], [BOOLEAN, NaN, true],
  [BOOLEAN, null, false], [BOOLEAN, [], false], [BOOLEAN, list, true], [BOOLEAN, new Map(), false], [BOOLEAN, object, true],
  [{ name: 'IMAGE,FLOAT' }, 5n, 5n], [{ name: 'IMAGE,FLOAT' }, 5.0, 5], [{ name: 'BOOL' }, 'x', 'x'],
];

describe('coerce', () => {
  it.each(table.map(([type, literal, value]) => [type === SEED ? 'SEED' : type.name, literal, value, type] as const))('%s of %o', (_name, literal, value, type) => {
    if (value === throws) expect(() => coerce({ type }, literal)).toThrow();
    else expect(coerce({ type }, literal)).toEqual(value);
  });

  it('leaves it to an input that has its own way', () => {
    expect(coerce({ type: INT, coerce: (literal) => [literal] as unknown as number }, 'x')).toEqual(['x']);
  });
});

describe('linked values', () => {
  it('are whole numbers of the kind the input declares', () => {
    expect(received({ type: SEED }, 5)).toBe(5n);
    expect(received({ type: INT }, 5n)).toBe(5);
    expect(received({ type: INT }, 2n ** 60n)).toBe(2n ** 60n);
    expect(received({ type: FLOAT }, 5n)).toBe(5);
    expect(received({ type: STRING }, 5n)).toBe(5n);
    expect(received({ type: INT }, 'x')).toBe('x');
  });
});
