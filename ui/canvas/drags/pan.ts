// Dragging the view itself.
import { panBy } from '../view.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

export function panDrag(bench: Workbench, start: DragPoint): Drag {
  const before = bench.view();
  return {
    scrolls: false, cursor: 'grabbing',
    move: ({ px }) => bench.setView(panBy(before, px.x - start.px.x, px.y - start.px.y)),
    end: () => undefined,
    // two fingers have come down: where the view is, it may stay
    cancel: () => undefined,
  };
}
