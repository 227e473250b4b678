// Dragging nodes, groups with what is in them, and reroutes; with snapping, and onto a link.
import { fits } from '../../../engine/graph/fits.ts';
import type { Box, GroupId, LinkId, NodeId, Point, RerouteId } from '../../state/document.ts';
import { boxAround, itemsInGroup, type Selection } from '../../state/selection.ts';
import type { Moves } from '../events.ts';
import { findLink } from '../hit.ts';
import type { SceneLink, SceneNode } from '../stage.ts';
import { notSnapped, snapToBoxes, snapToGrid, type Snapped } from '../snap.ts';
import { visibleBox } from '../view.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

const shiftGrid = 20;
const guideReachPx = 6;

interface Items {
  readonly nodes: ReadonlySet<NodeId>;
  readonly groups: ReadonlySet<GroupId>;
  readonly reroutes: ReadonlySet<RerouteId>;
}

/** Undefined when all of the selection is pinned. */
export function moveDrag(bench: Workbench, start: DragPoint, selection: Selection): Drag | undefined {
  const { scene, look, events } = bench;
  const items = movable(bench, selection);
  if (items.nodes.size + items.groups.size + items.reroutes.size === 0) return undefined;
  const links = linksOf(bench, items);
  const startBox = boxOfItems(bench, items);
  const others = bench.snap().guides ? neighbours(bench, items) : [];
  let by: Point = [0, 0];

  const show = () => {
    place(bench, items, by);
    scene.placeLinks(links);
    bench.redraw(true);
  };
  const reset = () => {
    look.guides = [];
    look.dropLink = undefined;
    by = [0, 0];
    show();
  };
  const move = (at: DragPoint) => {
    const raw: Point = [at.graph[0] - start.graph[0], at.graph[1] - start.graph[1]];
    const snapped = snap(bench, startBox, raw, others, at.shift);
    by = [raw[0] + snapped.by[0], raw[1] + snapped.by[1]];
    look.guides = snapped.guides;
    show();
    look.dropLink = linkToEnter(bench, items, at);
  };
  return {
    scrolls: true, cursor: start.alt ? 'copy' : 'grabbing',
    move,
    end(at) {
      move(at);
      const moves = movesOf(bench, items, by);
      const isEmpty = Object.keys(moves.moves.nodes).length + Object.keys(moves.moves.groups).length + Object.keys(moves.moves.reroutes).length === 0;
      const [node] = items.nodes;
      const link = look.dropLink;
      // back to what the document says; the command brings it to the new place
      reset();
      if (isEmpty || Math.hypot(moves.by[0], moves.by[1]) === 0) return;
      if (link !== undefined && node !== undefined) events.onCommand({ kind: 'insertNode', node, link, moves: moves.moves });
      else events.onCommand({ kind: start.alt ? 'duplicate' : 'move', moves: moves.moves });
    },
    cancel: reset,
  };
}

function movable({ scene }: Workbench, selection: Selection): Items {
  const nodes = new Set(selection.nodes);
  const groups = new Set<GroupId>();
  const reroutes = new Set(selection.reroutes);
  for (const id of selection.groups) {
    const group = scene.layer.groups[id];
    if (group === undefined || group.isPinned === true) continue;
    const inside = itemsInGroup(scene.layer, group);
    groups.add(id);
    inside.nodes.forEach((one) => nodes.add(one));
    inside.groups.forEach((one) => groups.add(one));
    inside.reroutes.forEach((one) => reroutes.add(one));
  }
  for (const id of nodes) {
    const node = scene.node(id);
    if (node === undefined || node.isBoundary || node.doc.flags.pinned === true) nodes.delete(id);
  }
  for (const id of groups) if (scene.layer.groups[id]?.isPinned === true) groups.delete(id);
  for (const id of reroutes) if (!scene.reroutes.has(id)) reroutes.delete(id);
  return { nodes, groups, reroutes };
}

/** Links that move along: at a moved node, or over a moved reroute. */
function linksOf({ scene }: Workbench, { nodes, reroutes }: Items): readonly SceneLink[] {
  const passes = ({ doc }: SceneLink) => scene.reroutesOf(doc).some((id) => reroutes.has(id));
  return scene.links().filter((link) => nodes.has(link.doc.from) || nodes.has(link.doc.to) || (reroutes.size > 0 && passes(link)));
}

