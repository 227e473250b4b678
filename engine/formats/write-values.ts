// Writes values back into a workflow file, so that the workflow kept with a picture is the one that made it.
import type { ApiPrompt } from './api.ts';
import { equalJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import type { Definitions, NodeShape } from './object-info.ts';
import { placesOf, withoutForcedEntries } from './widgets.ts';

export interface Change {
  readonly node: string;
  readonly input: string;
  readonly value: Json;
}

/** The inputs that became another literal between two states of one prompt. */
export function changesBetween(before: ApiPrompt, after: ApiPrompt): readonly Change[] {
  return [...after.nodes].flatMap(([node, { inputs }]) => {
    const old = before.nodes.get(node)?.inputs;
    return [...inputs].filter(([name, value]) => !isJsonArray(value) && !equalJson(old?.get(name), value))
      .map(([input, value]) => ({ node, input, value: isJsonObject(value) && value.has('__value__') ? value.get('__value__')! : value }));
  });
}

/**
 * A copy of a workflow file with widgets set; a link at a set input goes. Nodes inside subgraphs are left as they are,
 * for their definition serves every instance.
 */
export function writeValues(workflow: Json, changes: readonly Change[], definitions: Definitions): Json {
  if (changes.length === 0 || !isJsonObject(workflow)) return workflow;
  const nodes = workflow.get('nodes');
  if (!isJsonArray(nodes)) return workflow;
  const unlinked = new Set<string>();
  const written = nodes.map((node) => {
    if (!isJsonObject(node)) return node;
    const own = changes.filter((change) => change.node === String(node.get('id')));
    const shape = own.length === 0 ? undefined : definitions(String(node.get('type')));
    return shape === undefined ? node : withLinksCut(withWidgets(node, shape, own), own, unlinked);
  });
  const links = workflow.get('links');
  const isCut = (link: Json) => unlinked.has(String(isJsonArray(link) ? link[0] : isJsonObject(link) ? link.get('id') : undefined));
  return new Map(workflow).set('nodes', written.map((node) => withoutLinks(node, unlinked))).set('links', isJsonArray(links) ? links.filter((link) => !isCut(link)) : links ?? []);
}

function withWidgets(node: JsonObject, shape: NodeShape, changes: readonly Change[]): JsonObject {
  const written = new Map(node);
  const values = node.get('widgets_values');
  for (const key of ['widgets_values', 'widgets_values_named']) {
    const named = node.get(key);
    if (isJsonObject(named)) written.set(key, new Map([...named, ...changes.map(({ input, value }) => [input, value] as const)]));
  }
  if (!isJsonObject(values)) written.set('widgets_values', withEntries(isJsonArray(values) ? values : [], shape, changes));
  return written;
}

function withEntries(saved: readonly Json[], shape: NodeShape, changes: readonly Change[]): readonly Json[] {
  const widgets = shape.inputs.filter(({ widget }) => widget !== undefined);
  const entries = [...withoutForcedEntries(saved, shape)];
  const places = placesOf(entries, widgets.map(({ name, widget }) => ({ name, controls: widget!.controls })));
  const wanted = new Map(changes.map(({ input, value }) => [input, value]));
  const last = widgets.findLastIndex(({ name }) => wanted.has(name));
  widgets.forEach(({ name, widget }, i) => {
    const at = places.get(name);
    if (at !== undefined && wanted.has(name)) entries[at] = wanted.get(name)!;
    // a file of an older version ends early: what stands before the set value is filled with defaults
    if (at === undefined && i <= last) entries.push(wanted.get(name) ?? widget!.initial ?? null, ...['fixed', ''].slice(0, widget!.controls));
  });
  return entries;
}

function withLinksCut(node: JsonObject, changes: readonly Change[], unlinked: Set<string>): JsonObject {
  const inputs = node.get('inputs');
  if (!isJsonArray(inputs)) return node;
  const names = new Set(changes.map(({ input }) => input));
  return new Map(node).set('inputs', inputs.map((input) => {
    const link = isJsonObject(input) ? input.get('link') : undefined;
    if (!isJsonObject(input) || !names.has(String(input.get('name'))) || link === undefined || link === null) return input;
    unlinked.add(String(link));
    return new Map(input).set('link', null);
  }));
}

/** Cuts the same links at the outputs they came from. */
function withoutLinks(node: Json, unlinked: ReadonlySet<string>): Json {
  const outputs = isJsonObject(node) ? node.get('outputs') : undefined;
  if (unlinked.size === 0 || !isJsonObject(node) || !isJsonArray(outputs)) return node;
  return new Map(node).set('outputs', outputs.map((output) => {
    const links = isJsonObject(output) ? output.get('links') : undefined;
    return isJsonObject(output) && isJsonArray(links) ? new Map(output).set('links', links.filter((link) => !unlinked.has(String(link)))) : output;
  }));
}
