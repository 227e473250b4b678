// What lies under a point: litegraph tells which node or group, this tells which part. Fingers get more room than a mouse.
import type { Point } from '../state/document.ts';
import { distanceToLink } from './draw/links.ts';
import { groupTitleHeight } from './draw/scenery.ts';
import { gridOf } from './draw/run.ts';
import type { Target } from './events.ts';
import { titleHeight } from './layout.ts';
import { detail } from './look.ts';
import type { Scene, SceneGroup } from './scene.ts';
import type { SceneNode, Stage } from './stage.ts';

export interface HitOptions {
  /** How far around a small thing still counts, in CSS pixels. */
  readonly reachPx: number;
  readonly pictures: (node: string) => readonly { readonly width: number; readonly height: number }[];
  readonly linksAreHidden: boolean;
}

/** In graph coordinates. Slots lie above what is beside them, links below nodes, groups below links. */
export function findTarget(scene: Scene, stage: Stage, at: Point, scale: number, options: HitOptions): Target {
  const reach = options.reachPx / scale;
  const isNear = scale >= detail.boxes;
  const slot = isNear ? findSlot(scene, at, reach) : undefined;
  if (slot !== undefined) return slot;
  const node = scene.graph.getNodeOnPos(at[0], at[1]) as SceneNode | null;
  if (node !== null) return partOf(node, at, reach, isNear, options);
  if (isNear) {
    for (const [reroute, [x, y]] of scene.reroutes) if (Math.hypot(x - at[0], y - at[1]) <= Math.max(9, reach)) return { kind: 'reroute', reroute };
    if (!options.linksAreHidden) {
      const link = findLink(scene, stage, at, Math.max(5, reach * 0.7));
      if (link !== undefined) return { kind: 'link', link };
    }
  }
  return findGroup(scene, at, Math.max(14, reach)) ?? { kind: 'empty' };
}

/** The nearest slot in reach, of nodes that are open; nodes that lie above hide those below. */
export function findSlot(scene: Scene, at: Point, reach: number): Target | undefined {
  const { nodes } = scene;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.isPointInside(at[0], at[1], Math.max(12, reach))) continue;
    const found = slotOf(node, at, reach);
    if (found !== undefined) return found;
    if (node.isPointInside(at[0], at[1])) return undefined;
  }
  return undefined;
}

function slotOf(node: SceneNode, at: Point, reach: number): Target | undefined {
  const isCollapsed = node.doc.flags.collapsed === true;
  const near = (isInput: boolean, slot: number) => {
    const [x, y] = node.slotPoint(isInput, slot);
    return { dx: isInput ? at[0] - x : x - at[0], dy: Math.abs(at[1] - y) };
  };
  let best: { readonly target: Target; readonly distance: number } | undefined;
  const take = (target: Target, distance: number) => { if (best === undefined || distance < best.distance) best = { target, distance }; };
  node.inputSlots.forEach(({ name, widget }, i) => {
    const { dx, dy } = near(true, i);
    // a socket's name takes part; beside a widget only the socket does
    const inward = isCollapsed || widget !== undefined ? 9 : Math.min(60, node.size[0]! * 0.4);
    if (dx >= -Math.max(12, reach) && dx <= inward && dy <= Math.max(10, reach)) take({ kind: 'input', node: node.id, input: name }, dy + Math.max(0, Math.abs(dx) - 10) * 0.1);
  });
  node.outputSlots.forEach((_, slot) => {
    const { dx, dy } = near(false, slot);
    const inward = isCollapsed ? 9 : Math.min(60, node.size[0]! * 0.4);
    if (dx >= -Math.max(12, reach) && dx <= inward && dy <= Math.max(10, reach)) take({ kind: 'output', node: node.id, slot }, dy + Math.max(0, Math.abs(dx) - 10) * 0.1);
  });
  return best?.target;
}

function partOf(node: SceneNode, at: Point, reach: number, isNear: boolean, { pictures }: HitOptions): Target {
  const { id } = node;
  const [x, y] = [at[0] - node.pos[0]!, at[1] - node.pos[1]!];
  if (!isNear || node.doc.type === 'Reroute') return { kind: 'node', node: id, part: isNear ? 'body' : 'title' };
  if (y < 0) return { kind: 'node', node: id, part: x < titleHeight - 4 && !node.isBoundary ? 'collapse' : 'title' };
  const corner = Math.max(14, reach);
  if (x > node.size[0]! - corner && y > node.size[1]! - corner && !node.isBoundary) return { kind: 'node', node: id, part: 'resize' };
  const widget = node.layout.widgets.find(({ box: [bx, by, width, height] }) => x >= bx && x <= bx + width && y >= by && y <= by + height);
  if (widget !== undefined) return { kind: 'widget', node: id, input: widget.input, part: widget.part };
  const output = node.layout.output;
  if (output !== undefined) {
    const index = gridOf(output, pictures(id)).findIndex(([bx, by, width, height]) => x >= bx && x <= bx + width && y >= by && y <= by + height);
    if (index >= 0) return { kind: 'picture', node: id, index };
  }
  return { kind: 'node', node: id, part: 'body' };
}

/** The nearest link in reach. */
export function findLink(scene: Scene, stage: Stage, at: Point, reach: number, except: (link: string) => boolean = () => false): string | undefined {
  let best: { readonly id: string; readonly distance: number } | undefined;
  for (const link of scene.links()) {
    if (except(link.doc.id) || !link.touches([at[0] - reach, at[1] - reach, 2 * reach, 2 * reach])) continue;
    const { distance } = distanceToLink(stage, link, at);
    if (distance <= reach && (best === undefined || distance < best.distance)) best = { id: link.doc.id, distance };
  }
  return best?.id;
}

function findGroup(scene: Scene, at: Point, corner: number): Target | undefined {
  const group = scene.graph.getGroupOnPos(at[0], at[1]) as SceneGroup | null;
  if (group === null) return undefined;
  const [x, y] = [at[0] - group._pos[0]!, at[1] - group._pos[1]!];
  const part = x > group._size[0]! - corner && y > group._size[1]! - corner ? 'resize' : y < groupTitleHeight ? 'title' : 'body';
  return { kind: 'group', group: group.id, part };
}
