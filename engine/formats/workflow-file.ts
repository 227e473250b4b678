// A workflow as editors save it (the UI form, schema 0.4 and 1), read into plain structures. Knows no node definitions and converts nothing.
// Tolerant where files in the wild are: absent keys, null links, ids as numbers or texts.
import { FormatError } from './errors.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';

export interface UiInput {
  readonly name: string;
  readonly type: string;
  /** Id of the link that ends here. */
  readonly link: string | undefined;
  readonly label: string | undefined;
  readonly isWidget: boolean;
}

export interface UiNode {
  readonly id: string;
  readonly type: string;
  /** 0 normal, 2 muted, 4 bypassed. */
  readonly mode: number;
  readonly title: string | undefined;
  /** Place in the editor's order of execution. */
  readonly order: number;
  readonly inputs: readonly UiInput[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  /** `widgets_values`: by position, or by name. */
  readonly values: readonly Json[] | JsonObject;
  readonly properties: JsonObject;
}

export interface UiLink {
  readonly id: string;
  readonly from: string;
  readonly fromSlot: number;
  readonly to: string;
  readonly toSlot: number;
}

export interface UiGraph {
  readonly nodes: readonly UiNode[];
  readonly links: ReadonlyMap<string, UiLink>;
}

/** Ids of the two nodes that stand for a subgraph's own inputs and outputs. */
export const inputBoundary = '-10';
export const outputBoundary = '-20';

export interface Subgraph extends UiGraph {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  /** Widgets of an instance, where its order is known beforehand: input name and the entries that follow its value. */
  readonly widgets?: readonly { readonly name: string; readonly controls: number }[];
}

export interface UiWorkflow extends UiGraph {
  /** By id, which is the type of their instances. */
  readonly subgraphs: ReadonlyMap<string, Subgraph>;
  /** `extra.groupNodes`: the older kind of subgraph, by name. */
  readonly groupNodes: ReadonlyMap<string, UiGroup>;
}

/** An old group node: nodes by index, links `[from, slot, to, slot]`, outputs that are also used outside, and what was renamed or hidden. */
export interface UiGroup {
  readonly nodes: readonly UiNode[];
  readonly links: readonly (readonly [from: number, fromSlot: number, to: number, toSlot: number])[];
  readonly external: readonly (readonly [node: number, slot: number])[];
  readonly config: JsonObject;
}

/** True for an object with a list of nodes. */
export function isWorkflow(json: Json): json is JsonObject {
  return isJsonObject(json) && isJsonArray(json.get('nodes'));
}

/** Reads a workflow file. Throws a FormatError that says where the shape is wrong. */
export function readWorkflow(json: Json): UiWorkflow {
  if (!isJsonObject(json)) throw new FormatError(`a workflow is an object with a list of nodes, got ${describeJson(json)}`);
  const definitions = objectAt(json, 'definitions');
  const subgraphs = new Map<string, Subgraph>();
  for (const subgraph of listAt(definitions, 'subgraphs', 'definitions')) {
    const id = isJsonObject(subgraph) ? textOf(subgraph.get('id')) : undefined;
    if (!isJsonObject(subgraph) || id === undefined) throw new FormatError('definitions.subgraphs: an entry has no id');
    subgraphs.set(id, readSubgraph(subgraph, `subgraph ${id}`));
  }
  const groups = objectAt(objectAt(json, 'extra'), 'groupNodes');
  const groupNodes = new Map([...groups].filter(([, group]) => isJsonObject(group)).map(([name, group]) => [name, readGroup(group as JsonObject, `group node ${name}`)]));
  return { ...readGraph(json, 'workflow'), subgraphs, groupNodes };
}

function readGraph(json: JsonObject, where: string): UiGraph {
  const nodes = listAt(json, 'nodes', where).map((node, i) => readNode(node, i, where));
  const ids = new Set<string>();
  for (const { id } of nodes) {
    if (ids.has(id)) throw new FormatError(`${where}: two nodes have the id ${id}`);
    ids.add(id);
  }
  const links = new Map<string, UiLink>();
  for (const link of listAt(json, 'links', where)) {
    const read = readLink(link);
    if (read !== undefined) links.set(read.id, read);
  }
  return { nodes, links };
}

function readSubgraph(json: JsonObject, where: string): Subgraph {
  const ports = (key: string) => listAt(json, key, where).map((port) => {
    const object = isJsonObject(port) ? port : new Map<string, Json>();
    return { name: textOf(object.get('name')) ?? '', type: typeText(object.get('type')) };
  });
  return { ...readGraph(json, where), name: textOf(json.get('name')) ?? '', inputs: ports('inputs'), outputs: ports('outputs') };
}

function readGroup(json: JsonObject, where: string): UiGroup {
  const numbers = (list: Json, count: number) => (isJsonArray(list) ? list.slice(0, count).map((item) => (item === null ? NaN : Number(item))) : []);
  return {
    nodes: listAt(json, 'nodes', where).map((node, i) => readNode(isJsonObject(node) ? new Map(node).set('id', BigInt(i)) : node, i, where)),
    links: listAt(json, 'links', where).map((link) => numbers(link, 4)).filter((link) => link.length === 4 && link.every(Number.isInteger)) as unknown as UiGroup['links'],
    external: listAt(json, 'external', where).map((entry) => numbers(entry, 2)).filter((entry) => entry.length === 2) as unknown as UiGroup['external'],
    config: objectAt(json, 'config'),
  };
}

function readNode(json: Json, index: number, where: string): UiNode {
  if (!isJsonObject(json)) throw new FormatError(`${where}: nodes[${index}] must be an object, got ${describeJson(json)}`);
  const type = json.get('type');
  if (typeof type !== 'string') throw new FormatError(`${where}: nodes[${index}] needs a text "type", got ${describeJson(type)}`);
  const id = textOf(json.get('id'));
  if (id === undefined) throw new FormatError(`${where}: nodes[${index}] (${type}) has no id`);
  const named = json.get('widgets_values_named');
  const values = isJsonObject(named) ? named : json.get('widgets_values');
  return {
    id, type,
    mode: Number(json.get('mode') ?? 0),
    title: textOf(json.get('title')),
    order: typeof json.get('order') === 'bigint' ? Number(json.get('order')) : index,
    inputs: listAt(json, 'inputs', `node ${id}`).filter(isJsonObject).map(readInput),
    outputs: listAt(json, 'outputs', `node ${id}`).filter(isJsonObject).map((output) => ({ name: textOf(output.get('name')) ?? '', type: typeText(output.get('type')) })),
    values: isJsonObject(values) || isJsonArray(values) ? values : [],
    properties: objectAt(json, 'properties'),
  };
}

function readInput(json: JsonObject): UiInput {
  return { name: textOf(json.get('name')) ?? '', type: typeText(json.get('type')), link: textOf(json.get('link')), label: textOf(json.get('label')), isWidget: isJsonObject(json.get('widget')) };
}

/** `[id, from, slot, to, slot, type]` or an object; anything else is no link. */
function readLink(json: Json): UiLink | undefined {
  const parts = isJsonArray(json) ? json : isJsonObject(json) ? ['id', 'origin_id', 'origin_slot', 'target_id', 'target_slot'].map((key) => json.get(key)) : [];
  const [id, from, fromSlot, to, toSlot] = parts;
  const texts = [textOf(id), textOf(from), textOf(to)];
  if (texts.some((text) => text === undefined)) return undefined;
  return { id: texts[0]!, from: texts[1]!, fromSlot: Number(fromSlot ?? 0), to: texts[2]!, toSlot: Number(toSlot ?? 0) };
}

function listAt(json: JsonObject, key: string, where: string): readonly Json[] {
  const list = json.get(key) ?? [];
  if (!isJsonArray(list)) throw new FormatError(`${where}: "${key}" must be a list, got ${describeJson(list)}`);
  return list;
}

function objectAt(json: JsonObject, key: string): JsonObject {
  const object = json.get(key);
  return isJsonObject(object) ? object : new Map();
}

/** Ids are numbers or texts. */
function textOf(json: Json | undefined): string | undefined {
  if (typeof json === 'string') return json;
  return typeof json === 'bigint' || typeof json === 'number' ? String(json) : undefined;
}

/** Slot types: a text, 0 for any, -1 for an event, a list for choices. */
function typeText(json: Json | undefined): string {
  if (isJsonArray(json)) return 'COMBO';
  const text = textOf(json) ?? '*';
  return text === '0' || text === '' ? '*' : text;
}
