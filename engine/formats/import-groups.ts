// Old group nodes (`workflow>Name`, kept in extra.groupNodes) written as subgraphs, so that an editor can open, edit and save them.
// A run of the file before and after is the same: the inner nodes keep their ids. Knows no editor.
import { FormatError } from './errors.ts';
import { groupSubgraph } from './group-nodes.ts';
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import type { Definitions } from './object-info.ts';
import { byPosition } from './widgets.ts';
import { inputBoundary, outputBoundary, readWorkflow, type Subgraph, type UiGroup, type UiInput, type UiLink, type UiNode, type UiWorkflow } from './workflow-file.ts';

export interface ImportedGroups {
  /** The very file that was given, where nothing could be imported. */
  readonly json: JsonObject;
  /** Names of groups that are subgraphs now. */
  readonly imported: readonly string[];
  /** Names of groups that are used and stay as they are: a type inside is not known, so the order of their values is not either. */
  readonly kept: readonly string[];
}

const groupType = /^workflow[>/]/;
/** Types without a definition whose values no group shows, but for a primitive's one. */
const editorTypes = new Set(['Reroute', 'PrimitiveNode', 'Note', 'MarkdownNote']);

/** Writes the group nodes that a workflow uses as subgraphs; the others stay in `extra.groupNodes`. A file of a broken shape is left to whoever reads it. */
export function importGroupNodes(json: JsonObject, definitions: Definitions): ImportedGroups {
  const groups = objectAt(objectAt(json, 'extra'), 'groupNodes');
  const workflow = groups.size === 0 ? undefined : readOrLeave(json);
  if (workflow === undefined) return { json, imported: [], kept: [] };
  const used = usedGroups(workflow);
  const imported = [...used].filter((name) => isKnown(workflow, name, definitions, []));
  const kept = [...used].filter((name) => !imported.includes(name));
  if (imported.length === 0) return { json, imported, kept };
  const made = new Map(imported.map((name) => [name, newGroup(name, objectAt(groups, name), workflow.groupNodes.get(name)!, definitions)]));
  return { json: rewrite(json, made), imported, kept };
}

