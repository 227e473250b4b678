// Commands on nodes: add, remove, and every setting of a node.
import type { Json } from '../../../engine/formats/json.ts';
import { bestInput, bestOutput, type InputEnd, type OutputEnd } from '../connections.ts';
import { layerOf, rootLayer, type Control, type EditableDocument, type EditableNode, type GroupId, type Layer, type LayerId, type LinkId, type Mode, type NodeId, type Point, type RerouteId } from '../document.ts';
import { round } from '../layout.ts';
import { message, Refusal } from '../messages.ts';
import { newNode } from '../new-node.ts';
import { nodeTypeOf, outputTypeOf, inputSlots } from '../slots.ts';
import { isSafeKey } from '../widget-values.ts';
import { draftLayer, draftNode, draftNodes, nextNodeId, pruneSubgraphs, setMember, wouldHoldItself, type Context, type Made } from './context.ts';
import { dropFromForm } from './form.ts';
import { linkUp, spliceReroute, unlink } from './links.ts';

/** Adds a node. `from` or `to`: a link that was dropped there is wired to its best slot, where one fits. `values` are its widgets' in place of the initial ones. */
export function addNode(draft: EditableDocument, { layer: id, type: name, at, values = {}, from, to }: { readonly layer: LayerId; readonly type: string; readonly at: Point; readonly values?: Readonly<Record<string, Json>>; readonly from?: OutputEnd; readonly to?: InputEnd }, { types, before }: Context): Made {
  const type = nodeTypeOf(before, types, name);
  if (type === undefined) throw new Refusal(message('node.unknown-type', { type: name }));
  if (type.isSubgraph && wouldHoldItself(before, id, name)) throw new Refusal(message('subgraph.inside-itself'));
  const layer = draftLayer(draft, id);
  const node = newNode(type, nextNodeId(layer), [round(at[0]), round(at[1])], Object.keys(layerOf(before, id).nodes).length);
  layer.nodes[node.id] = node as EditableNode;
  for (const [input, value] of Object.entries(values)) if (isSafeKey(input)) layer.nodes[node.id]!.values[input] = value;
  return { nodes: [node.id], links: [...wireFrom(draft, { types, before }, id, node.id, from), ...wireTo(draft, { types, before }, id, node.id, to)] };
}

function wireFrom(draft: EditableDocument, { types, before }: Context, layer: LayerId, node: NodeId, from: OutputEnd | undefined): readonly LinkId[] {
  const made = from && outputTypeOf(before, types, layerOf(before, layer), from.node, from.slot, layer);
  const input = made === undefined ? undefined : bestInput(draft, types, draftLayer(draft, layer), node, made);
  return from === undefined || input === undefined ? [] : [linkUp(draft, types, { layer, from, to: { node, input } })];
}

function wireTo(draft: EditableDocument, { types, before }: Context, layer: LayerId, node: NodeId, to: InputEnd | undefined): readonly LinkId[] {
  const target = to && layerOf(before, layer).nodes[to.node];
  const port = to === undefined ? undefined : before.subgraphs[layer]?.outputs.find(({ name }) => name === to.input);
  const wanted = target === undefined ? port?.type : inputSlots(before, types, target).find(({ name }) => name === to!.input)?.type;
  const slot = wanted === undefined ? undefined : bestOutput(draft, types, draftLayer(draft, layer), node, wanted);
  return to === undefined || slot === undefined ? [] : [linkUp(draft, types, { layer, from: { node, slot }, to })];
}

/** Removes nodes, groups (not what they hold), points and links. A reroute that goes, of either kind, leaves its links joined. */
export function removeItems(draft: EditableDocument, { layer: id, nodes = [], groups = [], reroutes = [], links = [] }: { readonly layer: LayerId; readonly nodes?: readonly NodeId[]; readonly groups?: readonly GroupId[]; readonly reroutes?: readonly RerouteId[]; readonly links?: readonly LinkId[] }, context: Context): void {
  const layer = draftLayer(draft, id);
  for (const link of links) unlink(layer, link);
  for (const reroute of reroutes) spliceReroute(layer, reroute);
  for (const group of groups) delete layer.groups[group];
  removeNodes(draft, id, nodes, context);
}

/** Removes nodes with their links; subgraphs and form entries that were theirs alone go too. */
export function removeNodes(draft: EditableDocument, id: LayerId, nodes: readonly NodeId[], { types, before }: Context): void {
  const layer = draftLayer(draft, id);
  const known = layerOf(before, id);
  const removed = new Set(nodes.filter((node) => layer.nodes[node] !== undefined));
  const bridges = [...removed].filter((node) => known.nodes[node]?.type === 'Reroute').flatMap((node) => bridgesOf(known, node, removed));
  for (const { id: link, from, to } of Object.values(known.links)) if (removed.has(from) || removed.has(to)) unlink(layer, link);
  const instances = [...removed].map((node) => layer.nodes[node]!.type).filter((type) => draft.subgraphs[type] !== undefined);
  for (const node of removed) delete layer.nodes[node];
  for (const { from, to } of bridges) linkUp(draft, types, { layer: id, from, to });
  pruneSubgraphs(draft, new Set(instances));
  if (id === rootLayer) dropFromForm(draft, removed);
}

