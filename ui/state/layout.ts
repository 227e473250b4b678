// Where nodes go: tidy from left to right by their links, aligned, distributed, snapped to a grid. Pure geometry; commands apply it.
import type { Box, DocNode, Layer, NodeId, Point } from './document.ts';
import { boxAround, boxOf, titleHeight } from './selection.ts';
import { orderOf, sourcesOf, targetsBySource } from './walk.ts';

const columnGap = 80;
const rowGap = 40;

/**
 * Positions for the nodes (all, or those given) in columns from left to right: a node stands right of all that feed it, and
 * as near as it can to the height of what it is linked to. The top left corner stays where it was. Deterministic.
 */
export function tidyPositions(layer: Layer, only?: Iterable<NodeId>): Map<NodeId, Point> {
  const chosen = new Set(only ?? Object.keys(layer.nodes));
  const { nodes: order, depth } = orderOf(layer);
  const nodes = order.filter((id) => chosen.has(id)).map((id) => layer.nodes[id]!);
  const corner = boxAround(nodes.map(boxOf)) ?? [0, 0, 0, 0];
  const columns = columnsOf(layer, nodes, depth);
  const places = new Map<NodeId, Point>();
  let x = corner[0];
  for (const column of sweep(layer, columns)) {
    const width = column.reduce((most, { size }) => Math.max(most, size[0]), 0);
    stack(layer, column, x, corner[1], places);
    x += width + columnGap;
  }
  return places;
}

/** Nodes by column. One that nothing feeds stands just left of its first target, so that links stay short. */
function columnsOf(layer: Layer, nodes: readonly DocNode[], depth: ReadonlyMap<NodeId, number>): DocNode[][] {
  const targets = targetsBySource(layer);
  const level = new Map(nodes.map(({ id }) => [id, depth.get(id) ?? 0]));
  for (const { id } of [...nodes].reverse()) {
    const after = (targets.get(id) ?? []).filter((target) => level.has(target)).map((target) => level.get(target)!);
    if (after.length > 0 && sourcesOf(layer, id).length === 0) level.set(id, Math.max(0, Math.min(...after) - 1));
  }
  const used = [...new Set(level.values())].sort((a, b) => a - b);
  const columns = used.map((): DocNode[] => []);
  for (const node of nodes) columns[used.indexOf(level.get(node.id)!)]!.push(node);
  return columns;
}

/** Orders each column by the middle of what its nodes are linked to, there and back: fewer crossings. */
function sweep(layer: Layer, columns: readonly DocNode[][]): readonly DocNode[][] {
  const targets = targetsBySource(layer);
  const rank = new Map<NodeId, number>();
  const number = (column: readonly DocNode[]) => column.forEach(({ id }, i) => rank.set(id, column.length === 1 ? 0.5 : i / (column.length - 1)));
  columns.forEach(number);
  const middle = (ids: readonly NodeId[], own: number) => {
    const ranks = ids.flatMap((id) => rank.get(id) ?? []);
    return ranks.length === 0 ? own : ranks.reduce((sum, value) => sum + value, 0) / ranks.length;
  };
  const sortBy = (column: DocNode[], neighbours: (id: NodeId) => readonly NodeId[]) => {
    const keys = new Map(column.map(({ id }) => [id, middle(neighbours(id), rank.get(id)!)]));
    column.sort((a, b) => keys.get(a.id)! - keys.get(b.id)!);
    number(column);
  };
  for (let round = 0; round < 4; round++) {
    for (const column of columns.slice(1)) sortBy(column, (id) => sourcesOf(layer, id));
    for (const column of columns.slice(0, -1).reverse()) sortBy(column, (id) => targets.get(id) ?? []);
  }
  return columns;
}