function boxOfItems({ scene }: Workbench, { nodes, groups, reroutes }: Items): Box {
  const boxes: Box[] = [...nodes].map((id) => scene.node(id)!.outline());
  for (const id of groups) boxes.push(scene.layer.groups[id]!.box);
  for (const id of reroutes) boxes.push([...scene.reroutes.get(id)!, 0, 0]);
  return boxAround(boxes) ?? [0, 0, 0, 0];
}

/** Boxes in sight to come into line with. */
function neighbours({ scene, stage, view }: Workbench, { nodes }: Items): readonly Box[] {
  const [x, y, width, height] = visibleBox(view(), stage.canvas.width / stage.dpr, stage.canvas.height / stage.dpr);
  return scene.nodes.filter((node) => !nodes.has(node.id)).map((node) => node.outline())
    .filter(([bx, by, w, h]) => bx <= x + width && bx + w >= x && by <= y + height && by + h >= y).slice(0, 300);
}

function snap(bench: Workbench, box: Box, raw: Point, others: readonly Box[], isShift: boolean): Snapped {
  const { gridStep, guides } = bench.snap();
  const [x, y] = [box[0] + raw[0], box[1] + raw[1]];
  const step = gridStep > 0 ? (isShift ? 0 : gridStep) : isShift ? shiftGrid : 0;
  if (step > 0) return snapToGrid([x, y], step);
  return guides ? snapToBoxes([x, y, box[2], box[3]], others, guideReachPx / bench.view().scale) : notSnapped;
}

/** Shows everything moved by so much from where the document has it. */
function place({ scene }: Workbench, { nodes, groups, reroutes }: Items, [dx, dy]: Point): void {
  for (const id of nodes) {
    const node = scene.node(id);
    if (node !== undefined) node.pos = [node.doc.pos[0] + dx, node.doc.pos[1] + dy];
  }
  for (const id of groups) {
    const group = scene.groups.get(id);
    const doc = scene.layer.groups[id];
    if (group !== undefined && doc !== undefined) group.place({ ...doc, box: [doc.box[0] + dx, doc.box[1] + dy, doc.box[2], doc.box[3]] });
  }
  for (const id of reroutes) {
    const doc = scene.layer.reroutes[id];
    if (doc !== undefined) scene.reroutes.set(id, [doc.pos[0] + dx, doc.pos[1] + dy]);
  }
}

/** New places of what is still there, in whole units: nobody needs broken ones, and files stay readable. */
function movesOf({ scene }: Workbench, { nodes, groups, reroutes }: Items, [dx, dy]: Point): { readonly by: Point; readonly moves: Moves } {
  const by: Point = [Math.round(dx), Math.round(dy)];
  const moved = ([x, y]: Point): Point => [x + by[0], y + by[1]];
  return {
    by,
    moves: {
      nodes: Object.fromEntries([...nodes].flatMap((id) => entryOf(id, scene.layer.nodes[id]?.pos, moved))),
      groups: Object.fromEntries([...groups].flatMap((id) => entryOf(id, scene.layer.groups[id]?.box, moved))),
      reroutes: Object.fromEntries([...reroutes].flatMap((id) => entryOf(id, scene.layer.reroutes[id]?.pos, moved))),
    },
  };
}

function entryOf(id: string, place: readonly number[] | undefined, moved: (at: Point) => Point): readonly (readonly [string, Point])[] {
  return place === undefined ? [] : [[id, moved([place[0]!, place[1]!])]];
}

/** The link that a single free node would go into if it were let go here. */
function linkToEnter({ scene, stage, view }: Workbench, { nodes, groups, reroutes }: Items, { graph }: DragPoint): LinkId | undefined {
  const [id] = nodes;
  if (id === undefined || nodes.size !== 1 || groups.size > 0 || reroutes.size > 0) return undefined;
  const node = scene.node(id);
  if (node === undefined || !isFree(node, scene.links())) return undefined;
  const found = findLink(scene, stage, graph, Math.max(12, 10 / view().scale));
  const link = found === undefined ? undefined : scene.link(found);
  const enters = link !== undefined && node.inputSlots.some(({ type, widget }) => widget === undefined && fits({ name: link.doc.type }, { name: type })) && node.outputSlots.some(({ type }) => fits({ name: type }, { name: link.doc.type }));
  return enters ? found : undefined;
}

function isFree({ id }: SceneNode, links: readonly SceneLink[]): boolean {
  return links.every(({ doc }) => doc.from !== id && doc.to !== id);
}
