// Commands on links: connect, disconnect, points on links, a node put on a link. They keep the invariant that an input names its link
// and the link the input.
import { canConnect, bestInput, bestOutput, type Connection } from '../connections.ts';
import { inputBoundary, layerOf, outputBoundary, rootLayer, type DocLink, type Document, type Editable, type EditableDocument, type EditableLayer, type LayerId, type LinkId, type NodeId, type Point, type RerouteId } from '../document.ts';
import { message, Refusal } from '../messages.ts';
import type { NodeTypes } from '../node-types.ts';
import { nodeTypeOf, outputTypeOf } from '../slots.ts';
import { draftLayer, nextLinkId, type Context, type Made } from './context.ts';
import { moveTo, type Moves } from './arrange.ts';

/** Links an output to an input; what was linked there goes. `replaces`: a link taken up to be laid elsewhere. */
export function connect(draft: EditableDocument, args: Connection & { readonly replaces?: LinkId }, { types, before }: Context): Made {
  const layer = draftLayer(draft, args.layer);
  const old = args.replaces === undefined ? undefined : layerOf(before, args.layer).links[args.replaces];
  const known = old === undefined ? before : without(before, args.layer, old);
  const answer = canConnect(known, types, args);
  if (!answer.ok) throw new Refusal(answer.reason);
  if (old !== undefined) unlink(layer, old.id);
  return { links: [linkUp(draft, types, args)] };
}

/** The document as if a link were not there: for asking whether another may take its place. */
function without(document: Document, id: LayerId, link: DocLink): Document {
  const layer = layerOf(document, id);
  const node = layer.nodes[link.to];
  if (node === undefined) return document;
  const inputs = node.inputs.map((input) => (input.link === link.id ? { ...input, link: null } : input));
  const changed = { ...layer, nodes: Object.assign(Object.create(null) as typeof layer.nodes, layer.nodes, { [node.id]: { ...node, inputs } }) };
  if (id === rootLayer) return { ...document, root: changed };
  return { ...document, subgraphs: Object.assign(Object.create(null) as Document['subgraphs'], document.subgraphs, { [id]: { ...document.subgraphs[id]!, layer: changed } }) };
}

/** Makes the link without asking whether it may be. Returns its id. */
export function linkUp(draft: EditableDocument, types: NodeTypes, { layer: id, from, to }: Connection, parent?: RerouteId): LinkId {
  const layer = draftLayer(draft, id);
  const toSlot = to.node === outputBoundary ? draft.subgraphs[id]!.outputs.findIndex(({ name }) => name === to.input) : inputSlotFor(draft, types, layer, to.node, to.input);
  const taken = to.node === outputBoundary ? Object.values(layer.links).find((link) => link.to === outputBoundary && link.toSlot === toSlot)?.id : layer.nodes[to.node]!.inputs[toSlot]!.link;
  if (taken !== undefined && taken !== null) unlink(layer, taken);
  if (from.node !== inputBoundary) showOutput(draft, types, layer, from.node, from.slot);
  const type = outputTypeOf(draft, types, layer, from.node, from.slot, id) ?? '*';
  const link: Editable<DocLink> = { id: nextLinkId(layer), from: from.node, fromSlot: from.slot, to: to.node, toSlot, type };
  if (parent !== undefined && layer.reroutes[parent] !== undefined) link.parent = parent;
  layer.links[link.id] = link;
  if (to.node !== outputBoundary) layer.nodes[to.node]!.inputs[toSlot]!.link = link.id;
  return link.id;
}

/** The index of an input by name; a widget's input is listed from its first link on. */
function inputSlotFor(draft: EditableDocument, types: NodeTypes, layer: EditableLayer, id: NodeId, name: string): number {
  const node = layer.nodes[id]!;
  const known = node.inputs.findIndex((input) => input.name === name);
  if (known >= 0) return known;
  const declared = nodeTypeOf(draft, types, node.type)?.inputs.find((input) => input.name === name);
  node.inputs.push({ name, type: declared?.type ?? '*', link: null, ...(declared?.widget === undefined ? {} : { widget: name }) });
  return node.inputs.length - 1;
}

/** Files may list fewer outputs than the type has. */
function showOutput(draft: EditableDocument, types: NodeTypes, layer: EditableLayer, id: NodeId, slot: number): void {
  const node = layer.nodes[id]!;
  const declared = nodeTypeOf(draft, types, node.type)?.outputs ?? [];
  for (let i = node.outputs.length; i <= slot; i++) node.outputs.push({ name: declared[i]?.name ?? '', type: declared[i]?.type ?? '*' });
}

