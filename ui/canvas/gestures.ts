// Tells clicks, double clicks, long presses, drags and pinches apart from raw pointer samples. Knows neither the DOM nor
// what lies under the pointer; time comes in with the samples and by `tick`, so that it can be tested without waiting.

export type PointerKind = 'mouse' | 'touch' | 'pen';

export interface Modifiers {
  readonly shift: boolean;
  /** Ctrl, or Command on a Mac. */
  readonly ctrl: boolean;
  readonly alt: boolean;
}

/** A position in CSS pixels, relative to the canvas. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PointerSample extends Point {
  readonly id: number;
  readonly pointer: PointerKind;
  readonly timeMs: number;
  /** 0 main, 1 middle, 2 secondary; of moves: -1. */
  readonly button: number;
  readonly modifiers: Modifiers;
}

interface Told extends Modifiers {
  readonly at: Point;
  readonly button: number;
  readonly pointer: PointerKind;
}

export type Gesture =
  | ({ readonly kind: 'press' } & Told)
  | ({ readonly kind: 'hover' } & Told)
  | ({ readonly kind: 'click'; readonly count: 1 | 2 } & Told)
  /** A finger has rested long enough; a drag that follows is `held`, else `holdEnd` comes when it is lifted. */
  | ({ readonly kind: 'hold' } & Told)
  | ({ readonly kind: 'holdEnd' } & Told)
  | ({ readonly kind: 'dragStart'; readonly from: Point; readonly held: boolean } & Told)
  | ({ readonly kind: 'drag'; readonly from: Point } & Told)
  | ({ readonly kind: 'dragEnd'; readonly from: Point } & Told)
  | { readonly kind: 'dragCancel' }
  | { readonly kind: 'pinchStart' }
  /** `factor`: how much farther apart than at the last sample; `by`: how far the centre went. */
  | { readonly kind: 'pinch'; readonly at: Point; readonly factor: number; readonly by: Point }
  | { readonly kind: 'pinchEnd' };

export interface GestureLimits {
  /** How far a pointer may stray, in CSS pixels, and still click. */
  readonly slackPx: Readonly<Record<PointerKind, number>>;
  readonly holdMs: number;
  readonly doubleClickMs: number;
  readonly doubleClickPx: Readonly<Record<PointerKind, number>>;
}

export const defaultLimits: GestureLimits = {
  slackPx: { mouse: 4, touch: 10, pen: 6 },
  holdMs: 500,
  doubleClickMs: 400,
  doubleClickPx: { mouse: 6, touch: 24, pen: 12 },
};

export interface GestureRecogniser {
  down(sample: PointerSample): void;
  move(sample: PointerSample): void;
  up(sample: PointerSample): void;
  /** The browser took the pointer away, or Escape was pressed: what is under way is undone. Without an id: all pointers. */
  cancel(id?: number): void;
  /** Says that time has passed; tells a hold when it is due. */
  tick(timeMs: number): void;
  /** When `tick` is wanted next, by the clock of the samples. */
  dueMs(): number | undefined;
  isDragging(): boolean;
}

interface Finger {
  readonly start: PointerSample;
  last: PointerSample;
}

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'pressed'; readonly finger: Finger; held: boolean }
  | { readonly name: 'dragging'; readonly finger: Finger }
  | { readonly name: 'pinching' }
  /** Something ended early; pointers still down mean nothing until all are lifted. */
  | { readonly name: 'spent' };

