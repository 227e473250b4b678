// A workflow file (UI form, schema 0.4 and 1) → the document. Nothing is lost: each part keeps the JSON it came from.
// The links of a document are sound whatever the file says: the input that names a link is its end.
import { FormatError } from '../../engine/formats/errors.ts';
import { readForm } from '../../engine/formats/forms.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { emptyRecord, inputBoundary, outputBoundary, type DocGroup, type DocInput, type DocLink, type DocNode, type DocOutput, type DocReroute, type Document, type Layer, type LinkId, type Mode, type NodeId, type Port, type RerouteId, type SubgraphDefinition } from './document.ts';
import { message, type Message } from './messages.ts';
import type { NodeType, NodeTypes } from './node-types.ts';
import { boxOfJson, farthest, idOf, keep, limits, listAt, numberOf, objectAt, pairOf, present, slotOf, stringOf, textOf, typeText } from './read-parts.ts';
import { nodeTypeOf, titleOf } from './slots.ts';
import { readValues } from './widget-values.ts';

export interface ReadDocument {
  readonly document: Document;
  /** What the user may want to know: links that lead nowhere, types that are not installed. */
  readonly notices: readonly Message[];
}

const lastRead = new WeakMap<JsonObject, { readonly types: NodeTypes; readonly document: Document }>();

/** The document as it was read from this very JSON: what did not change since is the same object. */
export function readBefore(json: JsonObject, types: NodeTypes): Document {
  const before = lastRead.get(json);
  return before?.types === types ? before.document : readDocument(json, types).document;
}

/** Reads a workflow file. Throws a FormatError that says where the shape is wrong or which limit is passed. */
export function readDocument(json: Json, types: NodeTypes): ReadDocument {
  if (!isJsonObject(json) || !isJsonArray(json.get('nodes'))) throw new FormatError(`a workflow is an object with a list of nodes, got ${describeJson(json)}`);
  const notices: Message[] = [];
  const subgraphs = emptyRecord<SubgraphDefinition>();
  for (const entry of listAt(objectAt(json, 'definitions'), 'subgraphs', limits.subgraphs, 'definitions')) {
    const id = isJsonObject(entry) ? idOf(entry.get('id'), 'definitions.subgraphs') : undefined;
    if (!isJsonObject(entry) || id === undefined) throw new FormatError('definitions.subgraphs: an entry has no id');
    if (subgraphs[id] !== undefined) throw new FormatError(`definitions.subgraphs: two have the id ${id}`);
    subgraphs[id] = readSubgraph(entry, id, types);
  }
  const untyped: Document = { root: readLayer(json, 'workflow', types, {}), subgraphs, raw: keep(json), ...present({ form: readFormOf(json, notices) }) };
  const document = withValues(untyped, types, notices);
  countRepairs(document, notices);
  const unknown = new Set(Object.values(document.root.nodes).filter(({ isUntyped }) => isUntyped === true).map(({ type }) => type));
  if (unknown.size > 0) notices.push(message('file.unknown-types', { types: [...unknown].join(', ') }));
  lastRead.set(json, { types, document });
  return { document, notices };
}

function readFormOf(json: JsonObject, notices: Message[]): Document['form'] {
  try {
    return readForm(json);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    notices.push(message('file.bad-form', { reason: error.message }));
    return undefined;
  }
}

function countRepairs(document: Document, notices: Message[]): void {
  const dropped = [document.root, ...Object.values(document.subgraphs).map(({ layer }) => layer)].reduce((sum, { raw, links }) => {
    const saved = raw.get('links');
    return sum + (isJsonArray(saved) ? saved.filter((link) => link !== null).length - Object.keys(links).length : 0);
  }, 0);
  if (dropped > 0) notices.push(message('file.repaired-links', { count: dropped }));
}

/** Values come last: the widgets of an instance follow from what its subgraph holds. */
function withValues(document: Document, types: NodeTypes, notices: Message[]): Document {
  const known = new Map<string, NodeType | undefined>();
  const typeOf = (type: string) => {
    if (!known.has(type)) known.set(type, nodeTypeOf(document, types, type));
    return known.get(type);
  };
  const read = (layer: Layer): Layer => {
    const nodes = emptyRecord<DocNode>();
    for (const node of Object.values(layer.nodes)) {
      const type = typeOf(node.type);
      const { values, controls, disagrees } = readValues(node.raw ?? new Map(), type, types);
      nodes[node.id] = { ...node, values, controls, ...(type === undefined ? { isUntyped: true } : {}) };
      if (disagrees) notices.push(message('file.values-disagree', { title: titleOf(document, types, node) }));
    }
    return { ...layer, nodes };
  };
  const subgraphs = emptyRecord<SubgraphDefinition>();
  for (const definition of Object.values(document.subgraphs)) subgraphs[definition.id] = { ...definition, layer: read(definition.layer) };
  return { ...document, subgraphs, root: read(document.root) };
}

