// What a turn of the wheel means: zooming or moving the view. A pinch on a trackpad arrives as a wheel with ctrl.

export type WheelMode = 'auto' | 'zoom' | 'pan';

/** What of a WheelEvent counts. */
export interface WheelSample {
  readonly deltaX: number;
  readonly deltaY: number;
  /** 0 pixels, 1 lines, 2 pages. */
  readonly deltaMode: number;
  readonly ctrl: boolean;
  readonly shift: boolean;
  readonly timeMs: number;
}

export type WheelAction =
  | { readonly kind: 'zoom'; readonly factor: number }
  /** How far the view goes, in CSS pixels. */
  | { readonly kind: 'pan'; readonly x: number; readonly y: number };

const linePx = 16;
const pagePx = 400;
/** A trackpad sends a stream; what follows within this time comes from the same device. */
const streamMs = 400;

/** Reads wheel samples one after the other; remembers only which device seems to be used. */
export function createWheel(): (sample: WheelSample, mode: WheelMode) => WheelAction {
  let trackpadMs = Number.NEGATIVE_INFINITY;
  return (sample, mode) => {
    const unit = sample.deltaMode === 1 ? linePx : sample.deltaMode === 2 ? pagePx : 1;
    const [x, y] = [sample.deltaX * unit, sample.deltaY * unit];
    if (sample.ctrl) return { kind: 'zoom', factor: zoomFactor(y, 0.01) };
    if (looksLikeTrackpad(sample)) trackpadMs = sample.timeMs;
    const pans = mode === 'pan' || (mode === 'auto' && sample.timeMs - trackpadMs < streamMs);
    if (!pans && !sample.shift) return { kind: 'zoom', factor: zoomFactor(y, 0.0015) };
    return sample.shift && x === 0 ? { kind: 'pan', x: -y, y: 0 } : { kind: 'pan', x: -x, y: -y };
  };
}

/** A notch of a mouse wheel is a large whole step of one axis; fingers give small, broken or slanted ones. */
function looksLikeTrackpad({ deltaX, deltaY, deltaMode, shift }: WheelSample): boolean {
  if (deltaMode !== 0) return false;
  return (deltaX !== 0 && deltaY !== 0) || (deltaX !== 0 && !shift) || (Math.abs(deltaY) < 40 && deltaY !== 0);
}

/** One sample never zooms by more than a quarter, or a fast wheel would lose the graph. */
function zoomFactor(deltaPx: number, perPx: number): number {
  return Math.min(1.25, Math.max(0.8, Math.exp(-deltaPx * perPx)));
}