/** A recogniser that tells what it sees to `emit`, in order. */
export function createGestures(emit: (gesture: Gesture) => void, limits: GestureLimits = defaultLimits): GestureRecogniser {
  const fingers = new Map<number, Finger>();
  let state: State = { name: 'idle' };
  let lastClick: PointerSample | undefined;

  const tell = ({ pointer, modifiers, x, y }: PointerSample, button: number): Told => ({ ...modifiers, at: { x, y }, button, pointer });

  function down(sample: PointerSample): void {
    if (fingers.has(sample.id)) return; // a second button of the same mouse
    fingers.set(sample.id, { start: sample, last: sample });
    if (state.name === 'idle') {
      state = { name: 'pressed', finger: fingers.get(sample.id)!, held: false };
      emit({ kind: 'press', ...tell(sample, sample.button) });
    } else if (state.name !== 'spent' && state.name !== 'pinching' && [...fingers.values()].every(({ start }) => start.pointer === 'touch')) {
      if (state.name === 'dragging') emit({ kind: 'dragCancel' });
      state = { name: 'pinching' };
      lastClick = undefined;
      emit({ kind: 'pinchStart' });
    }
  }

  function move(sample: PointerSample): void {
    const finger = fingers.get(sample.id);
    if (finger === undefined) {
      if (fingers.size === 0) emit({ kind: 'hover', ...tell(sample, -1) });
      return;
    }
    const before = state.name === 'pinching' ? spread(fingers) : undefined;
    finger.last = sample;
    if (before !== undefined) emitPinch(before);
    else if (state.name === 'pressed' && state.finger === finger) startDrag(finger, sample, state.held);
    else if (state.name === 'dragging' && state.finger === finger) emit({ kind: 'drag', from: pointOf(finger.start), ...tell(sample, finger.start.button) });
  }

  function emitPinch(before: Spread): void {
    const after = spread(fingers);
    emit({ kind: 'pinch', at: after.centre, factor: before.distance > 0 ? after.distance / before.distance : 1, by: { x: after.centre.x - before.centre.x, y: after.centre.y - before.centre.y } });
  }

  function startDrag(finger: Finger, sample: PointerSample, held: boolean): void {
    if (distance(finger.start, sample) <= limits.slackPx[sample.pointer]) return;
    state = { name: 'dragging', finger };
    const from = pointOf(finger.start);
    lastClick = undefined;
    emit({ kind: 'dragStart', from, held, ...tell(sample, finger.start.button) });
    emit({ kind: 'drag', from, ...tell(sample, finger.start.button) });
  }

  function up(sample: PointerSample): void {
    const finger = fingers.get(sample.id);
    if (finger === undefined) return;
    fingers.delete(sample.id);
    const { name } = state;
    const isOurs = (state.name === 'pressed' || state.name === 'dragging') && state.finger === finger;
    const held = state.name === 'pressed' && state.held;
    if (!isOurs && (name === 'pressed' || name === 'dragging')) return; // a palm beside the pen
    state = fingers.size === 0 ? { name: 'idle' } : { name: 'spent' };
    if (name === 'pinching') emit({ kind: 'pinchEnd' });
    if (!isOurs) return;
    if (name === 'dragging') emit({ kind: 'dragEnd', from: pointOf(finger.start), ...tell(sample, finger.start.button) });
    else if (held) emit({ kind: 'holdEnd', ...tell(finger.start, finger.start.button) });
    else click(finger.start, sample);
  }

  function click(start: PointerSample, end: PointerSample): void {
    const isDouble = lastClick !== undefined && lastClick.button === start.button && lastClick.pointer === start.pointer
      && start.timeMs - lastClick.timeMs <= limits.doubleClickMs && distance(lastClick, start) <= limits.doubleClickPx[start.pointer];
    lastClick = isDouble ? undefined : { ...start, timeMs: end.timeMs };
    emit({ kind: 'click', count: isDouble ? 2 : 1, ...tell(start, start.button), ...end.modifiers });
  }

  function cancel(id?: number): void {
    if (id !== undefined && !fingers.delete(id)) return;
    const { name } = state;
    if (name === 'idle' || (id !== undefined && (state.name === 'pressed' || state.name === 'dragging') && state.finger.start.id !== id)) return;
    state = fingers.size === 0 ? { name: 'idle' } : { name: 'spent' };
    lastClick = undefined;
    if (name === 'dragging') emit({ kind: 'dragCancel' });
    if (name === 'pinching') emit({ kind: 'pinchEnd' });
  }

  const dueMs = () => (state.name === 'pressed' && !state.held && state.finger.start.pointer !== 'mouse' ? state.finger.start.timeMs + limits.holdMs : undefined);

  function tick(timeMs: number): void {
    const due = dueMs();
    if (state.name !== 'pressed' || due === undefined || timeMs < due) return;
    state.held = true;
    emit({ kind: 'hold', ...tell(state.finger.start, state.finger.start.button) });
  }

  return { down, move, up, cancel, tick, dueMs, isDragging: () => state.name === 'dragging' };
}

interface Spread {
  readonly centre: Point;
  readonly distance: number;
}

/** Centre of the first two fingers, and how far they are apart. */
function spread(fingers: ReadonlyMap<number, Finger>): Spread {
  const [a, b] = [...fingers.values()].map(({ last }) => last);
  if (a === undefined || b === undefined) return { centre: a === undefined ? { x: 0, y: 0 } : pointOf(a), distance: 0 };
  return { centre: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, distance: distance(a, b) };
}

function pointOf({ x, y }: Point): Point {
  return { x, y };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