function readSubgraph(json: JsonObject, id: string, types: NodeTypes): SubgraphDefinition {
  const where = `subgraph ${id}`;
  const inputs = readPorts(json, 'inputs', where);
  const outputs = readPorts(json, 'outputs', where);
  return { id, name: stringOf(json.get('name')) ?? id, layer: readLayer(json, where, types, { inputs, outputs }), inputs, outputs, raw: keep(json) };
}

function readPorts(json: JsonObject, key: string, where: string): readonly Port[] {
  return listAt(json, key, limits.slots, where).map((entry, i): Port => {
    const port = isJsonObject(entry) ? entry : new Map<string, Json>();
    return { id: textOf(port.get('id')) ?? `${key}-${i}`, name: textOf(port.get('name')) ?? '', type: typeText(port.get('type')), raw: keep(port), ...present({ label: stringOf(port.get('label')) }) };
  });
}

/** Reads a graph: the workflow or the inside of a subgraph. Values are not read yet. */
function readLayer(json: JsonObject, where: string, types: NodeTypes, boundary: { readonly inputs?: readonly Port[]; readonly outputs?: readonly Port[] }): Layer {
  const nodes = readNodes(json, where);
  const reroutes = readReroutes(json, where);
  const parents = new Map(listAt(objectAt(json, 'extra'), 'linkExtensions', limits.links, where).filter(isJsonObject).map((entry) => [textOf(entry.get('id')), textOf(entry.get('parentId'))]));
  const saved = new Map<LinkId, SavedLink>();
  for (const entry of listAt(json, 'links', limits.links, where)) {
    const link = readLink(entry, where);
    if (link !== undefined) saved.set(link.id, { ...link, ...present({ parent: link.parent ?? parents.get(link.id) }) });
  }
  const state = objectAt(json, 'state');
  const last = (key: string, stateKey: string, ids: Iterable<string>) => largest([textOf(json.get(key)) ?? '', textOf(state?.get(stateKey)) ?? '', ...ids]);
  const lastLinkId = last('last_link_id', 'lastLinkId', saved.keys());
  const joined = joinLinks(nodes, saved, reroutes, lastLinkId, types, boundary);
  const groups = readGroups(json, where);
  return {
    ...joined, groups, reroutes,
    lastNodeId: last('last_node_id', 'lastNodeId', Object.keys(nodes)),
    lastGroupId: last('last_group_id', 'lastGroupId', Object.keys(groups)),
    lastRerouteId: last('last_reroute_id', 'lastRerouteId', Object.keys(reroutes)),
    raw: keep(json),
  };
}

function largest(ids: Iterable<string>): number {
  let most = 0;
  for (const id of ids) if (/^\d{1,15}$/.test(id)) most = Math.max(most, Number(id));
  return most;
}

function readNodes(json: JsonObject, where: string): Record<NodeId, DocNode> {
  const nodes = emptyRecord<DocNode>();
  listAt(json, 'nodes', limits.nodes, where).forEach((entry, i) => {
    if (!isJsonObject(entry)) throw new FormatError(`${where}: nodes[${i}] must be an object, got ${describeJson(entry)}`);
    const node = readNode(entry, i, where);
    if (nodes[node.id] !== undefined) throw new FormatError(`${where}: two nodes have the id ${node.id}`);
    nodes[node.id] = node;
  });
  return nodes;
}

