// Listens to pointer and wheel events of an element, in the capture phase, and turns them into gestures in CSS pixels
// relative to it. litegraph's own listeners are never bound. Knows nothing of graphs.
import { createGestures, defaultLimits, type Gesture, type GestureLimits, type Point, type PointerKind, type PointerSample } from './gestures.ts';
import { createWheel, type WheelAction, type WheelMode } from './wheel.ts';

export interface PointerLayerOptions {
  /** Where events are caught: holds the surface and what lies over it. */
  readonly element: HTMLElement;
  /** The canvas. Events of other elements inside (fields over nodes) are theirs, but for middle button and wheel; those of elements with `data-canvas-ignore` (panels, menus) altogether. */
  readonly surface: HTMLElement;
  readonly wheelMode: () => WheelMode;
  readonly onGesture: (gesture: Gesture) => void;
  readonly onWheel: (action: WheelAction, at: Point) => void;
  /** The pointer left the element. */
  readonly onLeave: () => void;
  readonly limits?: GestureLimits;
}

export interface PointerLayer {
  /** Undoes the gesture under way, as Escape does. */
  cancel(): void;
  isDragging(): boolean;
  destroy(): void;
}

export function createPointerLayer(options: PointerLayerOptions): PointerLayer {
  const { element, surface, onGesture, onWheel } = options;
  const view = element.ownerDocument.defaultView!;
  const abort = new AbortController();
  const gestures = createGestures(onGesture, options.limits ?? defaultLimits);
  const readWheel = createWheel();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const at = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const sampleOf = (event: PointerEvent): PointerSample => ({
    ...at(event), id: event.pointerId, pointer: kindOf(event.pointerType), timeMs: event.timeStamp, button: event.button,
    modifiers: { shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey },
  });
  const schedule = () => {
    if (timer !== undefined) clearTimeout(timer);
    const due = gestures.dueMs();
    timer = due === undefined ? undefined : setTimeout(() => { gestures.tick(view.performance.now()); schedule(); }, Math.max(0, due - view.performance.now()) + 1);
  };
  const listen = <K extends keyof HTMLElementEventMap>(target: EventTarget, type: K, run: (event: HTMLElementEventMap[K]) => void, passive = true) => {
    target.addEventListener(type, run as EventListener, { capture: true, passive, signal: abort.signal });
  };

  listen(element, 'pointerdown', (event) => {
    if (event.target !== surface && (event.button !== 1 || isIgnored(event.target))) return;
    if (event.button === 1) event.preventDefault(); // no autoscroll
    if (event.isTrusted) surface.setPointerCapture(event.pointerId);
    gestures.down(sampleOf(event));
    schedule();
  }, false);
  listen(element, 'pointermove', (event) => { if (event.target === surface || gestures.isDragging()) { gestures.move(sampleOf(event)); schedule(); } });
  listen(element, 'pointerup', (event) => { gestures.up(sampleOf(event)); schedule(); });
  listen(element, 'pointercancel', (event) => { gestures.cancel(event.pointerId); schedule(); });
  listen(element, 'lostpointercapture', (event) => { gestures.cancel(event.pointerId); schedule(); });
  listen(element, 'pointerleave', (event) => { if (event.target === element) options.onLeave(); });
  listen(surface, 'contextmenu', (event) => { event.preventDefault(); }, false);
  listen(surface, 'dragstart', (event) => { event.preventDefault(); }, false);
  listen(element, 'wheel', (event) => {
    if (event.target !== surface && (isIgnored(event.target) || (!event.ctrlKey && isScrolledBy(event.target, element)))) return;
    event.preventDefault();
    const sample = { deltaX: event.deltaX, deltaY: event.deltaY, deltaMode: event.deltaMode, ctrl: event.ctrlKey || event.metaKey, shift: event.shiftKey, timeMs: event.timeStamp };
    onWheel(readWheel(sample, options.wheelMode()), at(event));
  }, false);
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !gestures.isDragging()) return;
    event.stopPropagation();
    gestures.cancel();
  }, { capture: true, signal: abort.signal });
  view.addEventListener('blur', () => { gestures.cancel(); schedule(); }, { signal: abort.signal });

  return {
    cancel: () => gestures.cancel(),
    isDragging: () => gestures.isDragging(),
    destroy: () => {
      gestures.cancel();
      if (timer !== undefined) clearTimeout(timer);
      abort.abort();
    },
  };
}

function kindOf(pointerType: string): PointerKind {
  return pointerType === 'touch' || pointerType === 'pen' ? pointerType : 'mouse';
}

function isIgnored(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('[data-canvas-ignore]') !== null;
}

/** A field over a node scrolls by the wheel only while it has the focus; else the wheel is the canvas's. */
function isScrolledBy(target: EventTarget | null, within: HTMLElement): boolean {
  const focused = within.ownerDocument.activeElement;
  return target instanceof Node && focused !== null && focused !== within && within.contains(focused) && focused.contains(target);
}
