// Draws links: in the colour of their type, over reroutes; far away as straight lines of one path, so that thousands cost little.
import type { Box, LinkId, Point } from '../../state/document.ts';
import { detail, type LinkStyle, type Look } from '../look.ts';
import { lookOf } from '../slot-look.ts';
import { linkDirections, type SceneLink, type Stage } from '../stage.ts';
import { traceShape } from './slot.ts';
import { setFont } from './text.ts';

type Context = CanvasRenderingContext2D;
const styleNumbers: Readonly<Record<Exclude<LinkStyle, 'hidden'>, number>> = { straight: 0, linear: 1, spline: 2 };

/** Links that touch the visible box; `path`: those that are pointed at. */
export function drawLinks(ctx: Context, stage: Stage, links: readonly SceneLink[], path: ReadonlySet<LinkId>, look: Look, scale: number, visible: Box): void {
  stage.visible_links.length = 0;
  if (look.linkStyle === 'hidden') return drawEnds(ctx, links.filter((link) => isProminent(link, path, look)), stage, look, scale);
  if (scale < detail.boxes) return drawFar(ctx, links, look, scale, visible);
  stage.links_render_mode = styleNumbers[look.linkStyle];
  const dragged = look.draggedLink?.replaces;
  const prominent: SceneLink[] = [];
  for (const link of links) {
    if (link.doc.id === dragged || !link.touches(visible)) continue;
    stage.visible_links.push(link);
    if (isProminent(link, path, look)) prominent.push(link);
    else drawLink(ctx, stage, link, look, false);
  }
  for (const link of prominent) drawLink(ctx, stage, link, look, true);
  ctx.globalAlpha = 1;
}

function drawEnds(ctx: Context, links: readonly SceneLink[], stage: Stage, look: Look, scale: number): void {
  if (scale < detail.boxes) return;
  stage.links_render_mode = styleNumbers.spline;
  for (const link of links) drawLink(ctx, stage, link, look, true);
  ctx.globalAlpha = 1;
}

/** Links that are pointed at, selected or of a selected node stand out. */
function isProminent({ doc }: SceneLink, path: ReadonlySet<LinkId>, { selectedLinks, selectedNodes, dropLink }: Look): boolean {
  return doc.id === dropLink || selectedLinks.has(doc.id) || selectedNodes.has(doc.from) || selectedNodes.has(doc.to) || path.has(doc.id);
}

function drawLink(ctx: Context, stage: Stage, { doc, points }: SceneLink, look: Look, isOut: boolean): void {
  const { theme, draggedLink, selectedLinks, dropLink, linkNotes } = look;
  const color = selectedLinks.has(doc.id) || doc.id === dropLink ? theme.accent : theme.slots[lookOf(doc.type).color];
  ctx.globalAlpha = draggedLink !== undefined ? 0.25 : isOut ? 1 : 0.75;
  stage.connections_width = isOut ? 3 : 2;
  for (let i = 1; i < points.length; i++) {
    // litegraph reads the points as they are, and keeps none
    stage.renderLink(ctx, points[i - 1] as [number, number], points[i] as [number, number], null, true, null, color, linkDirections.from, linkDirections.to);
  }
  const note = linkNotes[doc.id];
  if (note !== undefined) drawNote(ctx, middleOf(points), note, look);
}

function drawNote(ctx: Context, [x, y]: Point, note: string, { theme }: Look): void {
  setFont(ctx, `10px ${theme.fontFamily}`);
  ctx.textAlign = 'center';
  const width = ctx.measureText(note).width + 10;
  ctx.fillStyle = theme.background;
  ctx.beginPath();
  ctx.roundRect(x - width / 2, y - 8, width, 16, 8);
  ctx.fill();
  ctx.fillStyle = theme.textMuted;
  ctx.fillText(note, x, y + 3.5);
}

function drawFar(ctx: Context, links: readonly SceneLink[], look: Look, scale: number, visible: Box): void {
  ctx.strokeStyle = look.theme.link;
  ctx.globalAlpha = 0.6;
  ctx.lineWidth = Math.max(1, 0.8 / scale);
  ctx.beginPath();
  for (const link of links) {
    if (!link.touches(visible)) continue;
    const { points } = link;
    for (let i = 0; i < points.length; i++) {
      const [x, y] = points[i]!;
      if (i === 0) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
    }
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** The middle of the middle piece: litegraph's curves are symmetric there. */
export function middleOf(points: readonly Point[]): Point {
  const at = Math.max(1, Math.floor(points.length / 2));
  const [a, b] = [points[at - 1] ?? [0, 0], points[at] ?? [0, 0]];
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

/** How far a point is from a link, in graph units, and which of its pieces is nearest: its curves in short straight lines. */
export function distanceToLink(stage: Stage, { points }: SceneLink, [x, y]: Point): { readonly distance: number; readonly piece: number } {
  let least = { distance: Infinity, piece: 0 };
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1] as [number, number], points[i] as [number, number]];
    let before: Point = a;
    for (let step = 1; step <= 20; step++) {
      const next = stage.computeConnectionPoint(a, b, step / 20, linkDirections.from, linkDirections.to);
      const distance = distanceToLine([x, y], before, next);
      if (distance < least.distance) least = { distance, piece: i - 1 };
      before = next;
    }
  }
  return least;
}

function distanceToLine([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/** The link in the hand, to the pointer or the slot it would snap to. */
export function drawDragged(ctx: Context, stage: Stage, look: Look): void {
  const dragged = look.draggedLink;
  if (dragged === undefined) return;
  const { theme } = look;
  const { color, shape } = lookOf(dragged.end.type);
  const stroke = dragged.state === 'refused' ? theme.error : theme.slots[color];
  const isForward = dragged.end.kind === 'output';
  const [a, b] = isForward ? [dragged.start, dragged.at] : [dragged.at, dragged.start];
  stage.links_render_mode = styleNumbers.spline;
  stage.connections_width = 3;
  if (dragged.state === 'refused') ctx.setLineDash([6, 5]);
  stage.renderLink(ctx, [...a], [...b], null, true, null, stroke, linkDirections.from, linkDirections.to);
  ctx.setLineDash([]);
  ctx.fillStyle = stroke;
  ctx.beginPath();
  traceShape(ctx, shape, dragged.at[0], dragged.at[1], dragged.state === 'fits' ? 7 : 5);
  ctx.fill();
  if (dragged.state !== 'refused') return;
  const [x, y] = dragged.at;
  ctx.lineWidth = 2;
  ctx.strokeStyle = stroke;
  ctx.beginPath();
  ctx.moveTo(x + 8, y - 14);
  ctx.lineTo(x + 16, y - 6);
  ctx.moveTo(x + 16, y - 14);
  ctx.lineTo(x + 8, y - 6);
  ctx.stroke();
}