/** A node alone: its inputs name links as the file does, and its values are not read. Throws where id or type are missing. */
export function readNode(json: JsonObject, index: number, where: string): DocNode {
  const type = json.get('type');
  if (typeof type !== 'string') throw new FormatError(`${where}: nodes[${index}] needs a text "type", got ${describeJson(type)}`);
  const id = idOf(json.get('id'), `${where}: nodes[${index}]`);
  if (id === undefined) throw new FormatError(`${where}: nodes[${index}] (${type}) has no id`);
  const flags = objectAt(json, 'flags');
  const mode = numberOf(json.get('mode'));
  return {
    id, type,
    pos: pairOf(json.get('pos'), -farthest, [0, 0]),
    size: pairOf(json.get('size'), 0, [210, 60]),
    mode: (mode === 2 || mode === 4 ? mode : 0) as Mode,
    order: numberOf(json.get('order')) ?? index,
    flags: { ...(flags?.get('collapsed') === true ? { collapsed: true } : {}), ...(flags?.get('pinned') === true ? { pinned: true } : {}) },
    properties: keep(objectAt(json, 'properties') ?? new Map<string, Json>()),
    inputs: listAt(json, 'inputs', limits.slots, `node ${id}`).map((input) => readInput(isJsonObject(input) ? input : new Map())),
    outputs: listAt(json, 'outputs', limits.slots, `node ${id}`).map((output) => readOutput(isJsonObject(output) ? output : new Map())),
    values: emptyRecord(), controls: emptyRecord(), raw: keep(json),
    ...present({ title: stringOf(json.get('title')), color: stringOf(json.get('color')), bgcolor: stringOf(json.get('bgcolor')), shape: numberOf(json.get('shape')) }),
  };
}

function readInput(json: JsonObject): DocInput {
  const widget = objectAt(json, 'widget');
  return {
    name: textOf(json.get('name')) ?? '', type: typeText(json.get('type')), link: textOf(json.get('link')) ?? null, raw: keep(json),
    ...present({ label: stringOf(json.get('label')), shape: numberOf(json.get('shape')), widget: widget && (textOf(widget.get('name')) ?? textOf(json.get('name')) ?? '') }),
  };
}

function readOutput(json: JsonObject): DocOutput {
  return { name: textOf(json.get('name')) ?? '', type: typeText(json.get('type')), raw: keep(json), ...present({ label: stringOf(json.get('label')), shape: numberOf(json.get('shape')) }) };
}

interface SavedLink {
  readonly id: LinkId;
  readonly from: NodeId;
  readonly fromSlot: number;
  readonly to: NodeId;
  readonly toSlot: number;
  readonly type: string;
  readonly parent?: RerouteId;
  readonly raw: Json;
}

/** `[id, from, slot, to, slot, type]` or an object; anything else is no link. */
function readLink(json: Json, where: string): SavedLink | undefined {
  const members = isJsonObject(json) ? ['id', 'origin_id', 'origin_slot', 'target_id', 'target_slot', 'type', 'parentId'].map((key) => json.get(key)) : isJsonArray(json) ? json.slice(0, 6) : [];
  const [id, from, fromSlot, to, toSlot, type, parent] = members;
  const [linkId, source, target] = [idOf(id, `${where}: links`), textOf(from), textOf(to)];
  const slot = slotOf(fromSlot ?? 0n);
  if (linkId === undefined || source === undefined || target === undefined || slot === undefined) return undefined;
  return { id: linkId, from: source, fromSlot: slot, to: target, toSlot: slotOf(toSlot ?? 0n) ?? 0, type: typeText(type), raw: keep(json), ...present({ parent: textOf(parent) }) };
}

/** Makes inputs and links agree. An input's link counts; a link that no input names, or that comes from nowhere, is none. */
function joinLinks(nodes: Record<NodeId, DocNode>, saved: ReadonlyMap<LinkId, SavedLink>, reroutes: Readonly<Record<RerouteId, DocReroute>>, last: number, types: NodeTypes, { inputs, outputs }: { readonly inputs?: readonly Port[]; readonly outputs?: readonly Port[] }): Pick<Layer, 'nodes' | 'links' | 'lastLinkId'> {
  const links = emptyRecord<DocLink>();
  let lastLinkId = last;
  const add = ({ id, from, fromSlot, type, parent, raw }: SavedLink, to: NodeId, toSlot: number): LinkId | null => {
    const source = nodes[from];
    const count = from === inputBoundary ? inputs?.length ?? 0 : source === undefined ? 0 : Math.max(source.outputs.length, types.get(source.type)?.outputs.length ?? 0);
    if (fromSlot >= count) return null;
    // two inputs that name one link: the second gets a link of its own
    const free = links[id] === undefined ? id : String(++lastLinkId);
    links[free] = { id: free, from, fromSlot, to, toSlot, type, ...(free === id ? { raw } : {}), ...(parent !== undefined && reroutes[parent] !== undefined ? { parent } : {}) };
    return free;
  };
  const joined = emptyRecord<DocNode>();
  for (const node of Object.values(nodes)) {
    const ends = node.inputs.map((input, slot): DocInput => {
      const link = input.link === null ? undefined : saved.get(input.link);
      return { ...input, link: link === undefined ? null : add(link, node.id, slot) };
    });
    joined[node.id] = { ...node, inputs: ends };
  }
  const fed = new Set<number>();
  for (const link of saved.values()) {
    if (link.to !== outputBoundary || link.toSlot >= (outputs?.length ?? 0) || fed.has(link.toSlot) || links[link.id] !== undefined) continue;
    if (add(link, outputBoundary, link.toSlot) !== null) fed.add(link.toSlot);
  }
  showLinkedOutputs(joined, links, types);
  return { nodes: joined, links, lastLinkId };
}

