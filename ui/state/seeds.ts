// What happens to values after a run, or before it: fixed, increment, decrement, randomize. As ComfyUI does it, to the bounds of its
// random numbers. And the way back: the seed that made a picture.
import { produce } from 'immer';
import { isJsonArray, type Json } from '../../engine/formats/json.ts';
import type { Pick } from '../../engine/formats/workflow.ts';
import { layersOf, rootLayer, type Control, type Document, type EditableDocument, type LayerId, type NodeId } from './document.ts';
import { isControlMode, type NodeTypes, type Widget } from './node-types.ts';
import { placeOf } from './places.ts';
import { inputSlots, valueOf } from './slots.ts';

/** Random and stepped integers stay within ±2^50, as ComfyUI's page keeps them. */
const farthest = 1_125_899_906_842_624n;

export interface NextValue {
  readonly layer: LayerId;
  readonly node: NodeId;
  readonly input: string;
  readonly value: Json;
}

/**
 * The values that change by themselves after a run. Linked inputs keep theirs, so do nodes that are muted or bypassed. A partial run
 * changes nothing: do not call it then. With the setting "before", call it before each run but the first. `random` gives numbers in [0, 1).
 */
export function nextValues(document: Document, types: NodeTypes, random: () => number = Math.random): readonly NextValue[] {
  return layersOf(document).flatMap(([layer, { nodes }]) => Object.values(nodes).flatMap((node): readonly NextValue[] => {
    if (node.mode !== 0 || Object.keys(node.controls).length === 0) return [];
    return inputSlots(document, types, node).flatMap((slot): readonly NextValue[] => {
      const control = node.controls[slot.name];
      if (slot.widget === undefined || slot.link !== null || control === undefined) return [];
      const before = valueOf(node, slot);
      const value = nextValue(slot.widget, before, control, random);
      return value === undefined || value === before ? [] : [{ layer, node: node.id, input: slot.name, value }];
    });
  }));
}

/** Puts changed values into the document; for `History.amend`, for this is no step of the user's. */
export function applyValues(draft: EditableDocument, values: readonly NextValue[]): void {
  for (const { layer, node: id, input, value } of values) {
    const node = (layer === rootLayer ? draft.root : draft.subgraphs[layer]?.layer)?.nodes[id];
    if (node !== undefined) node.values[input] = value;
  }
}

/**
 * The document with the texts that a run picked out of `{a|b}`, for the workflow that goes along with it: read back, it makes the same picture.
 * Where two instances of a subgraph picked differently, and where the text came from elsewhere, it stays as written.
 */
export function withPicks(document: Document, picks: readonly Pick[]): Document {
  const values = new Map<string, NextValue | undefined>();
  for (const { node, input, written, picked } of picks) {
    const place = placeOf(document, node);
    if (place?.node.values[input] !== written) continue;
    const key = `${place.layer} ${place.node.id} ${input}`;
    const isOther = values.has(key) && values.get(key)?.value !== picked;
    values.set(key, isOther ? undefined : { layer: place.layer, node: place.node.id, input, value: picked });
  }
  const known = [...values.values()].filter((value) => value !== undefined);
  return known.length === 0 ? document : produce(document, (draft) => applyValues(draft as unknown as EditableDocument, known));
}

/** The value after a run; undefined where it stays. */
export function nextValue(widget: Widget, value: Json | undefined, { mode, filter }: Control, random: () => number): Json | undefined {
  if (mode === 'fixed') return undefined;
  switch (widget.kind) {
    case 'integer': return nextInteger(widget, value, mode, random);
    case 'float': return nextFloat(widget, value, mode, random);
    case 'choice': return nextChoice(widget.choices, value, mode, filter, random);
    default: return undefined;
  }
}

function nextInteger({ min: least, max: most, step }: Extract<Widget, { kind: 'integer' }>, value: Json | undefined, mode: Control['mode'], random: () => number): bigint {
  const min = least < -farthest ? -farthest : least;
  const max = most > farthest ? farthest : most;
  const before = typeof value === 'bigint' ? value : typeof value === 'number' && Number.isFinite(value) ? BigInt(Math.trunc(value)) : min;
  const clamp = (wanted: bigint) => (wanted < min ? min : wanted > max ? max : wanted);
  if (mode === 'decrement') return clamp(before - step);
  if (mode === 'randomize') return clamp(BigInt(Math.floor(random() * Number((max - min) / step))) * step + min);
  if (mode === 'increment-wrap' && before + step > max) return min;
  return clamp(before + step);
}

function nextFloat({ min: least, max: most, step }: Extract<Widget, { kind: 'float' }>, value: Json | undefined, mode: Control['mode'], random: () => number): number {
  const min = Math.max(-Number(farthest), least);
  const max = Math.min(Number(farthest), most);
  const before = typeof value === 'number' || typeof value === 'bigint' ? Number(value) : min;
  const raw = mode === 'decrement' ? before - step : mode === 'randomize' ? Math.floor(random() * ((max - min) / step)) * step + min : mode === 'increment-wrap' && before + step > max ? min : before + step;
  return Number(Math.min(max, Math.max(min, raw)).toFixed(10));
}

function nextChoice(choices: readonly Json[], value: Json | undefined, mode: Control['mode'], filter: string | undefined, random: () => number): Json | undefined {
  const kept = choices.filter(matcherOf(filter));
  if (kept.length === 0 || isJsonArray(value)) return undefined;
  const at = kept.findIndex((choice) => choice === value);
  switch (mode) {
    case 'increment': return kept[Math.min(kept.length - 1, at + 1)];
    case 'increment-wrap': return kept[(at + 1) % kept.length];
    case 'decrement': return kept[Math.max(0, at - 1)];
    default: return kept[Math.floor(random() * kept.length)];
  }
}

/** A filter is a text that the choice must hold (whatever its case), or `/a pattern/`. One that cannot be read lets everything pass. */
function matcherOf(filter: string | undefined): (choice: Json) => boolean {
  if (filter === undefined || filter === '') return () => true;
  const written = /^\/(.*)\/([a-z]*)$/s.exec(filter);
  // a filter comes from a file: a pattern that could run for ages (a repeat inside a repeat) is taken as plain text
  const isHarmless = written !== null && filter.length <= 200 && !/\([^)]*[+*{][^)]*\)[+*{]/.test(filter);
  if (!isHarmless) return (choice) => String(choice).toLowerCase().includes(filter.toLowerCase());
  try {
    const pattern = new RegExp(written[1]!, written[2]!.replace(/[gy]/g, ''));
    return (choice) => pattern.test(String(choice).slice(0, 1000));
  } catch {
    return () => true;
  }
}

/** The modes that a widget can have, in the order shown. */
export function controlModesOf(widget: Widget): readonly Control['mode'][] {
  return (widget.kind === 'choice' ? ['fixed', 'increment', 'increment-wrap', 'decrement', 'randomize'] : ['fixed', 'increment', 'decrement', 'randomize']).filter(isControlMode);
}
