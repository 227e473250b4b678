// Commands on subgraphs: make one of selected nodes, take one apart, rename. Ports are made from the links that cross the wall.
import { emptyLayer, emptyRecord, inputBoundary, layerOf, outputBoundary, rootLayer, type DocLink, type DocNode, type Editable, type EditableDocument, type EditableLayer, type EditableNode, type Layer, type LayerId, type NodeId, type Port, type SubgraphDefinition } from '../document.ts';
import { round } from '../layout.ts';
import { message, Refusal } from '../messages.ts';
import { newNode } from '../new-node.ts';
import { boxAround, boxOf, itemsInGroup } from '../selection.ts';
import { nodeTypeOf, titleOf } from '../slots.ts';
import { downstreamOf, upstreamOf } from '../walk.ts';
import { draftLayer, nextLinkId, nextNodeId, pruneSubgraphs, type Context, type Made } from './context.ts';
import { dropFromForm, renameInForm } from './form.ts';
import { unlink } from './links.ts';
import { putLayer } from './paste.ts';

/** Moves nodes into a new subgraph and puts an instance in their place. `id` must be new: `newSubgraphId()`. */
export function createSubgraph(draft: EditableDocument, { layer: layerId, nodes, name, id }: { readonly layer: LayerId; readonly nodes: readonly NodeId[]; readonly name: string; readonly id: string }, { types, before }: Context): Made {
  const known = layerOf(before, layerId);
  const chosen = new Set(nodes.filter((node) => known.nodes[node] !== undefined));
  if (chosen.size === 0 || draft.subgraphs[id] !== undefined || id === rootLayer) throw new Refusal(message('subgraph.nothing-selected'));
  refuseGap(before, types, known, chosen);
  const ports = portsOf(known, chosen, layerId === rootLayer ? undefined : before.subgraphs[layerId]);
  const inside = insideOf(known, chosen, ports);
  draft.subgraphs[id] = { id, name, layer: inside, inputs: ports.inputs.map(({ port }) => port), outputs: ports.outputs.map(({ port }) => port) } as Editable<SubgraphDefinition>;
  const layer = draftLayer(draft, layerId);
  for (const link of Object.values(known.links)) if (chosen.has(link.from) || chosen.has(link.to)) unlink(layer, link.id);
  for (const node of chosen) delete layer.nodes[node];
  for (const group of Object.keys(inside.groups)) delete layer.groups[group];
  const around = boxAround([...chosen].map((node) => boxOf(known.nodes[node]!)))!;
  const instance = newNode(nodeTypeOf(draft, types, id)!, nextNodeId(layer), [round(around[0] + around[2] / 2 - 110), round(around[1] + around[3] / 2)], Math.min(...[...chosen].map((node) => known.nodes[node]!.order)));
  layer.nodes[instance.id] = {
    ...instance,
    // ports that lead to widgets are sockets too, for their links come from outside
    inputs: ports.inputs.map(({ port, widget }) => ({ name: port.name, type: port.type, link: null, ...(widget ? { widget: port.name } : {}) })),
  } as EditableNode;
  relink(layer, ports, instance.id);
  if (layerId === rootLayer) renameInForm(draft, (node) => (chosen.has(node.split(':')[0]!) ? `${instance.id}:${node}` : undefined));
  return { nodes: [instance.id], layer: id };
}

/** A node between two of the chosen would feed the instance and be fed by it. */
function refuseGap(document: Context['before'], types: Context['types'], layer: Layer, chosen: ReadonlySet<NodeId>): void {
  const above = upstreamOf(layer, chosen);
  const between = [...downstreamOf(layer, chosen)].find((id) => above.has(id) && !chosen.has(id));
  if (between !== undefined) throw new Refusal(message('subgraph.gap', { title: titleOf(document, types, layer.nodes[between]!) }));
}

interface CutPorts {
  readonly inputs: readonly { readonly port: Port; readonly links: readonly DocLink[]; readonly widget: boolean }[];
  readonly outputs: readonly { readonly port: Port; readonly links: readonly DocLink[] }[];
}

/** One input a source outside, one output a source inside: links that carry the same value share a port. */
function portsOf(layer: Layer, chosen: ReadonlySet<NodeId>, around: SubgraphDefinition | undefined): CutPorts {
  const gather = (isCut: (link: DocLink) => boolean) => {
    const bySource = new Map<string, DocLink[]>();
    for (const link of Object.values(layer.links).filter(isCut)) {
      const key = `${link.from} ${link.fromSlot}`;
      bySource.set(key, [...(bySource.get(key) ?? []), link]);
    }
    return [...bySource.values()];
  };
  const taken = { inputs: new Set<string>(), outputs: new Set<string>() };
  const nameOf = (wanted: string, kind: 'inputs' | 'outputs') => {
    let name = wanted === '' ? kind.slice(0, -1) : wanted;
    for (let i = 2; taken[kind].has(name); i++) name = `${wanted}_${i}`;
    taken[kind].add(name);
    return name;
  };
  const inputs = gather(({ from, to }) => !chosen.has(from) && chosen.has(to)).map((links, i) => {
    const input = layer.nodes[links[0]!.to]!.inputs[links[0]!.toSlot]!;
    const name = nameOf(input.name, 'inputs');
    return { port: { id: `in-${i}`, name, type: sourceType(layer, links[0]!, around) ?? input.type }, links, widget: input.widget !== undefined };
  });
  const outputs = gather(({ from, to }) => chosen.has(from) && !chosen.has(to)).map((links, i) => {
    const output = layer.nodes[links[0]!.from]!.outputs[links[0]!.fromSlot];
    return { port: { id: `out-${i}`, name: nameOf(output?.name ?? '', 'outputs'), type: links[0]!.type }, links };
  });
  return { inputs, outputs };
}

