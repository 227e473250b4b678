// Drawing a box around what is to be selected.
import type { Box } from '../../state/document.ts';
import { addToSelection, emptySelection, selectInBox, type Selection } from '../../state/selection.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

/** Shift adds to what was selected, Alt takes only what lies in the box altogether. */
export function marqueeDrag(bench: Workbench, start: DragPoint): Drag {
  const { scene, look } = bench;
  const before = bench.selection();
  const boxTo = ({ graph }: DragPoint): Box => [Math.min(start.graph[0], graph[0]), Math.min(start.graph[1], graph[1]), Math.abs(graph[0] - start.graph[0]), Math.abs(graph[1] - start.graph[1])];
  const show = (at: DragPoint) => {
    const box = boxTo(at);
    look.marquee = box;
    bench.select(at.shift ? addToSelection(before, found(bench, box, at.alt)) : found(bench, box, at.alt));
    bench.redraw(false);
  };
  const stop = () => {
    look.marquee = undefined;
    bench.redraw(false);
  };
  return {
    scrolls: true, cursor: 'crosshair',
    move: show,
    end(at) {
      show(at);
      stop();
    },
    cancel() {
      bench.select(before.layer === scene.layerId ? before : { ...emptySelection, layer: scene.layerId });
      stop();
    },
  };
}

/** As the selection finds it, but for nodes by the size they are drawn with. */
function found({ scene }: Workbench, box: Box, whole: boolean): Selection {
  const selection = selectInBox(scene.layerId, scene.layer, box, whole);
  const [x, y, width, height] = box;
  const isHit = ([ox, oy, ow, oh]: Box) => (whole ? ox >= x && oy >= y && ox + ow <= x + width && oy + oh <= y + height : ox <= x + width && ox + ow >= x && oy <= y + height && oy + oh >= y);
  return { ...selection, nodes: scene.nodes.filter((node) => !node.isBoundary && isHit(node.outline())).map(({ id }) => id) };
}
