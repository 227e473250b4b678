// What is copied, as JSON text for the system's clipboard: a small workflow file, so that it pastes in another browser, into a file, or
// back. Text from a clipboard is hostile input and is read as any file is.
import { FormatError } from '../../engine/formats/errors.ts';
import { encodeJson, isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import type { InputEnd, OutputEnd } from './connections.ts';
import { emptyDocument, emptyRecord, layerOf, type DocLink, type DocNode, type Document, type Layer, type SubgraphDefinition } from './document.ts';
import type { NodeTypes } from './node-types.ts';
import { readWorkflowJson } from './read-any.ts';
import { objectAt, slotOf, stringOf } from './read-parts.ts';
import type { Selection } from './selection.ts';
import { writeDocument } from './write-file.ts';

/** What a clipboard held. `outer`: links that came into the copied nodes from others. */
export interface Clip {
  readonly document: Document;
  readonly outer: readonly { readonly from: OutputEnd; readonly to: InputEnd }[];
}

/** The selected nodes, groups and points as a clip; undefined when nothing that can be copied is selected. */
export function clipOf(document: Document, { layer: id, nodes, groups, reroutes }: Selection): Clip | undefined {
  const layer = layerOf(document, id);
  const chosen = new Set(nodes.filter((node) => layer.nodes[node] !== undefined));
  const frames = groups.flatMap((group) => layer.groups[group] ?? []);
  if (chosen.size === 0 && frames.length === 0) return undefined;
  const links = Object.values(layer.links).filter(({ from, to }) => chosen.has(from) && chosen.has(to));
  const outer = Object.values(layer.links).filter(({ from, to }) => !chosen.has(from) && chosen.has(to) && layer.nodes[from] !== undefined)
    .map(({ from, fromSlot, to, toSlot }) => ({ from: { node: from, slot: fromSlot }, to: { node: to, input: layer.nodes[to]!.inputs[toSlot]!.name } }));
  const kept = keptReroutes(layer, links, new Set(reroutes));
  const empty = emptyDocument();
  const root: Layer = {
    ...empty.root,
    nodes: record([...chosen].map((node) => withoutOtherLinks(layer.nodes[node]!, new Set(links.map((link) => link.id))))),
    links: record(links.map(({ parent, ...link }): DocLink => (parent !== undefined && kept.has(parent) ? { ...link, parent } : link))),
    groups: record(frames),
    reroutes: record([...kept].map((reroute) => layer.reroutes[reroute]!)),
    lastNodeId: layer.lastNodeId, lastLinkId: layer.lastLinkId, lastGroupId: layer.lastGroupId, lastRerouteId: layer.lastRerouteId,
  };
  return { document: { ...empty, root, subgraphs: usedSubgraphs(document, root) }, outer };
}

function record<T extends { readonly id: string }>(items: readonly T[]): Record<string, T> {
  const made = emptyRecord<T>();
  for (const item of items) made[item.id] = item;
  return made;
}

function withoutOtherLinks(node: DocNode, kept: ReadonlySet<string>): DocNode {
  return { ...node, inputs: node.inputs.map((input) => (input.link === null || kept.has(input.link) ? input : { ...input, link: null })) };
}

/** Points that lie on copied links, whole chains of them. */
function keptReroutes(layer: Layer, links: readonly DocLink[], chosen: ReadonlySet<string>): ReadonlySet<string> {
  const kept = new Set<string>();
  const keep = (start: string | undefined) => {
    for (let id = start; id !== undefined && layer.reroutes[id] !== undefined && !kept.has(id); id = layer.reroutes[id]?.parent) kept.add(id);
  };
  for (const { parent } of links) keep(parent);
  // a selected point whose link is not copied has nothing to lie on
  return new Set([...kept].filter((id) => chosen.has(id) || links.length > 0));
}

/** Definitions of the instances in a layer, and of those inside. */
export function usedSubgraphs(document: Document, layer: Layer): Record<string, SubgraphDefinition> {
  const used = emptyRecord<SubgraphDefinition>();
  const pending: Layer[] = [layer];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const { type } of Object.values(at.nodes)) {
      const definition = document.subgraphs[type];
      if (definition === undefined || used[type] !== undefined) continue;
      used[type] = definition;
      pending.push(definition.layer);
    }
  }
  return used;
}

/** The text for the system's clipboard. */
export function writeClipboard({ document, outer }: Clip, types: NodeTypes): string {
  const file = writeDocument(document, types);
  const links = outer.map(({ from, to }): Json => [from.node, BigInt(from.slot), to.node, to.input]);
  const extra = new Map(objectAt(file, 'extra')).set('bagelgraph', new Map<string, Json>([['clipboard', 1n], ['outer', links]]));
  return encodeJson(new Map(file).set('extra', extra));
}

/** Reads a clipboard's text; undefined when it is no workflow at all (then it may be pasted as something else). Throws a FormatError for a damaged one. */
export function readClipboard(text: string, types: NodeTypes): Clip | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let json: Json;
  try {
    json = parseJson(text);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  if (!isJsonObject(json) || !(isJsonArray(json.get('nodes')) || [...json.values()].some((node) => isJsonObject(node) && node.has('class_type')))) return undefined;
  const { document } = readWorkflowJson(json, types);
  return { document, outer: outerLinks(json) };
}

function outerLinks(json: JsonObject): Clip['outer'] {
  const list = objectAt(objectAt(json, 'extra'), 'bagelgraph')?.get('outer');
  return (isJsonArray(list) ? list.slice(0, 10_000) : []).flatMap((entry) => {
    const [from, slot, to, input] = isJsonArray(entry) ? entry : [];
    const [source, target, name, at] = [stringOf(from), stringOf(to), stringOf(input), slotOf(slot)];
    return source === undefined || target === undefined || name === undefined || at === undefined ? [] : [{ from: { node: source, slot: at }, to: { node: target, input: name } }];
  });
}
