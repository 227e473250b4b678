// Pasting and duplicating: a clip's nodes with new ids, their links, groups and subgraphs.
import { canConnect } from '../connections.ts';
import { clipOf, type Clip } from '../clipboard.ts';
import type { Json } from '../../../engine/formats/json.ts';
import { emptyRecord, layerOf, type Control, type DocNode, type Editable, type EditableDocument, type EditableLayer, type EditableNode, type Layer, type LayerId, type Point, type SubgraphDefinition } from '../document.ts';
import { round } from '../layout.ts';
import { message, Refusal } from '../messages.ts';
import { boxAround, boxOf, type Selection } from '../selection.ts';
import { equalPlain } from '../write-parts.ts';
import { draftLayer, nextLinkId, nextNodeId, wouldHoldItself, type Context, type Made } from './context.ts';
import { moveTo, type Moves } from './arrange.ts';
import { linkUp } from './links.ts';

export interface PasteArgs {
  readonly layer: LayerId;
  readonly clip: Clip;
  /** The corner of what is pasted; without it a little beside where it was copied. */
  readonly at?: Point;
  /** Links that came from nodes outside are made again where those nodes still are. */
  readonly withInputs?: boolean;
}

/** Ids of a clip's items and the ids they got. */
export interface Renamed {
  readonly nodes: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
  readonly reroutes: ReadonlyMap<string, string>;
}

export function paste(draft: EditableDocument, { layer: id, clip, at, withInputs = false }: PasteArgs, context: Context): Made {
  const { root } = clip.document;
  const corner = boxAround([...Object.values(root.nodes).map(boxOf), ...Object.values(root.groups).map(({ box }) => box)]);
  if (corner === undefined) throw new Refusal(message('paste.not-nodes'));
  const by: Point = at === undefined ? [40, 40] : [at[0] - corner[0], at[1] - corner[1]];
  const types = takeSubgraphs(draft, clip.document.subgraphs);
  for (const type of new Set(Object.values(root.nodes).map((node) => types.get(node.type) ?? node.type))) {
    if (draft.subgraphs[type] !== undefined && wouldHoldItself(context.before, id, type)) throw new Refusal(message('subgraph.inside-itself'));
  }
  const layer = draftLayer(draft, id);
  const renamed = putLayer(layer, root, by, (type) => types.get(type) ?? type);
  if (withInputs) linkOuter(draft, id, clip, renamed, context);
  return { nodes: [...renamed.nodes.values()], groups: [...renamed.groups.values()], reroutes: [...renamed.reroutes.values()] };
}

/** Puts copies of a layer's items into another, shifted. Links to a subgraph's boundary are left out. */
export function putLayer(layer: EditableLayer, source: Layer, [dx, dy]: Point, typeOf: (type: string) => string = (type) => type): Renamed {
  const nodes = new Map<string, string>();
  const groups = new Map<string, string>();
  const reroutes = new Map<string, string>();
  const links = new Map<string, string>();
  const shift = ([x, y]: Point): Point => [round(x + dx), round(y + dy)];
  for (const id of Object.keys(source.nodes)) nodes.set(id, nextNodeId(layer));
  for (const id of Object.keys(source.reroutes)) reroutes.set(id, String(++layer.lastRerouteId));
  for (const link of Object.values(source.links)) if (nodes.has(link.from) && nodes.has(link.to)) links.set(link.id, nextLinkId(layer));
  for (const node of Object.values(source.nodes)) {
    // what is copied is frozen; the copy may be changed by the same command
    const copy: DocNode = {
      ...node, id: nodes.get(node.id)!, flags: { ...node.flags }, outputs: node.outputs.map((output) => ({ ...output })),
      values: Object.assign(emptyRecord<Json>(), node.values), controls: Object.assign(emptyRecord<Control>(), node.controls),
      type: typeOf(node.type), pos: shift(node.pos), inputs: node.inputs.map((input) => ({ ...input, link: input.link === null ? null : links.get(input.link) ?? null })),
    };
    layer.nodes[copy.id] = copy as EditableNode;
  }
  for (const link of Object.values(source.links)) {
    const id = links.get(link.id);
    const parent = link.parent === undefined ? undefined : reroutes.get(link.parent);
    if (id !== undefined) layer.links[id] = { id, from: nodes.get(link.from)!, fromSlot: link.fromSlot, to: nodes.get(link.to)!, toSlot: link.toSlot, type: link.type, ...(parent === undefined ? {} : { parent }) };
  }
  for (const { id, pos, parent } of Object.values(source.reroutes)) {
    const copy = reroutes.get(id)!;
    layer.reroutes[copy] = { id: copy, pos: shift(pos), ...(parent === undefined ? {} : { parent: reroutes.get(parent)! }) };
  }
  for (const { raw, ...group } of Object.values(source.groups)) {
    const id = String(++layer.lastGroupId);
    groups.set(group.id, id);
    const [x, y] = shift([group.box[0], group.box[1]]);
    layer.groups[id] = { ...group, id, box: [x, y, group.box[2], group.box[3]], ...(raw === undefined ? {} : { raw: withoutId(raw, id) }) };
  }
  return { nodes, groups, reroutes };
}

