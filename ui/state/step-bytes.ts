// About how much memory patches keep alive, for the bound on the history. Counts each value once a patch, shared or not.
import type { Patch } from 'immer';

/** Bytes, roughly: two a character, eight a number, forty an object and eight an entry. */
export function stepBytes(patches: readonly Patch[]): number {
  return patches.reduce((sum, { path, value }) => sum + 60 + path.length * 8 + bytesOf(value), 0);
}

function bytesOf(root: unknown): number {
  let bytes = 0;
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'string') bytes += 20 + value.length * 2;
    else if (typeof value !== 'object' || value === null) bytes += 8;
    else if (value instanceof Map) {
      bytes += 80 + value.size * 40;
      for (const [key, item] of value) pending.push(key, item);
    } else if (Array.isArray(value)) {
      bytes += 40 + value.length * 8;
      for (const item of value) pending.push(item);
    } else {
      bytes += 40;
      for (const item of Object.values(value)) {
        bytes += 8;
        pending.push(item);
      }
    }
  }
  return bytes;
}
