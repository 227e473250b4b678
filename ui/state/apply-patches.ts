// Applies patches to an immutable value, sharing what they do not touch. Unlike immer's own it takes the patches' values as they are:
// they are frozen, and copying a thousand nodes to bring them back would take longer than anything else about undo.
import type { Patch } from 'immer';

type Container = Record<string | number, unknown> | unknown[];

/** The value after the patches, in order. What was made anew is frozen. */
export function applyPatches<T extends object>(before: T, patches: readonly Patch[]): T {
  const made = new Set<object>();
  const own = (value: unknown): Container => {
    if (typeof value !== 'object' || value === null) throw new Error('a patch leads through a value that holds nothing');
    if (made.has(value)) return value as Container;
    const copy = (Array.isArray(value) ? [...value] : Object.assign(Object.create(Object.getPrototypeOf(value) as object | null) as object, value)) as Container;
    made.add(copy);
    return copy;
  };
  let root = before;
  for (const { op, path, value } of patches) {
    if (path.includes('__proto__')) throw new Error('a patch may not reach a prototype');
    const last = path.at(-1);
    if (last === undefined) {
      root = value as T;
      continue;
    }
    let at = own(root);
    root = at as T;
    for (const key of path.slice(0, -1)) {
      const holder = at as Record<string | number, unknown>;
      at = own(holder[key]);
      holder[key] = at;
    }
    applyAt(at, last, op, value);
  }
  for (const copy of made) Object.freeze(copy);
  return root;
}

function applyAt(at: Container, key: string | number, op: Patch['op'], value: unknown): void {
  if (Array.isArray(at)) {
    if (op === 'add') at.splice(Number(key), 0, value);
    else if (op === 'remove') at.splice(Number(key), 1);
    else if (key === 'length') at.length = value as number;
    else at[Number(key)] = value;
  } else if (op === 'remove') delete at[key];
  else at[key] = value;
}
