// Dragging sideways over a number: a step each few pixels, within the widget's bounds; Shift means ten, Alt a tenth. One step of the history.
import type { Json } from '../../../engine/formats/json.ts';
import type { NodeId } from '../../state/document.ts';
import { stepNumber } from '../../state/numbers.ts';
import { valueOf } from '../../state/slots.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

const pixelsPerStep = 4;

/** Undefined where the input is no number that is edited here. Seeds are not dragged: their neighbours mean nothing. */
export function valueDrag(bench: Workbench, start: DragPoint, id: NodeId, input: string): Drag | undefined {
  const { scene, events } = bench;
  const node = scene.node(id);
  const slot = node?.inputSlots.find(({ name }) => name === input);
  const widget = slot?.widget;
  if (node === undefined || slot === undefined || slot.link !== null || widget === undefined || (widget.kind !== 'integer' && widget.kind !== 'float') || (widget.kind === 'integer' && widget.controls > 0)) return undefined;
  const before = node.doc;
  const first = valueOf(before, slot) ?? 0;
  // what is beyond exact numbers is typed
  if (!Number.isSafeInteger(Math.trunc(Number(first)))) return undefined;
  let value: Json = first;
  let [at, moved] = [start.px.x, 0];
  const follow = ({ px, shift, alt }: DragPoint) => {
    moved += ((px.x - at) / pixelsPerStep) * (shift ? 10 : alt ? 0.1 : 1);
    at = px.x;
    const by = alt && widget.kind === 'float' ? Math.trunc(moved * 10) / 10 : Math.trunc(moved);
    value = by === 0 ? first : stepNumber(widget, first, by);
    scene.preview({ ...before, values: { ...before.values, [input]: value } });
    bench.redraw(false);
  };
  return {
    scrolls: false, cursor: 'ew-resize',
    move: follow,
    end(point) {
      follow(point);
      scene.relayout([id]);
      bench.redraw(false);
      if (value !== first) events.onCommand({ kind: 'setValue', node: id, input, value });
    },
    cancel() {
      scene.relayout([id]);
      bench.redraw(false);
    },
  };
}