function sourceType(layer: Layer, { from, fromSlot, type }: DocLink, around: SubgraphDefinition | undefined): string | undefined {
  if (from === inputBoundary) return around?.inputs[fromSlot]?.type;
  return type === '*' ? layer.nodes[from]?.outputs[fromSlot]?.type : type;
}

/** The chosen nodes with the links among them, and links to the ports in place of those that were cut. */
function insideOf(layer: Layer, chosen: ReadonlySet<NodeId>, ports: CutPorts): Layer {
  const links = emptyRecord<DocLink>();
  for (const { raw, ...link } of Object.values(layer.links)) if (chosen.has(link.from) && chosen.has(link.to)) links[link.id] = link;
  ports.inputs.forEach(({ links: cut }, slot) => {
    for (const { raw, parent, ...link } of cut) links[link.id] = { ...link, from: inputBoundary, fromSlot: slot };
  });
  let lastLinkId = layer.lastLinkId;
  ports.outputs.forEach(({ links: cut, port }, slot) => {
    const id = String(++lastLinkId);
    links[id] = { id, from: cut[0]!.from, fromSlot: cut[0]!.fromSlot, to: outputBoundary, toSlot: slot, type: port.type };
  });
  const nodes = emptyRecord<DocNode>();
  for (const id of chosen) nodes[id] = layer.nodes[id]!;
  const kept = keptParts(layer, chosen, links);
  return { ...emptyLayer(), ...kept, nodes, lastNodeId: layer.lastNodeId, lastLinkId, lastGroupId: layer.lastGroupId, lastRerouteId: layer.lastRerouteId };
}

/** Groups that hold chosen nodes alone, and the points on links that went inside. */
function keptParts(layer: Layer, chosen: ReadonlySet<NodeId>, links: Readonly<Record<string, DocLink>>): Pick<Layer, 'groups' | 'reroutes' | 'links'> {
  const groups = emptyRecord<Layer['groups'][string]>();
  for (const group of Object.values(layer.groups)) {
    const { nodes } = itemsInGroup(layer, group);
    if (nodes.length > 0 && nodes.every((id) => chosen.has(id))) groups[group.id] = group;
  }
  const reroutes = emptyRecord<Layer['reroutes'][string]>();
  for (const { parent } of Object.values(links)) {
    for (let at = parent === undefined ? undefined : layer.reroutes[parent]; at !== undefined && reroutes[at.id] === undefined; at = at.parent === undefined ? undefined : layer.reroutes[at.parent]) reroutes[at.id] = at;
  }
  return { groups, reroutes, links };
}

/** Links outside now end at the instance, or start there. */
function relink(layer: EditableLayer, ports: CutPorts, instance: NodeId): void {
  ports.inputs.forEach(({ links: [first], port }, slot) => {
    const id = nextLinkId(layer);
    layer.links[id] = { id, from: first!.from, fromSlot: first!.fromSlot, to: instance, toSlot: slot, type: port.type };
    layer.nodes[instance]!.inputs[slot]!.link = id;
  });
  ports.outputs.forEach(({ links, port }, slot) => {
    for (const { to, toSlot } of links) {
      const id = nextLinkId(layer);
      layer.links[id] = { id, from: instance, fromSlot: slot, to, toSlot, type: port.type };
      const input = layer.nodes[to]?.inputs[toSlot];
      if (input !== undefined) input.link = id;
    }
  });
}

/** Puts the inside of an instance in its place. Its own values go to the widgets they stand for. */
export function unpackSubgraph(draft: EditableDocument, { layer: layerId, node: id }: { readonly layer: LayerId; readonly node: NodeId }, { before }: Context): Made {
  const known = layerOf(before, layerId);
  const instance = known.nodes[id];
  const definition = instance === undefined ? undefined : before.subgraphs[instance.type];
  if (instance === undefined || definition === undefined) throw new Refusal(message('subgraph.not-one'));
  const around = boxAround(Object.values(definition.layer.nodes).map(boxOf)) ?? [0, 0, 0, 0];
  const [x, y, width, height] = boxOf(instance);
  const layer = draftLayer(draft, layerId);
  const renamed = putLayer(layer, definition.layer, [x + width / 2 - around[0] - around[2] / 2, y + height / 2 - around[1] - around[3] / 2]);
  if (instance.mode !== 0) for (const copy of renamed.nodes.values()) layer.nodes[copy]!.mode = instance.mode;
  joinInputs(layer, instance, definition, known, renamed.nodes);
  joinOutputs(layer, instance, definition, known, renamed.nodes);
  for (const link of Object.values(known.links)) if (link.from === id || link.to === id) unlink(layer, link.id);
  delete layer.nodes[id];
  if (layerId === rootLayer) {
    followPorts(draft, id, definition, renamed.nodes);
    renameInForm(draft, (node) => innerName(node, id, renamed.nodes));
    dropFromForm(draft, new Set([id]));
  }
  pruneSubgraphs(draft, [definition.id]);
  return { nodes: [...renamed.nodes.values()] };
}

