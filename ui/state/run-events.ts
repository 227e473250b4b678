// A run event as it comes over the wire → a RunEvent: seeds stay exact, what nodes show stays lossless JSON. Refuses other shapes.
import { isJsonArray, isJsonObject, parseJson, plainOf, type Json, type JsonObject } from '../../engine/formats/json.ts';
import type { RunEvent } from './run.ts';

const kinds = new Set(['started', 'hits', 'ended', 'begun', 'attempt', 'progress', 'text', 'notice', 'expanded', 'shown', 'reused', 'finished', 'blocked', 'moved', 'counted', 'failed', 'interrupted']);

/** Undefined for what is no event of this version. */
export function readRunEvent(json: Json): RunEvent | undefined {
  if (!isJsonObject(json) || typeof json.get('run') !== 'string' || typeof json.get('seq') !== 'bigint' || !kinds.has(String(json.get('kind')))) return undefined;
  const event: Record<string, unknown> = {};
  for (const [name, value] of json) {
    if (name === 'ui') event[name] = value;
    else if (name === 'seed') event[name] = seedOf(value);
    else if (name === 'seeds') event[name] = isJsonArray(value) ? value.filter(isJsonObject).map(readSeed) : [];
    else if (name !== '__proto__') event[name] = plainOf(value);
  }
  const isAboutNode = !['started', 'hits', 'ended'].includes(String(event['kind']));
  if (typeof event['at'] !== 'number' || (isAboutNode && (typeof event['node'] !== 'string' || typeof event['real'] !== 'string'))) return undefined;
  return event as unknown as RunEvent;
}

/** As `readRunEvent`, from the text of an event or of a whole frame `{"type": "bagelgraph", "data": …}`. */
export function readRunEventText(text: string): RunEvent | undefined {
  const json = parseJson(text);
  return readRunEvent(isJsonObject(json) && json.get('type') === 'bagelgraph' ? json.get('data') ?? null : json);
}

function readSeed(entry: JsonObject): { readonly node: string; readonly input: string; readonly seed: bigint } {
  return { node: String(entry.get('node')), input: String(entry.get('input')), seed: seedOf(entry.get('seed')) ?? 0n };
}

function seedOf(json: Json | undefined): bigint | undefined {
  if (typeof json === 'bigint') return json;
  return typeof json === 'number' && Number.isInteger(json) ? BigInt(json) : undefined;
}
