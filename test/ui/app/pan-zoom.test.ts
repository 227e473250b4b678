// Zoom and pan of the viewer: what is under the pointer stays there, two fingers pinch, and limits hold.
import { shallowRef } from 'vue';
import { expect, test } from 'vitest';
import { createPanZoom } from '../../../ui/app/viewer/pan-zoom.ts';

/** A stage of 1000×800 at (100, 50); what it measures is all that is asked of it. */
function lab(width = 500, height = 400) {
  const stage = { getBoundingClientRect: () => ({ left: 100, top: 50, width: 1000, height: 800 }), setPointerCapture: () => undefined } as unknown as HTMLElement;
  const view = createPanZoom(shallowRef(stage), shallowRef({ width, height }));
  const send = (kind: keyof typeof view.listeners, event: object) => (view.listeners[kind] as (event: object) => void)(event);
  /** The pixel of the picture, from its middle, that lies under a point of the window. */
  const under = (x: number, y: number) => [(x - 600 - view.x.value) / view.zoom.value, (y - 450 - view.y.value) / view.zoom.value];
  const finger = (pointerId: number, clientX: number, clientY: number) => ({ pointerId, clientX, clientY });
  return { view, send, under, finger };
}
const close = (found: readonly number[], wanted: readonly number[]) => found.forEach((one, i) => expect(one).toBeCloseTo(wanted[i]!, 6));

test('fits the whole picture with a margin, small ones at most eight times as large; actual size is one pixel a pixel', () => {
  const { view } = lab();
  view.fit();
  expect(view.zoom.value).toBeCloseTo((800 - 48) / 400, 6);
  view.actual();
  expect([view.zoom.value, view.x.value, view.y.value]).toEqual([1, 0, 0]);
  const tiny = lab(2, 2);
  tiny.view.fit();
  expect(tiny.view.zoom.value).toBe(8);
});

test('the wheel keeps what is under the pointer there, in and out and at the limits', () => {
  const { view, send, under } = lab();
  const before = under(300, 200);
  for (const deltaY of [-500, -500, 900, -3000, -3000, -3000]) send('wheel', { deltaY, ctrlKey: false, clientX: 300, clientY: 200, preventDefault: () => undefined });
  close(under(300, 200), before);
  expect(view.zoom.value).toBe(64);
  view.zoomBy(1e-9);
  expect(view.zoom.value).toBe(0.02);
});

test('one finger moves; two pinch around their middle; a lifted one lets the other move on', () => {
  const { view, send, under, finger } = lab();
  send('pointermove', finger(1, 10, 10)); // hovering moves nothing
  expect([view.x.value, view.y.value]).toEqual([0, 0]);
  send('pointerdown', finger(1, 500, 400));
  send('pointermove', finger(1, 530, 380));
  expect([view.x.value, view.y.value]).toEqual([30, -20]);
  send('pointerdown', finger(2, 730, 380));
  const middle = under(630, 380);
  send('pointermove', finger(1, 430, 380));
  send('pointermove', finger(2, 830, 380));
  expect(view.zoom.value).toBeCloseTo(2, 6);
  close(under(630, 380), middle);
  send('pointerup', finger(2, 830, 380));
  const [x, y] = [view.x.value, view.y.value];
  send('pointermove', finger(1, 440, 385));
  close([view.x.value, view.y.value], [x + 10, y + 5]);
});

test('a double click goes to twice the size at that point, and back to the whole', () => {
  const { view, send, under } = lab();
  view.fit();
  const fitted = view.zoom.value;
  const before = under(300, 200);
  send('dblclick', { clientX: 300, clientY: 200 });
  expect(view.zoom.value).toBeCloseTo(fitted * 2, 6);
  close(under(300, 200), before);
  send('dblclick', { clientX: 300, clientY: 200 });
  expect([view.zoom.value, view.x.value, view.y.value]).toEqual([fitted, 0, 0]);
});