/** A port that the simple view shows becomes the first input it led to. */
function followPorts(draft: EditableDocument, instance: NodeId, { inputs, layer }: SubgraphDefinition, renamed: ReadonlyMap<string, string>): void {
  for (const entry of draft.form?.inputs ?? []) {
    const slot = entry.node === instance ? inputs.findIndex(({ name }) => name === entry.input) : -1;
    const link = Object.values(layer.links).find(({ from, fromSlot, to }) => from === inputBoundary && fromSlot === slot && renamed.has(to));
    if (link === undefined) continue;
    entry.node = renamed.get(link.to)!;
    entry.input = layer.nodes[link.to]!.inputs[link.toSlot]!.name;
  }
}

function innerName(node: string, instance: NodeId, renamed: ReadonlyMap<string, string>): string | undefined {
  const [outer, inner, ...rest] = node.split(':');
  const copy = outer === instance && inner !== undefined ? renamed.get(inner) : undefined;
  return copy === undefined ? undefined : [copy, ...rest].join(':');
}

/** What fed the instance feeds what its ports led to; an unlinked port hands on its value, and so do widgets promoted by their owner (`3 sigma`). */
function joinInputs(layer: EditableLayer, instance: DocNode, definition: SubgraphDefinition, outer: Layer, renamed: ReadonlyMap<string, string>): void {
  for (const [key, value] of instance.properties.has('proxyWidgets') ? Object.entries(instance.values) : []) {
    const [owner, ...name] = key.split(' ');
    const target = renamed.get(owner!);
    if (target !== undefined && name.length > 0) layer.nodes[target]!.values[name.join(' ')] = value;
  }
  for (const link of Object.values(definition.layer.links)) {
    const port = link.from === inputBoundary ? definition.inputs[link.fromSlot] : undefined;
    const target = renamed.get(link.to);
    if (port === undefined || target === undefined) continue;
    const source = sourceAt(instance, port, outer);
    const input = layer.nodes[target]!.inputs[link.toSlot]!;
    if (source !== undefined) addLink(layer, source, target, link.toSlot, link.type);
    else if (instance.values[port.name] !== undefined) layer.nodes[target]!.values[input.name] = instance.values[port.name]!;
  }
}

/** What the instance fed is fed by the inside, or by what came in where the inside only passed it on. */
function joinOutputs(layer: EditableLayer, instance: DocNode, definition: SubgraphDefinition, outer: Layer, renamed: ReadonlyMap<string, string>): void {
  for (const inner of Object.values(definition.layer.links)) {
    if (inner.to !== outputBoundary) continue;
    const passed = inner.from === inputBoundary ? sourceAt(instance, definition.inputs[inner.fromSlot], outer) : undefined;
    const node = renamed.get(inner.from);
    const source = node === undefined ? passed : { from: node, fromSlot: inner.fromSlot };
    for (const link of Object.values(outer.links)) {
      if (link.from !== instance.id || link.fromSlot !== inner.toSlot || link.to === instance.id) continue;
      unlink(layer, link.id);
      if (source !== undefined) addLink(layer, source, link.to, link.toSlot, link.type);
    }
  }
}

interface LinkSource { readonly from: NodeId; readonly fromSlot: number }

function sourceAt(instance: DocNode, port: Port | undefined, outer: Layer): LinkSource | undefined {
  const link = instance.inputs.find(({ name }) => name === port?.name)?.link;
  return link === null || link === undefined ? undefined : outer.links[link];
}

function addLink(layer: EditableLayer, { from, fromSlot }: LinkSource, to: NodeId, toSlot: number, type: string): void {
  const id = nextLinkId(layer);
  layer.links[id] = { id, from, fromSlot, to, toSlot, type };
  const input = layer.nodes[to]?.inputs[toSlot];
  if (input !== undefined) input.link = id;
}

export function renameSubgraph(draft: EditableDocument, { id, name }: { readonly id: string; readonly name: string }): void {
  const definition = draft.subgraphs[id];
  if (definition !== undefined && name.trim() !== '') definition.name = name.trim();
}

/** A new id as ComfyUI writes them (UUID version 4). */
export function newSubgraphId(random: () => number = Math.random): string {
  const hex = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 16).toString(16)).join('');
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'[Math.floor(random() * 4)]}${hex(3)}-${hex(12)}`;
}
