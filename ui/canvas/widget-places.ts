// Where fields of the page lie over nodes: the widgets of nodes in sight, in graph coordinates.
import type { NodeId } from '../state/document.ts';
import type { WidgetPlace } from './events.ts';
import type { SceneNode } from './stage.ts';

/** Of nodes in the order of drawing; `z` is a node's place in it. A text that a run shows has a place too, so that a page can make it selectable. */
export function widgetPlaces(nodes: readonly SceneNode[], hasText: (node: NodeId) => boolean): readonly WidgetPlace[] {
  const places: WidgetPlace[] = [];
  nodes.forEach((node, z) => {
    if (node.flags.collapsed === true) return;
    const [px, py] = [node.pos[0]!, node.pos[1]!];
    for (const { input, part, box: [bx, by, bw, bh] } of node.layout.widgets) places.push({ node: node.id, input, part, box: [px + bx, py + by, bw, bh], z });
    const output = node.layout.output;
    if (output !== undefined && hasText(node.id)) places.push({ node: node.id, input: '', part: 'text', box: [px + output[0], py + output[1], output[2], output[3]], z });
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