/** What a reroute node joins: its source with each of its targets, through reroutes that go as well. */
function bridgesOf(layer: Layer, node: NodeId, removed: ReadonlySet<NodeId>): readonly { readonly from: OutputEnd; readonly to: InputEnd }[] {
  const seen = new Set([node]);
  let link = layer.nodes[node]?.inputs[0]?.link;
  let source = link === null || link === undefined ? undefined : layer.links[link];
  while (source !== undefined && removed.has(source.from)) {
    const before = layer.nodes[source.from];
    if (before?.type !== 'Reroute' || seen.has(before.id)) return [];
    seen.add(before.id);
    link = before.inputs[0]?.link;
    source = link === null || link === undefined ? undefined : layer.links[link];
  }
  if (source === undefined) return [];
  const from = { node: source.from, slot: source.fromSlot };
  return Object.values(layer.links).filter((other) => other.from === node && !removed.has(other.to))
    .flatMap(({ to, toSlot }) => {
      const input = layer.nodes[to]?.inputs[toSlot]?.name;
      return input === undefined ? [] : [{ from, to: { node: to, input } }];
    });
}

/** Sets a widget's value. What fits it is for the field to say: values out of range are kept and reported as problems. */
export function setValue(draft: EditableDocument, { layer, node: id, input, value }: { readonly layer: LayerId; readonly node: NodeId; readonly input: string; readonly value: Json }): void {
  const node = draftNode(draftLayer(draft, layer), id);
  if (isSafeKey(input) && node.values[input] !== value) node.values[input] = value;
}

/** Several values at once: one step. */
export function setValues(draft: EditableDocument, { layer, node, values }: { readonly layer: LayerId; readonly node: NodeId; readonly values: Readonly<Record<string, Json>> }): void {
  for (const [input, value] of Object.entries(values)) setValue(draft, { layer, node, input, value });
}

export function setControl(draft: EditableDocument, { layer, node: id, input, control }: { readonly layer: LayerId; readonly node: NodeId; readonly input: string; readonly control: Control }): void {
  const node = draftNode(draftLayer(draft, layer), id);
  if (!isSafeKey(input)) return;
  const before = node.controls[input];
  if (before?.mode !== control.mode || before.filter !== control.filter) node.controls[input] = { ...control };
}

export interface NodesArgs { readonly layer: LayerId; readonly nodes: readonly NodeId[] }

export function setMode(draft: EditableDocument, { layer, nodes, mode }: NodesArgs & { readonly mode: Mode }): void {
  for (const node of draftNodes(draftLayer(draft, layer), nodes)) if (node.mode !== mode) node.mode = mode;
}

/** Mute (2) or bypass (4) as a switch: on for all, or off where all have it. */
export function toggleMode(draft: EditableDocument, { layer, nodes, mode }: NodesArgs & { readonly mode: 2 | 4 }, { before }: Context): void {
  const known = layerOf(before, layer).nodes;
  const isOn = nodes.every((id) => known[id] === undefined || known[id].mode === mode);
  setMode(draft, { layer, nodes, mode: isOn ? 0 : mode });
}

export function setCollapsed(draft: EditableDocument, { layer, nodes, isCollapsed }: NodesArgs & { readonly isCollapsed: boolean }): void {
  for (const node of draftNodes(draftLayer(draft, layer), nodes)) setMember(node.flags, 'collapsed', isCollapsed ? true : undefined);
}

export function setPinned(draft: EditableDocument, { layer, nodes, isPinned }: NodesArgs & { readonly isPinned: boolean }): void {
  for (const node of draftNodes(draftLayer(draft, layer), nodes)) setMember(node.flags, 'pinned', isPinned ? true : undefined);
}

/** Colours of title and body as CSS writes them; undefined takes them away. */
export function setColor(draft: EditableDocument, { layer, nodes, color, bgcolor }: NodesArgs & { readonly color?: string; readonly bgcolor?: string }): void {
  for (const node of draftNodes(draftLayer(draft, layer), nodes)) {
    setMember(node, 'color', color);
    setMember(node, 'bgcolor', bgcolor);
  }
}

/** ComfyUI's numbers of shapes: 1 box, 2 round, 4 card; undefined for the default. */
export function setShape(draft: EditableDocument, { layer, nodes, shape }: NodesArgs & { readonly shape?: number }): void {
  for (const node of draftNodes(draftLayer(draft, layer), nodes)) setMember(node, 'shape', shape);
}

/** An empty title is the type's own. */
export function rename(draft: EditableDocument, { layer, node: id, title }: { readonly layer: LayerId; readonly node: NodeId; readonly title: string }): void {
  setMember(draftNode(draftLayer(draft, layer), id), 'title', title.trim() === '' ? undefined : title.trim());
}

/** Places a node on a device (`cpu:1`), or lets the server choose. */
export function setDevice(draft: EditableDocument, { layer, node: id, device }: { readonly layer: LayerId; readonly node: NodeId; readonly device?: string }, { before }: Context): void {
  const properties = layerOf(before, layer).nodes[id]?.properties;
  if (properties === undefined || properties.get('device') === device) return;
  const changed = new Map(properties);
  if (device === undefined) changed.delete('device');
  else changed.set('device', device);
  draftNode(draftLayer(draft, layer), id).properties = changed;
}
