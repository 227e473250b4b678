// Dragging the corner of a node or a group.
import type { Box, GroupId, NodeId, Size } from '../../state/document.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

const leastGroup: Size = [120, 60];

export function resizeNodeDrag(bench: Workbench, start: DragPoint, id: NodeId): Drag | undefined {
  const { scene, events } = bench;
  const node = scene.node(id);
  if (node === undefined || node.isBoundary || node.doc.flags.pinned === true) return undefined;
  const before = node.doc;
  const [width, height] = [node.size[0]!, node.size[1]!];
  const show = (size: Size) => {
    scene.preview({ ...before, size });
    bench.redraw(true);
  };
  const sizeAt = ({ graph, shift }: DragPoint): Size => {
    const step = bench.snap().gridStep > 0 ? bench.snap().gridStep : shift ? 20 : 1;
    const rounded = (value: number) => Math.max(step, Math.round(value / step) * step);
    return [rounded(width + graph[0] - start.graph[0]), rounded(height + graph[1] - start.graph[1])];
  };
  return {
    scrolls: false, cursor: 'nwse-resize',
    move: (at) => show(sizeAt(at)),
    end(at) {
      show(sizeAt(at));
      // what its parts need is the least
      const size: Size = [node.layout.size[0], node.layout.size[1]];
      scene.relayout([id]);
      bench.redraw(true);
      if (size[0] !== before.size[0] || size[1] !== before.size[1]) events.onCommand({ kind: 'resizeNode', node: id, size });
    },
    cancel: () => {
      scene.relayout([id]);
      bench.redraw(true);
    },
  };
}

export function resizeGroupDrag(bench: Workbench, start: DragPoint, id: GroupId): Drag | undefined {
  const { scene, events } = bench;
  const group = scene.groups.get(id);
  const doc = scene.layer.groups[id];
  if (group === undefined || doc === undefined || doc.isPinned === true) return undefined;
  const boxAt = ({ graph }: DragPoint): Box => [doc.box[0], doc.box[1], Math.round(Math.max(leastGroup[0], doc.box[2] + graph[0] - start.graph[0])), Math.round(Math.max(leastGroup[1], doc.box[3] + graph[1] - start.graph[1]))];
  const show = (box: Box) => {
    group.place({ ...doc, box });
    bench.redraw(true);
  };
  return {
    scrolls: false, cursor: 'nwse-resize',
    move: (at) => show(boxAt(at)),
    end(at) {
      const box = boxAt(at);
      show(doc.box);
      if (box[2] !== doc.box[2] || box[3] !== doc.box[3]) events.onCommand({ kind: 'resizeGroup', group: id, box });
    },
    cancel: () => show(doc.box),
  };
}
