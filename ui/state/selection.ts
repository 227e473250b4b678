// What is selected in a layer, and the ways to select by more than clicking. Pure: the canvas and the outline both show and change it.
import { type Box, type DocGroup, type DocNode, type GroupId, type Layer, type LayerId, type LinkId, type NodeId, type RerouteId, rootLayer } from './document.ts';
import { downstreamOf, upstreamOf } from './walk.ts';

export interface Selection {
  readonly layer: LayerId;
  readonly nodes: readonly NodeId[];
  readonly groups: readonly GroupId[];
  readonly reroutes: readonly RerouteId[];
  readonly links: readonly LinkId[];
}

export const emptySelection: Selection = { layer: rootLayer, nodes: [], groups: [], reroutes: [], links: [] };

export function selectNodes(layer: LayerId, nodes: Iterable<NodeId>): Selection {
  return { ...emptySelection, layer, nodes: [...new Set(nodes)] };
}

export function isEmptySelection({ nodes, groups, reroutes, links }: Selection): boolean {
  return nodes.length + groups.length + reroutes.length + links.length === 0;
}

/** Both; `toggle` takes out what is in both. Selections of different layers do not mix: the second wins. */
export function addToSelection(before: Selection, added: Selection, toggle = false): Selection {
  if (before.layer !== added.layer) return added;
  const join = (a: readonly string[], b: readonly string[]) => (toggle ? [...a.filter((id) => !b.includes(id)), ...b.filter((id) => !a.includes(id))] : [...new Set([...a, ...b])]);
  return { layer: before.layer, nodes: join(before.nodes, added.nodes), groups: join(before.groups, added.groups), reroutes: join(before.reroutes, added.reroutes), links: join(before.links, added.links) };
}

/** Only what still exists. The same object when nothing is gone. */
export function pruneSelection(selection: Selection, layer: Layer | undefined): Selection {
  if (layer === undefined) return emptySelection;
  const pruned: Selection = {
    layer: selection.layer,
    nodes: selection.nodes.filter((id) => layer.nodes[id] !== undefined),
    groups: selection.groups.filter((id) => layer.groups[id] !== undefined),
    reroutes: selection.reroutes.filter((id) => layer.reroutes[id] !== undefined),
    links: selection.links.filter((id) => layer.links[id] !== undefined),
  };
  const count = ({ nodes, groups, reroutes, links }: Selection) => nodes.length + groups.length + reroutes.length + links.length;
  return count(pruned) === count(selection) ? selection : pruned;
}

export function selectAll(id: LayerId, layer: Layer): Selection {
  return { ...emptySelection, layer: id, nodes: Object.keys(layer.nodes), groups: Object.keys(layer.groups), reroutes: Object.keys(layer.reroutes) };
}

/** The selected nodes and all that feed them. */
export function selectUpstream(selection: Selection, layer: Layer): Selection {
  return { ...selection, nodes: [...upstreamOf(layer, selection.nodes)] };
}

/** The selected nodes and all that depend on them. */
export function selectDownstream(selection: Selection, layer: Layer): Selection {
  return { ...selection, nodes: [...downstreamOf(layer, selection.nodes)] };
}

/** Every node whose type one of the selected nodes has. */
export function selectSameType(selection: Selection, layer: Layer): Selection {
  const types = new Set(selection.nodes.map((id) => layer.nodes[id]?.type));
  return { ...selection, nodes: Object.values(layer.nodes).filter(({ type }) => types.has(type)).map(({ id }) => id) };
}

/** Height of a node's title bar, above its position. */
export const titleHeight = 30;

/** Where a node is drawn, title bar included. A collapsed one is its title bar alone. */
export function boxOf({ pos: [x, y], size: [width, height], flags }: Pick<DocNode, 'pos' | 'size' | 'flags'>): Box {
  return flags.collapsed === true ? [x, y - titleHeight, Math.min(width, 160), titleHeight] : [x, y - titleHeight, width, height + titleHeight];
}

/** What lies in a box (given by two opposite corners in any order); `whole`: only what lies in it altogether. */
export function selectInBox(id: LayerId, layer: Layer, box: Box, whole = false): Selection {
  const area = upright(box);
  const isHit = (other: Box) => (whole ? contains(area, other) : overlaps(area, other));
  return {
    ...emptySelection, layer: id,
    nodes: Object.values(layer.nodes).filter((node) => isHit(boxOf(node))).map((node) => node.id),
    // a group is taken only as a whole: a box drawn inside it means its nodes
    groups: Object.values(layer.groups).filter((group) => contains(area, group.box)).map((group) => group.id),
    reroutes: Object.values(layer.reroutes).filter(({ pos: [x, y] }) => contains(area, [x, y, 0, 0])).map((reroute) => reroute.id),
  };
}

/** What moves with a group: nodes and reroutes whose middle lies in it, and groups that lie in it altogether. */
export function itemsInGroup(layer: Layer, group: DocGroup): Pick<Selection, 'nodes' | 'groups' | 'reroutes'> {
  const isInside = ([x, y, width, height]: Box) => contains(group.box, [x + width / 2, y + height / 2, 0, 0]);
  return {
    nodes: Object.values(layer.nodes).filter((node) => isInside(boxOf(node))).map(({ id }) => id),
    groups: Object.values(layer.groups).filter((other) => other.id !== group.id && contains(group.box, other.box) && !contains(other.box, group.box)).map(({ id }) => id),
    reroutes: Object.values(layer.reroutes).filter(({ pos: [x, y] }) => contains(group.box, [x, y, 0, 0])).map(({ id }) => id),
  };
}

/** The smallest box around others; undefined for none. */
export function boxAround(boxes: readonly Box[]): Box | undefined {
  if (boxes.length === 0) return undefined;
  const left = boxes.reduce((least, [x]) => Math.min(least, x), Infinity);
  const top = boxes.reduce((least, [, y]) => Math.min(least, y), Infinity);
  const right = boxes.reduce((most, [x, , width]) => Math.max(most, x + width), -Infinity);
  const bottom = boxes.reduce((most, [, y, , height]) => Math.max(most, y + height), -Infinity);
  return [left, top, right - left, bottom - top];
}

function upright([x, y, width, height]: Box): Box {
  return [Math.min(x, x + width), Math.min(y, y + height), Math.abs(width), Math.abs(height)];
}

function contains([x, y, width, height]: Box, [ox, oy, ow, oh]: Box): boolean {
  return ox >= x && oy >= y && ox + ow <= x + width && oy + oh <= y + height;
}

function overlaps([x, y, width, height]: Box, [ox, oy, ow, oh]: Box): boolean {
  return ox <= x + width && ox + ow >= x && oy <= y + height && oy + oh >= y;
}