function readOrLeave(json: JsonObject): UiWorkflow | undefined {
  try {
    return readWorkflow(json);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Names of groups with an instance, here or in a subgraph or group that is used. */
function usedGroups({ nodes, subgraphs, groupNodes }: UiWorkflow): ReadonlySet<string> {
  const used = new Set<string>();
  const visit = (among: readonly UiNode[]) => {
    for (const { type } of among) {
      const name = type.replace(groupType, '');
      const group = groupType.test(type) ? groupNodes.get(name) : undefined;
      if (group === undefined || used.has(name)) continue;
      used.add(name);
      visit(group.nodes);
    }
  };
  visit(nodes);
  for (const subgraph of subgraphs.values()) visit(subgraph.nodes);
  return used;
}

function isKnown({ groupNodes }: UiWorkflow, name: string, definitions: Definitions, around: readonly string[]): boolean {
  const group = groupNodes.get(name);
  if (group === undefined || around.includes(name)) return false;
  return group.nodes.every(({ type }) => (groupType.test(type) ? isKnown({ groupNodes } as UiWorkflow, type.replace(groupType, ''), definitions, [...around, name]) : editorTypes.has(type) || definitions(type) !== undefined));
}

interface NewGroup {
  readonly id: string;
  readonly name: string;
  readonly raw: JsonObject;
  readonly subgraph: Subgraph;
  readonly links: readonly UiLink[];
  /** Ports that lead to a widget: their instances hold a value for each, in this order. */
  readonly widgetPorts: readonly string[];
}

function newGroup(name: string, raw: JsonObject, group: UiGroup, definitions: Definitions): NewGroup {
  const subgraph = withoutPrimitives(groupSubgraph(group, definitions));
  const links = [...subgraph.links.values()];
  const isWidget = (slot: number) => links.some(({ id, from, fromSlot, to }) => from === inputBoundary && fromSlot === slot && subgraph.nodes.some((node) => node.id === to && node.inputs.some((input) => input.link === id && input.isWidget)));
  return { id: idFor(name, raw), name, raw, subgraph, links, widgetPorts: subgraph.inputs.flatMap((port, slot) => (isWidget(slot) ? [port.name] : [])) };
}

/** A primitive that feeds inputs gives way to its port: the port feeds them. */
function withoutPrimitives(subgraph: Subgraph): Subgraph {
  const links = new Map(subgraph.links);
  const gone = new Set<string>();
  for (const { id, type } of subgraph.nodes) {
    const port = [...links.values()].find(({ from, to }) => from === inputBoundary && to === id);
    const fed = [...links.values()].filter(({ from, to }) => from === id && to !== outputBoundary);
    if (type !== 'PrimitiveNode' || port === undefined || fed.length === 0) continue;
    for (const link of fed) links.set(link.id, { ...link, from: inputBoundary, fromSlot: port.fromSlot });
    for (const link of links.values()) if (link.from === id || link.to === id) links.delete(link.id);
    gone.add(id);
  }
  return { ...subgraph, links, nodes: subgraph.nodes.filter(({ id }) => !gone.has(id)) };
}

function rewrite(json: JsonObject, made: ReadonlyMap<string, NewGroup>): JsonObject {
  const nodesOf = (graph: JsonObject): Json => listAt(graph, 'nodes').map((node) => (isJsonObject(node) ? rewriteInstance(node, made) : node));
  const definitions = objectAt(json, 'definitions');
  const before = listAt(definitions, 'subgraphs').map((entry) => (isJsonObject(entry) ? new Map(entry).set('nodes', nodesOf(entry)) : entry));
  const taken = new Set(before.map((entry) => (isJsonObject(entry) ? entry.get('id') : undefined)));
  const added = [...made.values()].filter(({ id }) => !taken.has(id)).map((group) => writeDefinition(group, made));
  const extra = new Map(objectAt(json, 'extra'));
  const rest = new Map([...objectAt(extra, 'groupNodes')].filter(([name]) => !made.has(name)));
  if (rest.size > 0) extra.set('groupNodes', rest);
  else extra.delete('groupNodes');
  return new Map(json).set('nodes', nodesOf(json)).set('extra', extra).set('definitions', new Map(definitions).set('subgraphs', [...before, ...added]));
}

/** An instance: its values stand by position with the entries of their controls, then one a port. */
function rewriteInstance(node: JsonObject, made: ReadonlyMap<string, NewGroup>): JsonObject {
  const type = node.get('type');
  const group = typeof type === 'string' && groupType.test(type) ? made.get(type.replace(groupType, '')) : undefined;
  if (group === undefined) return node;
  const named = node.get('widgets_values_named');
  const saved = isJsonObject(named) ? named : node.get('widgets_values') ?? [];
  const values = isJsonArray(saved) ? byPosition(saved, group.subgraph.widgets ?? []) : isJsonObject(saved) ? saved : new Map<string, Json>();
  const written = new Map(node).set('type', group.id).set('widgets_values', group.widgetPorts.map((name) => values.get(name) ?? null));
  written.delete('widgets_values_named');
  return written;
}

function writeDefinition(group: NewGroup, made: ReadonlyMap<string, NewGroup>): JsonObject {
  const { id, name, raw, subgraph, links } = group;
  const numbers = new Map(links.map((link, i) => [link.id, BigInt(i + 1)]));
  const inputs = new Map(subgraph.nodes.map((node) => [node.id, inputsOf(node, rawNode(raw, node.id))]));
  const slotOf = (link: UiLink) => (link.to === outputBoundary ? link.toSlot : inputs.get(link.to)!.findIndex((input) => input.link === link.id));
  const typeOf = ({ from, fromSlot }: UiLink) => (from === inputBoundary ? subgraph.inputs[fromSlot]?.type : subgraph.nodes.find((node) => node.id === from)?.outputs[fromSlot]?.type) ?? '*';
  const nodes = subgraph.nodes.map((node, i) => {
    const own = rawNode(raw, node.id);
    const outputs = listAt(own, 'outputs').map((output, slot) => (isJsonObject(output) ? new Map(output).set('links', links.filter((link) => link.from === node.id && link.fromSlot === slot).map((link) => numbers.get(link.id)!)) : output));
    const written = new Map(own).set('id', BigInt(node.id)).set('inputs', inputs.get(node.id)!.map((input) => writeInput(input, numbers))).set('outputs', outputs);
    if (!own.has('pos')) written.set('pos', [BigInt(320 * (i % 4)), BigInt(360 * Math.floor(i / 4))]);
    if (!own.has('order')) written.set('order', BigInt(i));
    return rewriteInstance(written, made);
  });
  const ports = (boundary: string) => (boundary === inputBoundary ? subgraph.inputs : subgraph.outputs).map((port, slot): Json => new Map<string, Json>([
    ['id', idFor(`${id} ${boundary} ${slot}`, raw)], ['name', port.name], ['type', port.type],
    ['linkIds', links.filter((link) => (boundary === inputBoundary ? link.from === boundary && link.fromSlot === slot : link.to === boundary && link.toSlot === slot)).map((link) => numbers.get(link.id)!)],
  ]));
  return new Map<string, Json>([
    ['id', id], ['version', 1n], ['revision', 0n], ['config', new Map()], ['name', name],
    ['state', new Map(Object.entries({ lastGroupId: 0n, lastNodeId: BigInt(listAt(raw, 'nodes').length), lastLinkId: BigInt(links.length), lastRerouteId: 0n }))],
    ['inputs', ports(inputBoundary)], ['outputs', ports(outputBoundary)], ['widgets', []], ['nodes', nodes], ['groups', []],
    ['links', links.map((link) => new Map<string, Json>([['id', numbers.get(link.id)!], ['origin_id', BigInt(link.from)], ['origin_slot', BigInt(link.fromSlot)], ['target_id', BigInt(link.to)], ['target_slot', BigInt(slotOf(link))], ['type', typeOf(link)]]))],
    ['extra', new Map()],
  ]);
}

interface WrittenInput { readonly raw: JsonObject; readonly link: string | undefined }

/** The inputs as the group has them, then those that its widgets became. */
function inputsOf({ inputs }: UiNode, own: JsonObject): readonly WrittenInput[] {
  const saved = listAt(own, 'inputs').filter(isJsonObject);
  const byName = new Map(inputs.map((input) => [input.name, input]));
  const names = new Set(saved.map((input) => input.get('name')));
  const added = inputs.filter(({ name }) => !names.has(name));
  return [...saved.map((raw) => ({ raw, link: byName.get(String(raw.get('name') ?? ''))?.link })), ...added.map((input) => ({ raw: newInput(input), link: input.link }))];
}

function newInput({ name, type }: UiInput): JsonObject {
  return new Map<string, Json>([['name', name], ['type', type], ['widget', new Map([['name', name]])]]);
}

function writeInput({ raw, link }: WrittenInput, numbers: ReadonlyMap<string, bigint>): JsonObject {
  return new Map(raw).set('link', link === undefined ? null : numbers.get(link) ?? null);
}

function rawNode(group: JsonObject, index: string): JsonObject {
  const node = listAt(group, 'nodes')[Number(index)];
  return isJsonObject(node) ? node : new Map();
}

/** The same for the same group, so that a file that is opened twice is the same twice. Shaped as a UUID of version 4. */
function idFor(name: string, group: JsonObject): string {
  const text = `${name}\n${encodeJson(group)}`;
  const words = [0x811c9dc5, 0x1b873593, 0xcc9e2d51, 0x85ebca6b].map((seed) => {
    let hash = seed;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) ^ (hash >>> 15);
    return (hash >>> 0).toString(16).padStart(8, '0');
  }).join('');
  return `${words.slice(0, 8)}-${words.slice(8, 12)}-4${words.slice(13, 16)}-8${words.slice(17, 20)}-${words.slice(20, 32)}`;
}

function objectAt(json: JsonObject, key: string): JsonObject {
  const object = json.get(key);
  return isJsonObject(object) ? object : new Map();
}

function listAt(json: JsonObject, key: string): readonly Json[] {
  const list = json.get(key);
  return isJsonArray(list) ? list : [];
}
