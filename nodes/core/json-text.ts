// Json as text for picture metadata and previews, without loss: 5.0 stays 5.0 and 64-bit integers keep every digit.
import type { Json } from '../../engine/formats/json.ts';

/** Compact JSON. Numbers that JSON does not have (NaN, infinities) become null. */
export function stringifyJson(value: Json): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return numberText(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stringifyJson).join(',')}]`;
  return `{${[...(value as ReadonlyMap<string, Json>)].map(([name, item]) => `${JSON.stringify(name)}:${stringifyJson(item)}`).join(',')}}`;
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