/** Puts a column's nodes below each other, each at the height of its sources where there is room. */
function stack(layer: Layer, column: readonly DocNode[], x: number, top: number, places: Map<NodeId, Point>): void {
  let y = top;
  for (const node of column) {
    const sources = sourcesOf(layer, node.id).flatMap((id) => places.get(id)?.[1] ?? []);
    const wished = sources.length === 0 ? y : Math.min(...sources) - titleHeight;
    const at = Math.max(y, wished);
    places.set(node.id, [x, at + titleHeight]);
    y = at + boxOf(node)[3] + rowGap;
  }
}

export type Edge = 'left' | 'center' | 'right' | 'top' | 'middle' | 'bottom';

/** Positions that bring nodes to one line, at the outermost of them (or the middle of all). */
export function alignedPositions(nodes: readonly DocNode[], edge: Edge): Map<NodeId, Point> {
  const around = boxAround(nodes.map(boxOf));
  if (around === undefined) return new Map();
  const [left, top, width, height] = around;
  return new Map(nodes.map((node): readonly [NodeId, Point] => {
    const [x, y, ownWidth, ownHeight] = boxOf(node);
    const [toX, toY] = { left: [left, y], center: [left + (width - ownWidth) / 2, y], right: [left + width - ownWidth, y], top: [x, top], middle: [x, top + (height - ownHeight) / 2], bottom: [x, top + height - ownHeight] }[edge] as [number, number];
    return [node.id, [node.pos[0] + round(toX - x), node.pos[1] + round(toY - y)]];
  }));
}

/** Positions with equal gaps between nodes along an axis; the outer two stay. */
export function distributedPositions(nodes: readonly DocNode[], axis: 'x' | 'y'): Map<NodeId, Point> {
  const at = axis === 'x' ? 0 : 1;
  const boxes = nodes.map((node) => [node, boxOf(node)] as const).sort(([, a], [, b]) => a[at] - b[at]);
  const around = boxAround(boxes.map(([, box]) => box));
  if (around === undefined || nodes.length < 3) return new Map();
  const last = boxes.at(-1)![1];
  const span = last[at] + last[at + 2]! - boxes[0]![1][at];
  const gap = (span - boxes.reduce((sum, [, box]) => sum + box[at + 2]!, 0)) / (boxes.length - 1);
  let next = boxes[0]![1][at];
  return new Map(boxes.map(([node, box]): readonly [NodeId, Point] => {
    const by = round(next - box[at]);
    next += box[at + 2]! + gap;
    return [node.id, axis === 'x' ? [node.pos[0] + by, node.pos[1]] : [node.pos[0], node.pos[1] + by]];
  }));
}

export const gridStep = 10;
export function snap([x, y]: Point, step = gridStep): Point {
  return [Math.round(x / step) * step, Math.round(y / step) * step];
}

export interface Guide { readonly axis: 'x' | 'y'; readonly at: number }

/** How far to shift a moving box so that an edge or its middle meets one of others, at most `within`; and the lines it then meets. */
export function snapToOthers(moving: Box, others: readonly Box[], within = 8): { readonly by: Point; readonly guides: readonly Guide[] } {
  const lines = ([x, y, width, height]: Box, axis: 0 | 1) => (axis === 0 ? [x, x + width / 2, x + width] : [y, y + height / 2, y + height]);
  const nearest = (axis: 0 | 1) => {
    let best: { by: number; at: number } | undefined;
    for (const other of others) {
      for (const at of lines(other, axis)) {
        for (const own of lines(moving, axis)) if (Math.abs(at - own) <= within && (best === undefined || Math.abs(at - own) < Math.abs(best.by))) best = { by: at - own, at };
      }
    }
    return best;
  };
  const [x, y] = [nearest(0), nearest(1)];
  return { by: [x?.by ?? 0, y?.by ?? 0], guides: [...(x === undefined ? [] : [{ axis: 'x' as const, at: x.at }]), ...(y === undefined ? [] : [{ axis: 'y' as const, at: y.at }])] };
}

/** Hundredths are enough, and files stay short. */
export function round(value: number): number {
  // plus zero: minus zero would be written as a number with a point
  return Math.round(value * 100) / 100 + 0;
}
