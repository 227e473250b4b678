// The arithmetic of scale and offset: zooming at a point, fitting boxes, converting coordinates. Pure.
import type { Box, Point } from '../state/document.ts';
import type { View } from './events.ts';

export const leastScale = 0.02;
export const mostScale = 4;

export function clampScale(scale: number): number {
  return Math.min(mostScale, Math.max(leastScale, scale));
}

/** CSS pixels relative to the canvas → graph coordinates. */
export function toGraph({ scale, offset }: View, x: number, y: number): Point {
  return [x / scale - offset[0], y / scale - offset[1]];
}

/** Graph coordinates → CSS pixels relative to the canvas. */
export function toCanvas({ scale, offset }: View, [x, y]: Point): Point {
  return [(x + offset[0]) * scale, (y + offset[1]) * scale];
}

/** The graph point under (x, y), in CSS pixels, stays there. */
export function zoomAt(view: View, factor: number, x: number, y: number): View {
  const scale = clampScale(view.scale * factor);
  const [gx, gy] = toGraph(view, x, y);
  return { scale, offset: [x / scale - gx, y / scale - gy] };
}

/** `by` in CSS pixels. */
export function panBy({ scale, offset }: View, x: number, y: number): View {
  return { scale, offset: [offset[0] + x / scale, offset[1] + y / scale] };
}

export interface FitOptions {
  /** Size of the canvas in CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** Kept free around, in CSS pixels. */
  readonly margin?: number;
  /** A small graph is not blown up beyond this. */
  readonly mostScale?: number;
}

/** The view in which a box is seen whole, in the middle. */
export function fitBox([x, y, width, height]: Box, { width: w, height: h, margin = 40, mostScale: most = 1 }: FitOptions): View {
  const scale = clampScale(Math.min(most, Math.max(1, w - 2 * margin) / Math.max(1, width), Math.max(1, h - 2 * margin) / Math.max(1, height)));
  return { scale, offset: [w / 2 / scale - (x + width / 2), h / 2 / scale - (y + height / 2)] };
}

/** What of the graph is in sight. */
export function visibleBox({ scale, offset }: View, width: number, height: number): Box {
  return [-offset[0], -offset[1], width / scale, height / scale];
}
