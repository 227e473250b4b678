// The document → a workflow file. What did not change is written back as it was read, byte for byte; nodes of the file keep their places,
// new ones follow by id. Knows of changes only by reading the kept JSON again.
import type { Form } from '../../engine/formats/forms.ts';
import { encodeJson, equalJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { inputBoundary, outputBoundary, type DocGroup, type DocLink, type DocNode, type DocReroute, type Document, type Layer, type LinkId, type NodeId, type Port, type SubgraphDefinition } from './document.ts';
import type { NodeType, NodeTypes } from './node-types.ts';
import { readBefore, readNode } from './read-file.ts';
import { objectAt, textOf } from './read-parts.ts';
import { nodeTypeOf } from './slots.ts';
import { writeValues } from './widget-values.ts';
import { equalPlain, idJson, keepOrder, numberJson, overlay, type Members } from './write-parts.ts';

/** The workflow file of a document, schema 0.4 unless it came as 1. Types must be those that are known now. */
export function writeDocument(document: Document, types: NodeTypes): JsonObject {
  const isNew = document.raw.size === 0;
  const before = isNew ? undefined : readBefore(document.raw, types);
  const writer: Writer = { document, types, typeOf: rememberTypes(document, types), isVersion1: isVersion1(document.raw) };
  const top = isNew ? newFile() : document.raw;
  let file = overlay(top, layerMembers(writer, document.root, before?.root, writer.isVersion1));
  file = writeSubgraphs(writer, file, before);
  file = writeForm(file, document.form, before?.form);
  return writer.isVersion1 ? file : writeOldReroutes(file, document.root, before?.root);
}

/** The file as text, indented as it came (two spaces for new ones). */
export function writeText(document: Document, types: NodeTypes, indent = 2): string {
  return encodeJson(writeDocument(document, types), { indent });
}

interface Writer {
  readonly document: Document;
  readonly types: NodeTypes;
  readonly typeOf: (type: string) => NodeType | undefined;
  readonly isVersion1: boolean;
}

function rememberTypes(document: Document, types: NodeTypes): (type: string) => NodeType | undefined {
  const known = new Map<string, NodeType | undefined>();
  return (type) => {
    if (!known.has(type)) known.set(type, nodeTypeOf(document, types, type));
    return known.get(type);
  };
}

function isVersion1(raw: JsonObject): boolean {
  const version = raw.get('version');
  return version === 1n || version === 1;
}

function newFile(): JsonObject {
  return new Map<string, Json>([['last_node_id', 0n], ['last_link_id', 0n], ['nodes', []], ['links', []], ['groups', []], ['config', new Map()], ['extra', new Map()], ['version', 0.4]]);
}

/** Members of a graph that are not as they were. `asObjects`: links are objects, counters stand in `state`, reroutes in a list of their own. */
function layerMembers(writer: Writer, layer: Layer, before: Layer | undefined, asObjects: boolean): Members {
  const members = new Map<string, Json | undefined>();
  members.set('nodes', writeNodes(writer, layer, before));
  members.set('links', writeLinks(layer, before, asObjects));
  const saved = Object.values((before ?? layer).groups);
  const groups = keepOrder(layer.raw.get('groups'), (entry) => groupIdOf(saved, entry), layer.groups, (group) => writeGroup(group, before?.groups[group.id]));
  if (groups.length > 0 || layer.raw.has('groups')) members.set('groups', groups);
  if (asObjects) {
    const reroutes = writeReroutes(layer, before);
    if (reroutes.length > 0 || layer.raw.has('reroutes')) members.set('reroutes', reroutes);
  }
  for (const [key, stateKey, value, old] of [
    ['last_node_id', 'lastNodeId', layer.lastNodeId, before?.lastNodeId], ['last_link_id', 'lastLinkId', layer.lastLinkId, before?.lastLinkId],
    ['last_group_id', 'lastGroupId', layer.lastGroupId, before?.lastGroupId], ['last_reroute_id', 'lastRerouteId', layer.lastRerouteId, before?.lastRerouteId],
  ] as const) {
    if (value === old) continue;
    const state = (members.get('state') as JsonObject | undefined) ?? objectAt(layer.raw, 'state');
    if (state !== undefined || asObjects) members.set('state', new Map(state).set(stateKey, BigInt(value)));
    else if (key === 'last_node_id' || key === 'last_link_id') members.set(key, BigInt(value));
  }
  return members;
}

function writeNodes(writer: Writer, layer: Layer, before: Layer | undefined): readonly Json[] {
  return keepOrder(layer.raw.get('nodes'), (entry) => (isJsonObject(entry) ? textOf(entry.get('id')) : undefined), layer.nodes, (node) => writeNode(writer, layer, node, before));
}

function writeNode({ typeOf, types }: Writer, layer: Layer, node: DocNode, beforeLayer: Layer | undefined): JsonObject {
  const raw: JsonObject = node.raw ?? new Map();
  const inPlace = beforeLayer?.nodes[node.id];
  if (inPlace === node && node.raw !== undefined && hasSameLinks(node.id, layer, beforeLayer!)) return raw;
  // a pasted node came from elsewhere: compare with what its own JSON says
  const before = node.raw === undefined ? undefined : inPlace?.raw !== undefined && (inPlace.raw === node.raw || equalJson(inPlace.raw, node.raw)) ? inPlace : { ...readNode(node.raw, 0, 'node'), inputs: [], outputs: [] };
  const members = new Map<string, Json | undefined>();
  const set = <K extends keyof DocNode>(key: K, name: string, write: (value: NonNullable<DocNode[K]>) => Json) => {
    const value = node[key];
    if (before !== undefined && equalPlain(before[key], value)) return;
    members.set(name, value === undefined || value === null ? undefined : write(value as NonNullable<DocNode[K]>));
  };
  set('id', 'id', idJson);
  set('type', 'type', String);
  set('pos', 'pos', (pos) => pos.map(numberJson));
  set('size', 'size', (size) => size.map(numberJson));
  set('flags', 'flags', (flags) => new Map([...withoutOurFlags(raw), ...Object.entries(flags)]));
  set('order', 'order', numberJson);
  set('mode', 'mode', numberJson);
  const inputs = writeInputs(node, before);
  if (inputs !== undefined) members.set('inputs', inputs);
  const outputs = writeOutputs(layer, node, beforeLayer, before);
  if (outputs !== undefined) members.set('outputs', outputs);
  set('title', 'title', String);
  if (before === undefined || !equalJson(before.properties, node.properties)) members.set('properties', node.properties);
  for (const [name, value] of writeValues(node, typeOf(node.type), types) ?? []) members.set(name, value);
  set('color', 'color', String);
  set('bgcolor', 'bgcolor', String);
  set('shape', 'shape', numberJson);
  return overlay(raw, members);
}

function withoutOurFlags(raw: JsonObject): readonly (readonly [string, Json])[] {
  return [...(objectAt(raw, 'flags') ?? [])].filter(([name]) => name !== 'collapsed' && name !== 'pinned');
}

function hasSameLinks(node: NodeId, layer: Layer, before: Layer): boolean {
  return layer.links === before.links || equalPlain(linksByOutput(layer).get(node), linksByOutput(before).get(node));
}

/** Undefined when the file's own still say the same. */
function writeInputs(node: DocNode, before: DocNode | undefined): readonly Json[] | undefined {
  const isSame = before !== undefined && before.inputs.length === node.inputs.length && node.inputs.every((input, i) => equalPlain(before.inputs[i], input));
  if (isSame) return undefined;
  return node.inputs.map((input) => {
    const old = before?.inputs.find(({ name, raw }) => raw !== undefined && name === input.name);
    const members = new Map<string, Json | undefined>();
    if (input.raw === undefined || textOf(input.raw.get('name')) !== input.name) members.set('name', input.name);
    if (old === undefined || old.type !== input.type) members.set('type', input.type);
    if (old?.label !== input.label) members.set('label', input.label);
    if (old?.shape !== input.shape) members.set('shape', input.shape === undefined ? undefined : numberJson(input.shape));
    if (old?.widget !== input.widget) members.set('widget', input.widget === undefined ? undefined : new Map([['name', input.widget]]));
    if (old === undefined || old.link !== input.link) members.set('link', input.link === null ? null : idJson(input.link));
    return overlay(input.raw ?? new Map(), members);
  });
}

function writeOutputs(layer: Layer, node: DocNode, beforeLayer: Layer | undefined, before: DocNode | undefined): readonly Json[] | undefined {
  const links = linksByOutput(layer).get(node.id) ?? [];
  const beforeLinks = (beforeLayer !== undefined && before !== undefined ? linksByOutput(beforeLayer).get(before.id) : undefined) ?? [];
  const isSame = before !== undefined && before.outputs.length === node.outputs.length && node.outputs.every((output, i) => equalPlain(before.outputs[i], output) && equalPlain(links[i] ?? [], beforeLinks[i] ?? []));
  if (isSame) return undefined;
  return node.outputs.map((output, slot) => {
    const old = before?.outputs[slot];
    const members = new Map<string, Json | undefined>();
    if (old?.name !== output.name) members.set('name', output.name);
    if (old?.type !== output.type) members.set('type', output.type);
    if (old?.label !== output.label) members.set('label', output.label);
    if (old?.shape !== output.shape) members.set('shape', output.shape === undefined ? undefined : numberJson(output.shape));
    const own = links[slot] ?? [];
    const saved = output.raw?.get('links');
    const inFile = isJsonArray(saved) ? saved.map((link) => textOf(link) ?? '') : [];
    if (output.raw === undefined || !equalPlain([...own].sort(), [...inFile].sort())) {
      members.set('links', own.length === 0 && saved === null ? null : [...inFile.filter((id) => own.includes(id)), ...own.filter((id) => !inFile.includes(id))].map(idJson));
    }
    return overlay(output.raw ?? new Map(), members);
  });
}

/** Ids of links by source and slot, gathered once a layer. */
function linksByOutput(layer: Layer): ReadonlyMap<NodeId, readonly (readonly LinkId[])[]> {
  const known = gathered.get(layer.links);
  if (known !== undefined) return known;
  const byNode = new Map<NodeId, LinkId[][]>();
  for (const { id, from, fromSlot } of Object.values(layer.links)) {
    const slots = byNode.get(from) ?? [];
    byNode.set(from, slots);
    while (slots.length <= fromSlot) slots.push([]);
    slots[fromSlot]!.push(id);
  }
  gathered.set(layer.links, byNode);
  return byNode;
}
const gathered = new WeakMap<object, ReadonlyMap<NodeId, readonly (readonly LinkId[])[]>>();

/** Links of the file stay where they stand; entries that were no links to us stay too. */
function writeLinks(layer: Layer, before: Layer | undefined, asObjects: boolean): readonly Json[] {
  const saved = layer.raw.get('links');
  const written: Json[] = [];
  const inFile = new Set<LinkId>();
  for (const entry of isJsonArray(saved) ? saved : []) {
    const id = textOf(isJsonArray(entry) ? entry[0] : isJsonObject(entry) ? entry.get('id') : undefined);
    const old = id === undefined ? undefined : before?.links[id];
    const link = id === undefined ? undefined : layer.links[id];
    if (id !== undefined && link !== undefined) inFile.add(id);
    if (old === undefined && link === undefined) written.push(entry);
    else if (link !== undefined) written.push(old !== undefined && isSameLink(old, link) ? entry : writeLink(link, isJsonObject(entry) || asObjects));
  }
  // what joining made when the file was read was in no list before, so it is not added now
  const isMadeByReading = (link: DocLink) => before?.links[link.id] !== undefined && isSameLink(before.links[link.id]!, link) && before.links[link.id]!.raw === undefined;
  const added = Object.values(layer.links).filter((link) => !inFile.has(link.id) && !isMadeByReading(link));
  return [...written, ...added.map((link) => writeLink(link, asObjects))];
}

function isSameLink(a: DocLink, b: DocLink): boolean {
  return a.from === b.from && a.fromSlot === b.fromSlot && a.to === b.to && a.toSlot === b.toSlot && a.type === b.type && a.parent === b.parent;
}

function writeLink({ id, from, fromSlot, to, toSlot, type, parent }: DocLink, asObject: boolean): Json {
  const values = [idJson(id), idJson(from), BigInt(fromSlot), idJson(to), BigInt(toSlot), type];
  if (!asObject) return values;
  const keys = ['id', 'origin_id', 'origin_slot', 'target_id', 'target_slot', 'type'];
  return new Map<string, Json>([...keys.map((key, i) => [key, values[i]!] as const), ...(parent === undefined ? [] : [['parentId', idJson(parent)] as const])]);
}

/** Groups of old files have no id: then it is the one that reading gave. */
function groupIdOf(groups: readonly DocGroup[], entry: Json): string | undefined {
  return (groups.find(({ raw }) => raw === entry) ?? groups.find(({ raw }) => raw !== undefined && equalJson(raw, entry)))?.id;
}

function writeGroup(group: DocGroup, before: DocGroup | undefined): JsonObject {
  const raw = group.raw ?? new Map<string, Json>();
  const old = group.raw === undefined ? undefined : before;
  const members = new Map<string, Json | undefined>();
  if (group.raw === undefined) members.set('id', idJson(group.id));
  if (old?.title !== group.title) members.set('title', group.title);
  if (!equalPlain(old?.box, group.box)) members.set('bounding', group.box.map(numberJson));
  if (old?.color !== group.color) members.set('color', group.color);
  if (old?.fontSize !== group.fontSize) members.set('font_size', group.fontSize === undefined ? undefined : numberJson(group.fontSize));
  if (old?.isPinned !== group.isPinned) members.set('flags', new Map([...(objectAt(raw, 'flags') ?? [])].filter(([name]) => name !== 'pinned').concat(group.isPinned === true ? [['pinned', true]] : [])));
  return overlay(raw, members);
}

function writeReroutes(layer: Layer, before: Layer | undefined, saved: Json | undefined = layer.raw.get('reroutes')): readonly Json[] {
  const links = linksByReroute(layer);
  const oldLinks = before === undefined ? new Map<string, readonly LinkId[]>() : linksByReroute(before);
  return keepOrder(saved, (entry) => (isJsonObject(entry) ? textOf(entry.get('id')) : undefined), layer.reroutes, (reroute) => writeReroute(reroute, before?.reroutes[reroute.id], links, oldLinks));
}

function writeReroute(reroute: DocReroute, before: DocReroute | undefined, links: ReadonlyMap<string, readonly LinkId[]>, oldLinks: ReadonlyMap<string, readonly LinkId[]>): JsonObject {
  const old = reroute.raw === undefined ? undefined : before;
  const members = new Map<string, Json | undefined>();
  if (old === undefined) members.set('id', idJson(reroute.id));
  if (old?.parent !== reroute.parent) members.set('parentId', reroute.parent === undefined ? undefined : idJson(reroute.parent));
  if (!equalPlain(old?.pos, reroute.pos)) members.set('pos', reroute.pos.map(numberJson));
  const own = links.get(reroute.id) ?? [];
  if (old === undefined || !equalPlain(own, oldLinks.get(reroute.id) ?? [])) members.set('linkIds', own.map(idJson));
  return overlay(reroute.raw ?? new Map(), members);
}

/** The links that pass each reroute. */
function linksByReroute(layer: Layer): Map<string, readonly LinkId[]> {
  const passing = new Map<string, LinkId[]>();
  for (const { id, parent } of Object.values(layer.links)) {
    for (let at = parent; at !== undefined; at = layer.reroutes[at]?.parent) passing.set(at, [...(passing.get(at) ?? []), id]);
  }
  return passing;
}

/** Schema 0.4 keeps reroutes and the links' ends at them in `extra`. */
function writeOldReroutes(file: JsonObject, layer: Layer, before: Layer | undefined): JsonObject {
  const ends = (of: Layer | undefined) => Object.values(of?.links ?? {}).filter(({ parent }) => parent !== undefined).map(({ id, parent }) => [id, parent] as const);
  const isSame = equalPlain(Object.values(layer.reroutes), Object.values(before?.reroutes ?? {})) && equalPlain(ends(layer), ends(before));
  if (isSame) return file;
  const extra = objectAt(file, 'extra');
  const extensions = ends(layer).map(([id, parent]) => new Map([['id', idJson(id)], ['parentId', idJson(parent!)]]));
  return new Map(file).set('extra', overlay(extra ?? new Map(), new Map<string, Json | undefined>([
    ['reroutes', Object.keys(layer.reroutes).length === 0 ? undefined : writeReroutes(layer, before, extra?.get('reroutes'))],
    ['linkExtensions', extensions.length === 0 ? undefined : extensions],
  ])));
}

function writeSubgraphs(writer: Writer, file: JsonObject, before: Document | undefined): JsonObject {
  const { subgraphs } = writer.document;
  const definitions = objectAt(file, 'definitions');
  if (Object.keys(subgraphs).length === 0 && definitions === undefined) return file;
  const written = keepOrder(definitions?.get('subgraphs'), (entry) => (isJsonObject(entry) ? textOf(entry.get('id')) : undefined), subgraphs, (definition) => writeSubgraph(writer, definition, before?.subgraphs[definition.id]));
  return new Map(file).set('definitions', new Map(definitions).set('subgraphs', written));
}

function writeSubgraph(writer: Writer, definition: SubgraphDefinition, before: SubgraphDefinition | undefined): JsonObject {
  const raw: JsonObject = definition.raw ?? new Map<string, Json>([['id', definition.id], ['version', 1n], ['state', new Map()], ['revision', 0n], ['config', new Map()], ['name', definition.name]]);
  const old = definition.raw === undefined ? undefined : before;
  const members = new Map(layerMembers(writer, definition.layer, old?.layer, true));
  if (old?.name !== definition.name) members.set('name', definition.name);
  for (const [key, boundary] of [['inputs', inputBoundary], ['outputs', outputBoundary]] as const) {
    const ids = linksAtPorts(definition, boundary);
    const oldIds = old === undefined ? undefined : linksAtPorts(old, boundary);
    const isSame = old !== undefined && equalPlain(old[key], definition[key]) && equalPlain(ids, oldIds);
    if (!isSame) members.set(key, definition[key].map((port, i) => writePort(port, old?.[key].find(({ id }) => id === port.id), ids[i] ?? [])));
  }
  return overlay(raw, members);
}

function linksAtPorts({ layer, inputs, outputs }: SubgraphDefinition, boundary: NodeId): readonly (readonly LinkId[])[] {
  const ids: LinkId[][] = (boundary === inputBoundary ? inputs : outputs).map(() => []);
  for (const { id, from, fromSlot, to, toSlot } of Object.values(layer.links)) {
    if (boundary === inputBoundary && from === boundary) ids[fromSlot]?.push(id);
    if (boundary === outputBoundary && to === boundary) ids[toSlot]?.push(id);
  }
  return ids;
}

function writePort(port: Port, old: Port | undefined, links: readonly LinkId[]): JsonObject {
  const members = new Map<string, Json | undefined>();
  if (old?.id !== port.id) members.set('id', port.id);
  if (old?.name !== port.name) members.set('name', port.name);
  if (old?.type !== port.type) members.set('type', port.type);
  members.set('linkIds', links.map(idJson));
  if (old?.label !== port.label) members.set('label', port.label);
  return overlay(port.raw ?? new Map(), members);
}

function writeForm(file: JsonObject, form: Form | undefined, before: Form | undefined): JsonObject {
  if (equalPlain(form, before)) return file;
  const extra = objectAt(file, 'extra');
  const entry = (member: object) => new Map(Object.entries(member).map(([key, value]) => [key, String(value)]));
  const written = form === undefined ? undefined : new Map<string, Json>([['inputs', form.inputs.map(entry)], ['outputs', form.outputs.map(entry)]]);
  const ours = overlay(objectAt(extra, 'bagelgraph') ?? new Map(), new Map([['form', written]]));
  return new Map(file).set('extra', overlay(extra ?? new Map(), new Map([['bagelgraph', ours.size === 0 ? undefined : ours]])));
}

