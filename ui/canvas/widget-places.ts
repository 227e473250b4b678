// Where fields of the page lie over nodes: the widgets of nodes in sight, in graph coordinates.
import type { Box } from '../state/document.ts';
import type { WidgetPlace } from './events.ts';
import type { SceneNode } from './stage.ts';

/** In the order of drawing; `z` is a node's place in it. */
export function widgetPlaces(nodes: readonly SceneNode[], [x, y, width, height]: Box): readonly WidgetPlace[] {
  const places: WidgetPlace[] = [];
  nodes.forEach((node, z) => {
    if (node.flags.collapsed === true || (node.layout.widgets.length === 0 && node.layout.output === undefined)) return;
    const [nx, ny, w, h] = node.outline();
    if (nx > x + width || nx + w < x || ny > y + height || ny + h < y) return;
    const [px, py] = [node.pos[0]!, node.pos[1]!];
    for (const { input, part, box: [bx, by, bw, bh] } of node.layout.widgets) places.push({ node: node.id, input, part, box: [px + bx, py + by, bw, bh], z });
  });
  return places;
}

/** Whether a page would have to lay out anything anew. */
export function samePlaces(a: readonly WidgetPlace[], b: readonly WidgetPlace[]): boolean {
  return a.length === b.length && a.every((one, i) => {
    const other = b[i]!;
    return one.node === other.node && one.input === other.input && one.part === other.part && one.z === other.z && one.box.every((value, at) => value === other.box[at]);
  });
}
