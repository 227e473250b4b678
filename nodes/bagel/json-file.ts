// Reads JSON files that users may have damaged: the message says the file, the line and the column.
import { readFile } from 'node:fs/promises';
import { UserError } from './errors.ts';

/** The object in a JSON file. Throws a UserError naming the file and the place when it is none. */
export async function readJsonFile(file: string): Promise<Record<string, unknown>> {
  const text = (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(`${file}: ${describeFault(text)}. Download the file again, or correct it`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UserError(`${file}: holds ${JSON.stringify(value).slice(0, 40)}, expected a JSON object`);
  return value as Record<string, unknown>;
}

function describeFault(text: string): string {
  if (text.trim() === '') return 'is empty, expected a JSON object';
  if (text.startsWith('version https://git-lfs')) return 'is a git-LFS pointer, not the file itself';
  const at = faultPosition(text);
  const before = text.slice(0, at).split('\n');
  const found = at >= text.length ? 'the file ends' : `unexpected ${JSON.stringify(text.slice(at, at + 12))}`;
  return `is not valid JSON: ${found} at line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

const space = /[ \t\n\r]*/y;
const scalar = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const key = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** Where a text stops being JSON. JSON.parse tells it in some of its messages only. */
function faultPosition(text: string): number {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const takeChar = (char: string): boolean => {
    take(space);
    if (text[at] !== char) return false;
    at++;
    return true;
  };
  const takeMember = (): boolean => take(space) && take(key) && takeChar(':');
  const open: string[] = []; // the closing brackets that are still due
  for (;;) {
    take(space);
    const closing = text[at] === '{' ? '}' : text[at] === '[' ? ']' : undefined;
    if (closing !== undefined) {
      at++;
      if (!takeChar(closing)) {
        open.push(closing);
        if (closing === '}' && !takeMember()) return at;
        continue;
      }
    } else if (!take(scalar)) return at;
    while (open.length > 0 && !takeChar(',')) if (!takeChar(open.pop()!)) return at;
    if (open.length === 0) {
      take(space);
      return at;
    }
    if (open.at(-1) === '}' && !takeMember()) return at;
  }
}
