// What comes over the socket → typed frames: texts with run events, queue and logs; binary ones with previews. Refuses other shapes quietly,
// for a newer server may send more.
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { readRunEvent } from '../state/run-events.ts';
import type { RunEvent } from '../state/run.ts';

export type Frame =
  | { readonly kind: 'event'; readonly event: RunEvent }
  | { readonly kind: 'queue'; readonly remaining: number }
  | { readonly kind: 'logs'; readonly entries: readonly LogEntry[] }
  /** A picture of a run's work so far, for the node of the user's graph. */
  | { readonly kind: 'preview'; readonly run: string; readonly node: string; readonly picture: Blob };

export interface LogEntry { readonly t: string; readonly m: string }

export function readTextFrame(text: string): Frame | undefined {
  const json = tryParse(text);
  const data = isJsonObject(json) ? json.get('data') : undefined;
  if (!isJsonObject(json) || !isJsonObject(data)) return undefined;
  switch (json.get('type')) {
    case 'bagelgraph': {
      const event = readRunEvent(data);
      return event && { kind: 'event', event };
    }
    case 'status': {
      const remaining = at(at(data, 'status'), 'exec_info')?.get('queue_remaining');
      return typeof remaining === 'bigint' ? { kind: 'queue', remaining: Number(remaining) } : undefined;
    }
    case 'logs': return { kind: 'logs', entries: readLogEntries(data.get('entries')) };
    default: return undefined;
  }
}

export function readLogEntries(json: Json | undefined): readonly LogEntry[] {
  return (isJsonArray(json) ? json : []).filter(isJsonObject).map((entry) => ({ t: String(entry.get('t') ?? ''), m: String(entry.get('m') ?? '') }));
}

const previewWithMetadata = 4;

/** `[4][length][JSON][picture]`, numbers of four bytes, big-endian. */
export function readBinaryFrame(bytes: ArrayBuffer): Frame | undefined {
  const view = new DataView(bytes);
  if (bytes.byteLength < 8 || view.getUint32(0) !== previewWithMetadata) return undefined;
  const length = view.getUint32(4);
  if (8 + length > bytes.byteLength) return undefined;
  const metadata = tryParse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  if (!isJsonObject(metadata)) return undefined;
  const run = metadata.get('prompt_id');
  const node = metadata.get('real_node_id') ?? metadata.get('display_node_id') ?? metadata.get('node_id');
  const type = metadata.get('image_type');
  if (typeof run !== 'string' || typeof node !== 'string') return undefined;
  return { kind: 'preview', run, node, picture: new Blob([new Uint8Array(bytes, 8 + length)], { type: type === 'image/png' ? 'image/png' : 'image/jpeg' }) };
}

function at(json: JsonObject | undefined, key: string): JsonObject | undefined {
  const inner = json?.get(key);
  return isJsonObject(inner) ? inner : undefined;
}

function tryParse(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
