// A page that shows what the pointer layer tells.
import type { Gesture } from '../../../../ui/canvas/gestures.ts';
import { createPointerLayer } from '../../../../ui/canvas/pointer-layer.ts';

const element = document.querySelector<HTMLElement>('#stage')!;
const surface = document.createElement('canvas');
surface.className = 'surface';
const field = document.createElement('textarea');
field.className = 'field';
field.value = 'line\n'.repeat(60);
const panel = document.createElement('div');
panel.className = 'panel';
panel.dataset['canvasIgnore'] = '';
element.append(surface, field, panel);

const told: string[] = [];
const round = (point: { x: number; y: number }) => `${Math.round(point.x)},${Math.round(point.y)}`;
const word = (gesture: Gesture): string => {
  if (gesture.kind === 'pinch') return `pinch ${round(gesture.at)} ×${gesture.factor.toFixed(2)}`;
  if (gesture.kind === 'click') return `click×${gesture.count} ${round(gesture.at)} ${gesture.pointer} ${gesture.button}${gesture.shift ? ' shift' : ''}${gesture.ctrl ? ' ctrl' : ''}`;
  return 'at' in gesture ? `${gesture.kind} ${round(gesture.at)}` : gesture.kind;
};
const layer = createPointerLayer({
  element, surface, wheelMode: () => 'auto',
  onGesture: (gesture) => { if (gesture.kind !== 'hover') told.push(word(gesture)); },
  onWheel: (action, at) => told.push(`${action.kind} ${action.kind === 'zoom' ? action.factor.toFixed(2) : round(action)} at ${round(at)}`),
  onLeave: () => told.push('leave'),
});
Object.assign(window, { told, layer, isReady: true });
