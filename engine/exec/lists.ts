// Every output slot is a list of values. A node is called once for each element of its longest input list; short lists repeat their last element.
// Pure: knows nothing of runs and devices.
import type { Json } from '../formats/json.ts';
import type { Blocked, Expansion, OutputSpecs } from '../graph/node.ts';

/** One list of values for each output. */
export type Slots = readonly (readonly unknown[])[];

export interface InputList {
  readonly name: string;
  readonly values: readonly unknown[];
}

export function isBlocked(value: unknown): value is Blocked {
  return typeof value === 'object' && value !== null && (value as Blocked).kind === 'blocked';
}

export function isExpansion(value: unknown): value is Expansion {
  return typeof value === 'object' && value !== null && (value as Expansion).kind === 'expansion';
}

/** How often a node is called: once without inputs, never when a list is empty. */
export function callCount(inputs: readonly InputList[], wholeLists: boolean): number {
  if (wholeLists || inputs.length === 0) return 1;
  let count = 1;
  for (const { values } of inputs) {
    if (values.length === 0) return 0;
    if (values.length > count) count = values.length;
  }
  return count;
}

/** The values of one call; `wholeLists` gets the lists themselves. */
export function callInputs(inputs: readonly InputList[], call: number, wholeLists: boolean): Record<string, unknown> {
  const values = Object.create(null) as Record<string, unknown>;
  for (const { name, values: list } of inputs) values[name] = wholeLists ? list : list[call < list.length ? call : list.length - 1];
  return values;
}

/** The first blocked value that stops a call. */
export function blockedAmong(inputs: Readonly<Record<string, unknown>>, wholeLists: boolean): Blocked | undefined {
  for (const name in inputs) {
    const value = inputs[name];
    if (isBlocked(value)) return value;
    if (wholeLists) {
      const inside = (value as readonly unknown[]).find(isBlocked);
      if (inside !== undefined) return inside;
    }
  }
  return undefined;
}

/** Empty slots to which the results of calls are added. */
export function emptySlots(outputs: OutputSpecs): unknown[][] {
  return outputs.map(() => []);
}

/** Adds what one call returned. Throws when it is not one value for each output. */
export function addResult(slots: unknown[][], outputs: OutputSpecs, result: unknown): void {
  if (isBlocked(result)) {
    for (const slot of slots) slot.push(result);
    return;
  }
  const values = result === undefined && outputs.length === 0 ? [] : result;
  if (!Array.isArray(values) || values.length !== outputs.length) {
    throw new TypeError(`it returned ${Array.isArray(values) ? `${values.length} values` : typeof values} for ${outputs.length} outputs; return an array with one value for each output`);
  }
  for (let i = 0; i < outputs.length; i++) addValue(slots[i]!, outputs[i]!, values[i]);
}

/** Adds one value to a slot; the elements of an array where the output is a list. */
export function addValue(slot: unknown[], output: OutputSpecs[number], value: unknown): void {
  if (output.list !== true || isBlocked(value)) slot.push(value);
  else if (Array.isArray(value)) for (const item of value) slot.push(item);
  else throw new TypeError(`output ${output.name} is a list, but the value is none; return an array for it`);
}

/** Shown objects of several calls as one: key by key, lists are joined. */
export function mergeShown(shown: readonly Json[]): Json | undefined {
  if (shown.length < 2) return shown[0];
  const merged = new Map<string, Json>();
  for (const ui of shown) {
    if (!(ui instanceof Map)) throw new TypeError('what a node shows in several calls must be objects of lists');
    for (const [key, value] of ui as ReadonlyMap<string, Json>) {
      const before = merged.get(key);
      merged.set(key, Array.isArray(before) && Array.isArray(value) ? [...before, ...value] as Json : value);
    }
  }
  return merged;
}
