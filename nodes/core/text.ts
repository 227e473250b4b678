// Nodes for text and for looking at any value. Class and input names, and results, are ComfyUI's.
import type { Json } from '../../engine/formats/json.ts';
import { defineNode } from '../../engine/graph/node.ts';
import { ANY, STRING } from '../../engine/graph/types.ts';
import { encodeJson } from '../../engine/formats/json.ts';

export const PreviewAny = defineNode({
  type: 'PreviewAny',
  title: 'Preview Any',
  category: 'utils',
  description: 'Shows any value as text.',
  inputs: { source: { type: ANY } },
  outputs: [],
  output: true,
  run({ source }, context) {
    context.show(new Map([['text', [textOf(source)]]]));
    return [];
  },
});

export const StringConcatenate = defineNode({
  type: 'StringConcatenate',
  title: 'Concatenate',
  category: 'utils/string',
  description: 'Joins two texts with a delimiter between them.',
  inputs: {
    string_a: { type: STRING, ui: { multiline: true } },
    string_b: { type: STRING, ui: { multiline: true } },
    delimiter: { type: STRING, default: '', ui: { multiline: false } },
  },
  outputs: [{ name: 'STRING', type: STRING }],
  run({ string_a: a, string_b: b, delimiter }) {
    return [a + delimiter + b];
  },
});

/** The text ComfyUI shows: Python's words for constants, JSON where a value is JSON, else what it is. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return isJson(value) ? encodeJson(value) : outline(value);
}

function isJson(value: unknown): value is Json {
  if (Array.isArray(value)) return value.every(isJson);
  if (value instanceof Map) return [...value].every(([key, item]) => typeof key === 'string' && isJson(item));
  return value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}

/** Names and small values of an object; arrays of numbers by their length. */
function outline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${(value as unknown as ArrayLike<number>).length}`;
  const entries = Object.entries(value).map(([name, item]) =>
    `${name}: ${ArrayBuffer.isView(item) ? outline(item) : typeof item === 'object' && item !== null ? '…' : String(item)}`);
  return `{ ${entries.join(', ')} }`;
}
