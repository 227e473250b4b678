// What stands for a constant in a key: its type and content, or else where it came from. Knows values only.

/** First letter of keys that hold for one run alone. */
export const volatileMark = '!';

/** Where an object came from: an output of a keyed node, or, when it was never an output, the expansion that made it. */
export function originToken(kind: 'output' | 'made', key: string, rest: string): string {
  return `${kind === 'output' ? 'o' : 'p'}${key}.${rest}`;
}

/** True for the origin of a value that belongs to one run alone. */
export function isVolatileToken(token: string): boolean {
  return token[1] === volatileMark && (token[0] === 'o' || token[0] === 'p');
}

/** What identifies a constant by its content; undefined for objects, which only their origin identifies. */
export function contentToken(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string': return `s${value.length}:${value}`;
    case 'bigint': return `i${value}`;
    case 'number': return Object.is(value, -0) ? 'f-0' : `f${value}`;
    case 'boolean': return value ? 't' : 'b';
    case 'undefined': return 'u';
    case 'object': return value === null ? 'n' : compoundToken(value);
    default: return undefined;
  }
}

/** Lists and Maps of constants, as literals have them. */
function compoundToken(value: object): string | undefined {
  if (Array.isArray(value)) {
    const items = value.map(contentToken);
    return items.includes(undefined) ? undefined : `[${items.length}:${items.join(',')}]`;
  }
  if (!(value instanceof Map)) return undefined;
  const entries = [...value].map(([key, item]) => [contentToken(key), contentToken(item)]);
  return entries.flat().includes(undefined) ? undefined : `{${entries.length}:${entries.map((pair) => pair.join('=')).join(',')}}`;
}
