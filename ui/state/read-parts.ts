// Small readings of a workflow file's JSON: texts, ids, points, lists with a bound. Tolerant where files in the wild are,
// and never trusting: numbers are bounded, lists have a most.
import { FormatError } from '../../engine/formats/errors.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import type { Box, Point } from './document.ts';
import { isSafeKey } from './widget-values.ts';

export const limits = { nodes: 50_000, links: 200_000, groups: 10_000, reroutes: 50_000, subgraphs: 1000, slots: 4096 } as const;
/** Graph coordinates beyond this are moved in: drawing would lose precision. */
export const farthest = 10_000_000;

export function textOf(json: Json | undefined): string | undefined {
  if (typeof json === 'string') return json;
  return typeof json === 'bigint' || (typeof json === 'number' && Number.isFinite(json)) ? String(json) : undefined;
}

/** An id as text. Throws for names that no record can hold. */
export function idOf(json: Json | undefined, where: string): string | undefined {
  const id = textOf(json);
  if (id === undefined || id === '') return undefined;
  if (!isSafeKey(id) || id.length > 200) throw new FormatError(`${where}: ${JSON.stringify(id.slice(0, 40))} cannot be an id`);
  return id;
}

export function stringOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined;
}

/** A finite number within the bounds; undefined for anything else. */
export function numberOf(json: Json | undefined, least = -farthest, most = farthest): number | undefined {
  const number = typeof json === 'bigint' ? Number(json) : json;
  return typeof number === 'number' && !Number.isNaN(number) ? Math.min(most, Math.max(least, number)) : undefined;
}

/** A slot index; undefined for what is none. */
export function slotOf(json: Json | undefined): number | undefined {
  const number = typeof json === 'bigint' ? Number(json) : json;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 && number < limits.slots ? number : undefined;
}

/** Slot types: a text, 0 for any, a list for choices. */
export function typeText(json: Json | undefined): string {
  if (isJsonArray(json)) return 'COMBO';
  const text = textOf(json) ?? '*';
  return text === '0' || text === '' ? '*' : text;
}

/** `[x, y]` or `{"0": x, "1": y}`. */
export function pairOf(json: Json | undefined, least: number, fallback: Point): Point {
  const [x, y] = isJsonArray(json) ? json : isJsonObject(json) ? [json.get('0'), json.get('1')] : [];
  return [numberOf(x, least) ?? fallback[0], numberOf(y, least) ?? fallback[1]];
}

export function boxOfJson(json: Json | undefined): Box {
  const numbers = isJsonArray(json) ? json : isJsonObject(json) ? ['0', '1', '2', '3'].map((key) => json.get(key)) : [];
  return [numberOf(numbers[0]) ?? 0, numberOf(numbers[1]) ?? 0, numberOf(numbers[2], 0) ?? 140, numberOf(numbers[3], 0) ?? 80];
}

/** Marks JSON as never to change, so that nobody looks into it again to freeze it. */
export function keep<T extends Json>(json: T): T {
  return Object.freeze(json);
}

/** A member that is a list, or nothing. Throws for another shape and for one that is too long. */
export function listAt(json: JsonObject | undefined, key: string, most: number, where: string): readonly Json[] {
  const list = json?.get(key) ?? [];
  if (!isJsonArray(list)) throw new FormatError(`${where}: "${key}" must be a list, got ${describeJson(list)}`);
  if (list.length > most) throw new FormatError(`${where}: ${list.length} ${key}; at most ${most} can be opened`);
  return list;
}

export function objectAt(json: JsonObject | undefined, key: string): JsonObject | undefined {
  const object = json?.get(key);
  return isJsonObject(object) ? object : undefined;
}

/** Leaves out what is undefined, for optional members. */
export function present<T extends object>(members: T): { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as ReturnType<typeof present<T>>;
}
