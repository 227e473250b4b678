// Zoom and place of a picture in its stage, moved by pointers (two fingers pinch), wheel and calls. 1 is one pixel of the picture a CSS pixel.
import { shallowRef, type ShallowRef } from 'vue';

export interface PanZoom {
  readonly zoom: ShallowRef<number>;
  /** Pixels of the window from the stage's middle to the picture's. */
  readonly x: ShallowRef<number>;
  readonly y: ShallowRef<number>;
  /** The whole picture; small ones at most eight times as large. */
  fit(): void;
  actual(): void;
  /** Around a point of the window, else around the middle. */
  zoomBy(factor: number, around?: { readonly clientX: number; readonly clientY: number }): void;
  readonly listeners: { readonly [K in 'wheel' | 'pointerdown' | 'pointermove' | 'pointerup' | 'pointercancel' | 'dblclick']: (event: never) => void };
}

interface Size { readonly width: number; readonly height: number }

const margin = 48;

export function createPanZoom(stage: Readonly<ShallowRef<HTMLElement | null>>, size: Readonly<ShallowRef<Size | undefined>>): PanZoom {
  const [zoom, x, y] = [shallowRef(1), shallowRef(0), shallowRef(0)];
  const pointers = new Map<number, { x: number; y: number }>();

  const fitted = (): number => {
    const box = stage.value?.getBoundingClientRect();
    if (box === undefined || size.value === undefined) return 1;
    return Math.max(0.01, Math.min((box.width - margin) / size.value.width, (box.height - margin) / size.value.height, 8));
  };
  const place = (scale: number) => { zoom.value = scale; x.value = y.value = 0; };
  const zoomBy: PanZoom['zoomBy'] = (factor, around) => {
    const next = Math.min(64, Math.max(0.02, zoom.value * factor));
    const box = stage.value?.getBoundingClientRect();
    if (around !== undefined && box !== undefined) {
      const [fromX, fromY] = [around.clientX - box.left - box.width / 2, around.clientY - box.top - box.height / 2];
      x.value = fromX - (fromX - x.value) * (next / zoom.value);
      y.value = fromY - (fromY - y.value) * (next / zoom.value);
    }
    zoom.value = next;
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return a === undefined || b === undefined ? undefined : { distance: Math.hypot(a.x - b.x, a.y - b.y), clientX: (a.x + b.x) / 2, clientY: (a.y + b.y) / 2 };
  };
  const release = ({ pointerId }: PointerEvent) => void pointers.delete(pointerId);

  return {
    zoom, x, y, zoomBy,
    fit: () => place(fitted()),
    actual: () => place(1),
    listeners: {
      wheel(event: WheelEvent) {
        event.preventDefault();
        zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event);
      },
      pointerdown(event: PointerEvent) {
        stage.value?.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      },
      pointermove(event: PointerEvent) {
        const from = pointers.get(event.pointerId);
        if (from === undefined) return;
        const before = spread();
        pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
        const after = spread();
        const share = pointers.size;
        x.value += (event.clientX - from.x) / share;
        y.value += (event.clientY - from.y) / share;
        if (before !== undefined && after !== undefined && before.distance > 0) zoomBy(after.distance / before.distance, after);
      },
      pointerup: release,
      pointercancel: release,
      dblclick: (event: MouseEvent) => (Math.abs(zoom.value - fitted()) < 0.001 ? zoomBy(1 / zoom.value * Math.max(1, zoom.value * 2), event) : place(fitted())),
    },
  };
}