/** A file may list fewer outputs than a type has: those that links start at are listed. */
function showLinkedOutputs(nodes: Record<NodeId, DocNode>, links: Readonly<Record<LinkId, DocLink>>, types: NodeTypes): void {
  for (const { from, fromSlot } of Object.values(links)) {
    const node = nodes[from];
    if (node === undefined || fromSlot < node.outputs.length) continue;
    const declared = types.get(node.type)!.outputs.slice(node.outputs.length, fromSlot + 1);
    nodes[from] = { ...node, outputs: [...node.outputs, ...declared.map(({ name, type }) => ({ name, type }))] };
  }
}

function readGroups(json: JsonObject, where: string): Record<string, DocGroup> {
  const groups = emptyRecord<DocGroup>();
  const entries = listAt(json, 'groups', limits.groups, where).filter(isJsonObject);
  let next = largest(entries.map((entry) => textOf(entry.get('id')) ?? ''));
  for (const entry of entries) {
    const saved = idOf(entry.get('id'), `${where}: groups`);
    const id = saved !== undefined && groups[saved] === undefined ? saved : String(++next);
    const flags = objectAt(entry, 'flags');
    groups[id] = { id, title: textOf(entry.get('title')) ?? '', box: boxOfJson(entry.get('bounding')), raw: keep(entry), ...present({ color: stringOf(entry.get('color')), fontSize: numberOf(entry.get('font_size'), 4, 400) }), ...(flags?.get('pinned') === true ? { isPinned: true } : {}) };
  }
  return groups;
}

/** Points on links: `reroutes` (schema 1) or `extra.reroutes` (0.4). A parent that does not exist or leads back is none. */
function readReroutes(json: JsonObject, where: string): Record<RerouteId, DocReroute> {
  const read = emptyRecord<DocReroute>();
  const entries = json.has('reroutes') ? listAt(json, 'reroutes', limits.reroutes, where) : listAt(objectAt(json, 'extra'), 'reroutes', limits.reroutes, where);
  for (const entry of entries) {
    const id = isJsonObject(entry) ? idOf(entry.get('id'), `${where}: reroutes`) : undefined;
    if (!isJsonObject(entry) || id === undefined || read[id] !== undefined) continue;
    read[id] = { id, pos: pairOf(entry.get('pos'), -farthest, [0, 0]), raw: keep(entry), ...present({ parent: textOf(entry.get('parentId')) }) };
  }
  const isSound = soundChains(read);
  const reroutes = emptyRecord<DocReroute>();
  for (const reroute of Object.values(read)) {
    const { parent, ...rest } = reroute;
    reroutes[reroute.id] = parent === undefined || isSound.has(reroute.id) ? reroute : rest;
  }
  return reroutes;
}

/** The reroutes whose chain of parents exists and ends. Each is walked once: chains may be long. */
function soundChains(reroutes: Readonly<Record<RerouteId, DocReroute>>): ReadonlySet<RerouteId> {
  const sound = new Set<RerouteId>();
  const seen = new Set<RerouteId>();
  for (const start of Object.keys(reroutes)) {
    const way: RerouteId[] = [];
    let id: RerouteId | undefined = start;
    while (id !== undefined && reroutes[id] !== undefined && !seen.has(id)) {
      seen.add(id);
      way.push(id);
      id = reroutes[id]!.parent;
    }
    if (id === undefined || sound.has(id)) for (const passed of way) sound.add(passed);
  }
  return sound;
}
