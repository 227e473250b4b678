// Small writings of a workflow file's JSON: changed members over the kept ones, lists that keep their order, ids and numbers as files have them.
import { equalJson, isJsonArray, type Json, type JsonObject } from '../../engine/formats/json.ts';

/** Members by key; undefined takes one out. */
export type Members = ReadonlyMap<string, Json | undefined>;

/** The object with members set. Keys keep their places, new ones follow; the same object when nothing differs. */
export function overlay(raw: JsonObject, members: Members): JsonObject {
  const written = new Map(raw);
  let isChanged = false;
  for (const [key, value] of members) {
    if (value === undefined ? !written.has(key) : written.has(key) && equalJson(written.get(key), value)) continue;
    isChanged = true;
    if (value === undefined) written.delete(key);
    else written.set(key, value);
  }
  return isChanged ? written : raw;
}

/** The entries of `record`, written: those of the saved list in its order, then the others by id. An entry that is none of ours (`idOf` undefined) stays. */
export function keepOrder<T extends { readonly id: string }>(saved: Json | undefined, idOf: (entry: Json) => string | undefined, record: Readonly<Record<string, T>>, write: (item: T) => Json): readonly Json[] {
  const written: Json[] = [];
  const done = new Set<string>();
  for (const entry of isJsonArray(saved) ? saved : []) {
    const id = idOf(entry);
    const item = id === undefined ? undefined : record[id];
    if (id === undefined) written.push(entry);
    if (item === undefined || done.has(item.id)) continue;
    done.add(item.id);
    written.push(write(item));
  }
  const added = Object.values(record).filter(({ id }) => !done.has(id)).sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  return [...written, ...added.map(write)];
}

/** Whole numbers are written as numbers: so files have them. */
export function idJson(id: string): Json {
  return /^(0|-?[1-9]\d{0,15})$/.test(id) ? BigInt(id) : id;
}

export function numberJson(value: number): Json {
  return Number.isInteger(value) ? BigInt(value) : value;
}

/** Deep equality of plain data; JSON by value, `raw` members are not looked at. */
export function equalPlain(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Map || b instanceof Map) return equalJson(a as Json, b as Json);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equalPlain(item, (b as unknown[])[i]));
  const keys = (value: object) => Object.keys(value).filter((key) => key !== 'raw' && (value as Record<string, unknown>)[key] !== undefined);
  const own = keys(a);
  return own.length === keys(b).length && own.every((key) => equalPlain((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}