/** Removes a link and the points that only it passed. */
export function disconnect(draft: EditableDocument, { layer: id, link }: { readonly layer: LayerId; readonly link: LinkId }): void {
  const layer = draftLayer(draft, id);
  if (layer.links[link] !== undefined) unlink(layer, link);
}

/** As `disconnect`; nothing happens where the link is gone already. */
export function unlink(layer: EditableLayer, id: LinkId): void {
  const link = layer.links[id];
  if (link === undefined) return;
  delete layer.links[id];
  const input = layer.nodes[link.to]?.inputs[link.toSlot];
  if (input?.link === id) input.link = null;
  dropReroutes(layer, link.parent);
}

/** Takes out the points of a chain that no link and no other point needs any more. */
function dropReroutes(layer: EditableLayer, start: RerouteId | undefined): void {
  for (let id = start; id !== undefined;) {
    const reroute = layer.reroutes[id];
    if (reroute === undefined) return;
    const isNeeded = Object.values(layer.links).some(({ parent }) => parent === id) || Object.values(layer.reroutes).some(({ parent }) => parent === id);
    if (isNeeded) return;
    delete layer.reroutes[id];
    id = reroute.parent;
  }
}

/** Puts a point on a link: nearest its target, or just before another of its points (towards the source). */
export function insertReroute(draft: EditableDocument, { layer: id, link: linkId, at, before: next }: { readonly layer: LayerId; readonly link: LinkId; readonly at: Point; readonly before?: RerouteId }): Made {
  const layer = draftLayer(draft, id);
  const link = layer.links[linkId];
  if (link === undefined) throw new Refusal(message('node.missing'));
  const made = String(++layer.lastRerouteId);
  const follower = next === undefined ? undefined : layer.reroutes[next];
  const parent = follower === undefined ? link.parent : follower.parent;
  layer.reroutes[made] = { id: made, pos: at, ...(parent === undefined ? {} : { parent }) };
  if (follower === undefined) link.parent = made;
  else follower.parent = made;
  return { reroutes: [made] };
}

/** Takes a point out; links go on through the points around it. */
export function spliceReroute(layer: EditableLayer, id: RerouteId): void {
  const reroute = layer.reroutes[id];
  if (reroute === undefined) return;
  delete layer.reroutes[id];
  for (const item of [...Object.values(layer.links), ...Object.values(layer.reroutes)]) {
    if (item.parent !== id) continue;
    if (reroute.parent === undefined) delete item.parent;
    else item.parent = reroute.parent;
  }
}

/** Puts a node between the ends of a link, through its best input and output. Refused where the types do not fit. */
export function insertNode(draft: EditableDocument, args: { readonly layer: LayerId; readonly node: NodeId; readonly link: LinkId; readonly moves?: Moves }, { types, before }: Context): Made {
  const link = layerOf(before, args.layer).links[args.link];
  const target = link === undefined ? undefined : layerOf(before, args.layer).nodes[link.to];
  const input = link?.to === outputBoundary ? before.subgraphs[args.layer]?.outputs[link.toSlot]?.name : target?.inputs[link?.toSlot ?? -1]?.name;
  if (link === undefined || input === undefined) throw new Refusal(message('node.missing'));
  const layer = draftLayer(draft, args.layer);
  if (args.moves !== undefined) moveTo(layer, args.moves);
  const wanted = link.to === outputBoundary ? before.subgraphs[args.layer]!.outputs[link.toSlot]!.type : target!.inputs[link.toSlot]!.type;
  const made = outputTypeOf(before, types, layerOf(before, args.layer), link.from, link.fromSlot, args.layer) ?? link.type;
  const own = bestInput(before, types, layerOf(before, args.layer), args.node, made);
  const slot = bestOutput(before, types, layerOf(before, args.layer), args.node, wanted);
  if (own === undefined || slot === undefined) throw new Refusal(message('connect.wrong-type', { from: made, to: wanted }));
  const first: Connection = { layer: args.layer, from: { node: link.from, slot: link.fromSlot }, to: { node: args.node, input: own } };
  const second: Connection = { layer: args.layer, from: { node: args.node, slot }, to: { node: link.to, input } };
  const known = without(before, args.layer, link);
  for (const connection of [first, second]) {
    const answer = canConnect(known, types, connection);
    if (!answer.ok) throw new Refusal(answer.reason);
  }
  unlink(layer, link.id);
  return { links: [linkUp(draft, types, first), linkUp(draft, types, second)] };
}
