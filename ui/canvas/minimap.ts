// A small picture of the whole graph with the part in sight; dragging in it moves the view. Drawn from the scene, apart from litegraph, and
// only when the graph looks different: while the view moves, the picture and the frame over it are moved as elements.
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
  /** Calls after anything was drawn, with true where only the view has moved; returns how to stop. */
  onDrawn(run: (isMoved: boolean) => void): () => void;
}

/** What of the graph fills the map; `scale` in CSS pixels a unit. */
interface Frame {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** The map follows a graph that changes in every frame no faster than this. */
const redrawMs = 100;

/** Fills `element`, which must be positioned and hide what overflows. */
export function createMinimap(element: HTMLElement, source: MinimapSource): Minimap {
  const surface = element.ownerDocument.createElement('canvas');
  // four lines that are only transformed: a frame of another size would lay the page out anew in each drawn frame
  const edges = Array.from({ length: 4 }, () => element.ownerDocument.createElement('div'));
  Object.assign(surface.style, { position: 'absolute', left: '0', top: '0', width: '100%', height: '100%', transformOrigin: '0 0', touchAction: 'none', willChange: 'transform' });
  for (const { style } of edges) Object.assign(style, { position: 'absolute', left: '0', top: '0', width: '1px', height: '1px', transformOrigin: '0 0', pointerEvents: 'none', willChange: 'transform' });
  surface.setAttribute('aria-hidden', 'true'); // the outline says the same in words
  element.append(surface, ...edges);
  const ctx = surface.getContext('2d')!;
  const abort = new AbortController();
  let frame: Frame = { scale: 1, left: 0, top: 0 };
  let drawn: { readonly around: Box | undefined; readonly frame: Frame } = { around: undefined, frame };
  /** Remembered, for to ask would lay the page out once more in each frame. */
  let size: Point = [0, 0];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drawnAt = -Infinity;

  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    drawnAt = performance.now();
    const dpr = Math.min(2, element.ownerDocument.defaultView!.devicePixelRatio);
    size = [element.clientWidth, element.clientHeight];
    const [width, height] = size;
    if (width === 0 || height === 0) return;
    const [w, h] = [Math.round(width * dpr), Math.round(height * dpr)];
    if (surface.width !== w || surface.height !== h) Object.assign(surface, { width: w, height: h });
    const around = boxAround([...source.scene.nodes.map((node) => node.outline()), ...[...source.scene.groups.values()].map(({ doc }) => doc.box)]);
    drawn = { around, frame: frameOf(around ?? source.visible(), width, height) };
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    drawMap(ctx, source, drawn.frame, width, height);
    for (const { style } of edges) style.backgroundColor = source.look.theme.text;
    place();
  };
  /** Both the graph and the part in sight whole, in the middle. */
  const place = () => {
    const [width, height] = size;
    if (width === 0 || height === 0) return;
    const [x, y, w, h] = source.visible();
    frame = frameOf(boxAround([drawn.around ?? source.visible(), [x, y, w, h]])!, width, height);
    const { scale, left, top } = frame;
    surface.style.transform = `translate(${(drawn.frame.left - left) * scale}px, ${(drawn.frame.top - top) * scale}px) scale(${scale / drawn.frame.scale})`;
    for (const [i, box] of edgesOf([(x - left) * scale, (y - top) * scale, Math.max(4, w * scale), Math.max(4, h * scale)]).entries()) edges[i]!.style.transform = `translate(${box[0]}px, ${box[1]}px) scale(${box[2]}, ${box[3]})`;
  };
  const follow = (isMoved: boolean) => {
    const waitMs = drawnAt + redrawMs - performance.now();
    if (!isMoved && waitMs <= 0) draw();
    else {
      if (!isMoved) timer ??= setTimeout(draw, waitMs);
      place();
    }
  };
  const go = (event: PointerEvent) => {
    const box = element.getBoundingClientRect();
    source.centre([(event.clientX - box.left - element.clientLeft) / frame.scale + frame.left, (event.clientY - box.top - element.clientTop) / frame.scale + frame.top]);
  };
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (event.isTrusted) element.setPointerCapture(event.pointerId);
    go(event);
  }, { signal: abort.signal });
  element.addEventListener('pointermove', (event) => { if (event.buttons === 1) go(event); }, { signal: abort.signal });
  const observer = new ResizeObserver(draw);
  observer.observe(element);
  const stop = source.onDrawn(follow);
  draw();
  return {
    destroy() {
      stop();
      clearTimeout(timer);
      abort.abort();
      observer.disconnect();
      surface.remove();
      for (const edge of edges) edge.remove();
    },
  };
}

/** Lines along the inside of a box: top, bottom, left, right. */
function edgesOf([x, y, w, h]: Box): Box[] {
  const line = 1.5;
  return [[x, y, w, line], [x, y + h - line, w, line], [x, y, line, h], [x + w - line, y, line, h]];
}

/** A box whole, in the middle of the map. */
function frameOf([x, y, w, h]: Box, width: number, height: number): Frame {
  const scale = Math.min((width - 8) / Math.max(1, w), (height - 8) / Math.max(1, h));
  return { scale, left: x - (width / scale - w) / 2, top: y - (height / scale - h) / 2 };
}

function drawMap(ctx: CanvasRenderingContext2D, { scene, look }: MinimapSource, { scale, left, top }: Frame, width: number, height: number): void {
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
}

function colorOf(id: string, { theme, runs, problems, selectedNodes }: Look, isOff: boolean): string {
  if (runs[id]?.status === 'failed' || problems[id]?.severity === 'error') return theme.error;
  if (runs[id]?.status === 'running') return theme.running;
  if (selectedNodes.has(id)) return theme.accent;
  return isOff ? theme.muted : theme.link;
}
