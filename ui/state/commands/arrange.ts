// Commands that place things: move, resize, align, distribute, tidy, and groups.
import { alignedPositions, distributedPositions, round, tidyPositions, type Edge } from '../layout.ts';
import { layerOf, type Box, type EditableDocument, type EditableLayer, type GroupId, type LayerId, type NodeId, type Point, type RerouteId, type Size } from '../document.ts';
import { boxAround, boxOf } from '../selection.ts';
import { draftLayer, draftNode, setMember, type Context, type Made } from './context.ts';

/** New places by id, in graph coordinates. */
export interface Moves {
  readonly nodes?: Readonly<Record<NodeId, Point>>;
  readonly groups?: Readonly<Record<GroupId, Point>>;
  readonly reroutes?: Readonly<Record<RerouteId, Point>>;
}

/** Puts items where they were dragged to. What a group holds is named by the caller (`itemsInGroup`). */
export function move(draft: EditableDocument, { layer, moves }: { readonly layer: LayerId; readonly moves: Moves }): void {
  moveTo(draftLayer(draft, layer), moves);
}

export function moveTo(layer: EditableLayer, { nodes = {}, groups = {}, reroutes = {} }: Moves): void {
  for (const [id, pos] of Object.entries(nodes)) {
    const node = layer.nodes[id];
    if (node !== undefined && !isAt(node.pos, pos)) node.pos = tidyPoint(pos);
  }
  for (const [id, [x, y]] of Object.entries(groups)) {
    const group = layer.groups[id];
    if (group !== undefined && !isAt(group.box, [x, y])) group.box = [round(x), round(y), group.box[2], group.box[3]];
  }
  for (const [id, pos] of Object.entries(reroutes)) {
    const reroute = layer.reroutes[id];
    if (reroute !== undefined && !isAt(reroute.pos, pos)) reroute.pos = tidyPoint(pos);
  }
}

function isAt(before: readonly number[], [x, y]: Point): boolean {
  return before[0] === x && before[1] === y;
}

function tidyPoint([x, y]: Point): Point {
  return [round(x), round(y)];
}

/** Sets a node's size; `pos` where an upper or left edge was dragged. */
export function resizeNode(draft: EditableDocument, { layer, node: id, size, pos }: { readonly layer: LayerId; readonly node: NodeId; readonly size: Size; readonly pos?: Point }): void {
  const node = draftNode(draftLayer(draft, layer), id);
  if (!isAt(node.size, size)) node.size = [round(Math.max(size[0], 40)), round(Math.max(size[1], 10))];
  if (pos !== undefined && !isAt(node.pos, pos)) node.pos = tidyPoint(pos);
}

export function align(draft: EditableDocument, { layer, nodes, edge }: { readonly layer: LayerId; readonly nodes: readonly NodeId[]; readonly edge: Edge }, { before }: Context): void {
  const known = layerOf(before, layer);
  moveTo(draftLayer(draft, layer), { nodes: Object.fromEntries(alignedPositions(nodes.flatMap((id) => known.nodes[id] ?? []), edge)) });
}

/** Equal gaps along an axis; three nodes or more. */
export function distribute(draft: EditableDocument, { layer, nodes, axis }: { readonly layer: LayerId; readonly nodes: readonly NodeId[]; readonly axis: 'x' | 'y' }, { before }: Context): void {
  const known = layerOf(before, layer);
  moveTo(draftLayer(draft, layer), { nodes: Object.fromEntries(distributedPositions(nodes.flatMap((id) => known.nodes[id] ?? []), axis)) });
}

/** Lays nodes out from left to right; all of the layer's without `nodes`. Pinned ones stay. */
export function tidy(draft: EditableDocument, { layer, nodes }: { readonly layer: LayerId; readonly nodes?: readonly NodeId[] }, { before }: Context): void {
  const known = layerOf(before, layer);
  const free = (nodes ?? Object.keys(known.nodes)).filter((id) => known.nodes[id] !== undefined && known.nodes[id].flags.pinned !== true);
  moveTo(draftLayer(draft, layer), { nodes: Object.fromEntries(tidyPositions(known, free)) });
}

const groupPadding = 20;
const groupTitle = 36;

/** A frame: around the nodes given, or where `box` says. */
export function addGroup(draft: EditableDocument, { layer: id, title, nodes = [], box, color }: { readonly layer: LayerId; readonly title: string; readonly nodes?: readonly NodeId[]; readonly box?: Box; readonly color?: string }, { before }: Context): Made {
  const layer = draftLayer(draft, id);
  const around = fitBox(nodes.flatMap((node) => layerOf(before, id).nodes[node] ?? []).map(boxOf));
  const made = String(++layer.lastGroupId);
  layer.groups[made] = { id: made, title, box: box ?? around ?? [0, 0, 400, 300], fontSize: 24, ...(color === undefined ? {} : { color }) };
  return { groups: [made] };
}

/** The frame that fits around boxes, with room for its title. */
export function fitBox(boxes: readonly Box[]): Box | undefined {
  const around = boxAround(boxes);
  return around && [around[0] - groupPadding, around[1] - groupPadding - groupTitle, around[2] + 2 * groupPadding, around[3] + 2 * groupPadding + groupTitle];
}

/** Changes a group; what is not given stays. An empty colour takes the colour away. */
export function setGroup(draft: EditableDocument, { layer, group: id, title, box, color, isPinned }: { readonly layer: LayerId; readonly group: GroupId; readonly title?: string; readonly box?: Box; readonly color?: string; readonly isPinned?: boolean }): void {
  const group = draftLayer(draft, layer).groups[id];
  if (group === undefined) return;
  if (title !== undefined) group.title = title;
  if (box !== undefined && !box.every((value, i) => group.box[i] === value)) group.box = [round(box[0]), round(box[1]), round(Math.max(box[2], 40)), round(Math.max(box[3], 40))];
  if (color !== undefined) setMember(group, 'color', color === '' ? undefined : color);
  if (isPinned !== undefined) setMember(group, 'isPinned', isPinned ? true : undefined);
}
