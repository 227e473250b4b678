import { expect, test } from 'vitest';
import { createGestures, type Gesture, type PointerSample } from '../../../ui/canvas/gestures.ts';
import { createWheel } from '../../../ui/canvas/wheel.ts';

const none = { shift: false, ctrl: false, alt: false };

/** Samples by a short script; what was told comes back as short words. */
function recognise(script: (at: (timeMs: number, x: number, y?: number, more?: Partial<PointerSample>) => PointerSample, on: ReturnType<typeof createGestures>) => void): string[] {
  const told: string[] = [];
  const on = createGestures((gesture) => told.push(word(gesture)));
  script((timeMs, x, y = 0, more = {}) => ({ id: 1, pointer: 'mouse', button: 0, modifiers: none, timeMs, x, y, ...more }), on);
  return told;
}

function word(gesture: Gesture): string {
  const { kind } = gesture;
  if (kind === 'click') return `click×${gesture.count}${gesture.button === 0 ? '' : ` button ${gesture.button}`}`;
  if (kind === 'drag' || kind === 'dragEnd') return `${kind} ${gesture.from.x}→${gesture.at.x}`;
  if (kind === 'dragStart') return gesture.held ? 'dragStart held' : kind;
  return kind === 'pinch' ? `pinch ×${gesture.factor} by ${gesture.by.x},${gesture.by.y}` : kind;
}

test('a press within the slack is a click, beyond it a drag that starts where the press was', () => {
  expect(recognise((at, on) => { on.down(at(0, 10)); on.move(at(10, 13)); on.up(at(20, 13)); })).toEqual(['press', 'click×1']);
  expect(recognise((at, on) => { on.down(at(0, 10)); on.move(at(10, 16)); on.move(at(20, 30)); on.up(at(30, 31)); }))
    .toEqual(['press', 'dragStart', 'drag 10→16', 'drag 10→30', 'dragEnd 10→31']);
});

test('two clicks are a double click if they are near in time, place, button and kind; a third begins anew', () => {
  const clicks = (times: readonly number[], more: (i: number) => Partial<PointerSample> = () => ({})) => recognise((at, on) => times.forEach((time, i) => { on.down(at(time, 5, 5, more(i))); on.up(at(time + 20, 5, 5, more(i))); })).filter((one) => one !== 'press');
  expect(clicks([0, 100])).toEqual(['click×1', 'click×2']);
  expect(clicks([0, 100, 200])).toEqual(['click×1', 'click×2', 'click×1']);
  expect(clicks([0, 900])).toEqual(['click×1', 'click×1']);
  expect(clicks([0, 100], (i) => ({ x: i * 7 }))).toEqual(['click×1', 'click×1']);
  expect(clicks([0, 100], (i) => ({ button: i * 2 }))).toEqual(['click×1', 'click×1 button 2']);
});

test('a resting finger holds; then it is lifted or drags what it holds; a mouse never holds', () => {
  const touch = { pointer: 'touch' as const };
  expect(recognise((at, on) => { on.down(at(0, 5, 5, touch)); on.tick(300); on.tick(500); on.tick(900); on.up(at(950, 5, 5, touch)); })).toEqual(['press', 'hold', 'holdEnd']);
  expect(recognise((at, on) => { on.down(at(0, 5, 5, touch)); on.tick(500); on.move(at(600, 40, 5, touch)); on.up(at(700, 40, 5, touch)); })).toEqual(['press', 'hold', 'dragStart held', 'drag 5→40', 'dragEnd 5→40']);
  expect(recognise((at, on) => { on.down(at(0, 5)); on.tick(5000); on.up(at(5100, 5)); })).toEqual(['press', 'click×1']);
});

test('two fingers pinch; a drag under way is undone; the last finger means nothing until it is lifted', () => {
  const a = { id: 1, pointer: 'touch' as const };
  const b = { id: 2, pointer: 'touch' as const };
  const told = recognise((at, on) => {
    on.down(at(0, 0, 0, a)); on.move(at(10, 20, 0, a));
    on.down(at(20, 120, 0, b)); on.move(at(30, 220, 0, b));
    on.up(at(40, 220, 0, b)); on.move(at(50, 90, 0, a)); on.up(at(60, 90, 0, a));
    on.down(at(500, 0, 0, a)); on.up(at(510, 0, 0, a));
  });
  expect(told).toEqual(['press', 'dragStart', 'drag 0→20', 'dragCancel', 'pinchStart', 'pinch ×2 by 50,0', 'pinchEnd', 'press', 'click×1']);
});

test('a palm beside a pen, or a second button of the mouse, starts nothing', () => {
  expect(recognise((at, on) => { on.down(at(0, 0, 0, { id: 1, pointer: 'pen' })); on.down(at(5, 90, 0, { id: 2, pointer: 'touch' })); on.up(at(9, 90, 0, { id: 2, pointer: 'touch' })); on.up(at(20, 0, 0, { id: 1, pointer: 'pen' })); })).toEqual(['press', 'click×1']);
  expect(recognise((at, on) => { on.down(at(0, 0)); on.down(at(5, 0, 0, { button: 2 })); on.up(at(9, 0)); })).toEqual(['press', 'click×1']);
});

test('cancelling a drag tells it once, and what is still down is over', () => {
  expect(recognise((at, on) => { on.down(at(0, 0)); on.move(at(5, 50)); on.cancel(); on.cancel(); on.move(at(9, 80)); on.up(at(20, 80)); })).toEqual(['press', 'dragStart', 'drag 0→50', 'dragCancel']);
});

test('moves without a button hover', () => expect(recognise((at, on) => on.move(at(0, 3)))).toEqual(['hover']));

test('the wheel zooms, a trackpad moves the view, a pinch zooms, each at most by a quarter a step', () => {
  const wheel = createWheel();
  const turn = (deltaY: number, more: object = {}) => wheel({ deltaX: 0, deltaY, deltaMode: 0, ctrl: false, shift: false, timeMs: 0, ...more }, 'auto');
  expect(turn(-120)).toEqual({ kind: 'zoom', factor: expect.closeTo(1.197, 3) });
  expect(turn(12_000)).toEqual({ kind: 'zoom', factor: 0.8 });
  expect(turn(-3, { ctrl: true })).toEqual({ kind: 'zoom', factor: expect.closeTo(1.03, 2) });
  expect(turn(4.5, { deltaX: 2, timeMs: 10 })).toEqual({ kind: 'pan', x: -2, y: -4.5 });
  expect(turn(60, { timeMs: 30 })).toEqual({ kind: 'pan', x: -0, y: -60 });
  expect(turn(-120, { timeMs: 5000 }).kind).toBe('zoom');
  expect(turn(3, { deltaMode: 1, timeMs: 9000 })).toEqual({ kind: 'zoom', factor: expect.closeTo(0.93, 2) });
  expect(turn(120, { shift: true, timeMs: 9500 })).toEqual({ kind: 'pan', x: -120, y: 0 });
  expect(wheel({ deltaX: 0, deltaY: 120, deltaMode: 0, ctrl: false, shift: false, timeMs: 20_000 }, 'pan')).toEqual({ kind: 'pan', x: -0, y: -120 });
});
