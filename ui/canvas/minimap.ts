// A small picture of the whole graph with the part in sight; dragging in it moves the view. Drawn from the scene, apart from litegraph.
import type { Box, Point } from '../state/document.ts';
import { boxAround } from '../state/selection.ts';
import type { Look } from './look.ts';
import type { Scene } from './scene.ts';
import { isColor } from './theme.ts';

export interface Minimap {
  destroy(): void;
}

export interface MinimapSource {
  readonly scene: Scene;
  readonly look: Look;
  visible(): Box;
  /** Brings a point into the middle. */
  centre(at: Point): void;
  /** Calls after anything was drawn; returns how to stop. */
  onDrawn(run: () => void): () => void;
}

interface Frame {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** A canvas that fills `element`. */
export function createMinimap(element: HTMLElement, source: MinimapSource): Minimap {
  const surface = element.ownerDocument.createElement('canvas');
  Object.assign(surface.style, { width: '100%', height: '100%', display: 'block', touchAction: 'none' });
  surface.setAttribute('aria-hidden', 'true'); // the outline says the same in words
  element.append(surface);
  const ctx = surface.getContext('2d')!;
  const abort = new AbortController();
  let frame: Frame = { scale: 1, left: 0, top: 0 };

  const draw = () => {
    const dpr = Math.min(2, element.ownerDocument.defaultView!.devicePixelRatio);
    const [width, height] = [element.clientWidth, element.clientHeight];
    if (width === 0 || height === 0) return;
    const [w, h] = [Math.round(width * dpr), Math.round(height * dpr)];
    if (surface.width !== w || surface.height !== h) Object.assign(surface, { width: w, height: h });
    frame = frameOf(source, width, height);
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    drawMap(ctx, source, frame, width, height);
  };
  const go = (event: PointerEvent) => {
    const box = surface.getBoundingClientRect();
    source.centre([(event.clientX - box.left) / frame.scale + frame.left, (event.clientY - box.top) / frame.scale + frame.top]);
  };
  surface.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (event.isTrusted) surface.setPointerCapture(event.pointerId);
    go(event);
  }, { signal: abort.signal });
  surface.addEventListener('pointermove', (event) => { if (event.buttons === 1) go(event); }, { signal: abort.signal });
  const observer = new ResizeObserver(draw);
  observer.observe(element);
  const stop = source.onDrawn(draw);
  draw();
  return {
    destroy() {
      stop();
      abort.abort();
      observer.disconnect();
      surface.remove();
    },
  };
}

/** The graph and the part in sight, both whole, in the middle. */
function frameOf({ scene, visible }: MinimapSource, width: number, height: number): Frame {
  const around = boxAround([...scene.nodes.map((node) => node.outline()), ...[...scene.groups.values()].map(({ doc }) => doc.box)]) ?? visible();
  const [x, y, w, h] = boxAround([around, visible()])!;
  const scale = Math.min((width - 8) / Math.max(1, w), (height - 8) / Math.max(1, h));
  return { scale, left: x - (width / scale - w) / 2, top: y - (height / scale - h) / 2 };
}

function drawMap(ctx: CanvasRenderingContext2D, { scene, look, visible }: MinimapSource, { scale, left, top }: Frame, width: number, height: number): void {
  const { theme } = look;
  ctx.fillStyle = theme.background;
  ctx.fillRect(0, 0, width, height);
  const rect = ([x, y, w, h]: Box) => ctx.fillRect((x - left) * scale, (y - top) * scale, Math.max(1.5, w * scale), Math.max(1.5, h * scale));
  ctx.globalAlpha = 0.3;
  for (const { doc } of scene.groups.values()) {
    ctx.fillStyle = isColor(doc.color) ? doc.color : theme.group;
    rect(doc.box);
  }
  ctx.globalAlpha = 1;
  for (const node of scene.nodes) {
    ctx.fillStyle = colorOf(node.id, look, node.doc.mode !== 0);
    rect(node.outline());
  }
  const [x, y, w, h] = visible();
  ctx.strokeStyle = theme.text;
  ctx.lineWidth = 1.5;
  ctx.strokeRect((x - left) * scale + 0.75, (y - top) * scale + 0.75, Math.max(2, w * scale - 1.5), Math.max(2, h * scale - 1.5));
}

function colorOf(id: string, { theme, runs, problems, selectedNodes }: Look, isOff: boolean): string {
  if (runs[id]?.status === 'failed' || problems[id]?.severity === 'error') return theme.error;
  if (runs[id]?.status === 'running') return theme.running;
  if (selectedNodes.has(id)) return theme.accent;
  return isOff ? theme.muted : theme.link;
}