function withoutId(raw: ReadonlyMap<string, Json>, id: string): ReadonlyMap<string, Json> {
  return new Map(raw).set('id', BigInt(id));
}

/** Adds definitions that are not there yet. Where another has the same id, the clip's gets a new one; returns the new types by the old. */
function takeSubgraphs(draft: EditableDocument, subgraphs: Readonly<Record<string, SubgraphDefinition>>): ReadonlyMap<string, string> {
  const renamed = new Map<string, string>();
  for (const definition of Object.values(subgraphs)) {
    const own = draft.subgraphs[definition.id];
    if (own === undefined || equalPlain(own, definition)) continue;
    let id = definition.id;
    for (let i = 2; draft.subgraphs[id] !== undefined || subgraphs[id] !== undefined; i++) id = `${definition.id}-${i}`;
    renamed.set(definition.id, id);
  }
  for (const definition of Object.values(subgraphs)) {
    const id = renamed.get(definition.id) ?? definition.id;
    if (draft.subgraphs[id] !== undefined) continue;
    const layer = definition.layer;
    const nodes = Object.create(null) as Record<string, DocNode>;
    for (const node of Object.values(layer.nodes)) nodes[node.id] = renamed.has(node.type) ? { ...node, type: renamed.get(node.type)! } : node;
    draft.subgraphs[id] = { ...definition, id, layer: { ...layer, nodes } } as Editable<SubgraphDefinition>;
  }
  return renamed;
}

function linkOuter(draft: EditableDocument, id: LayerId, { outer }: Clip, { nodes }: Renamed, { types, before }: Context): void {
  const known = layerOf(before, id);
  for (const { from, to } of outer) {
    const node = nodes.get(to.node);
    if (node === undefined || known.nodes[from.node] === undefined) continue;
    const connection = { layer: id, from, to: { node, input: to.input } };
    if (canConnect(draft, types, connection).ok) linkUp(draft, types, connection);
  }
}

export interface DuplicateArgs { readonly layer: LayerId; readonly selection: Selection; readonly at?: Point; readonly withInputs?: boolean; readonly moves?: Moves }

/** A copy beside the original; or, with `moves` (a drag with Alt held), the copy at the places dragged to. */
export function duplicate(draft: EditableDocument, { layer: id, selection, at, withInputs = true, moves }: DuplicateArgs, context: Context): Made {
  const clip = clipOf(context.before, { ...selection, layer: id });
  if (clip === undefined) throw new Refusal(message('paste.not-nodes'));
  const layer = draftLayer(draft, id);
  const renamed = putLayer(layer, clip.document.root, moves === undefined ? at ?? [40, 40] : [0, 0]);
  if (moves !== undefined) {
    const follow = <T>(places: Readonly<Record<string, T>> | undefined, ids: ReadonlyMap<string, string>) => Object.fromEntries(Object.entries(places ?? {}).flatMap(([old, place]) => (ids.has(old) ? [[ids.get(old)!, place]] : [])));
    moveTo(layer, { nodes: follow(moves.nodes, renamed.nodes), groups: follow(moves.groups, renamed.groups), reroutes: follow(moves.reroutes, renamed.reroutes) });
  }
  if (withInputs) linkOuter(draft, id, clip, renamed, context);
  return { nodes: [...renamed.nodes.values()], groups: [...renamed.groups.values()], reroutes: [...renamed.reroutes.values()] };
}

