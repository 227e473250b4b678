// Draws what is around nodes and links: background and its grid, groups, reroutes, marquee, guides.
import type { Box, Point } from '../../state/document.ts';
import type { View } from '../events.ts';
import { detail, type Look } from '../look.ts';
import type { SceneGroup } from '../scene.ts';
import { isColor } from '../theme.ts';
import { fitText, setFont } from './text.ts';

type Context = CanvasRenderingContext2D;
export const gridStep = 20;
export const groupTitleHeight = 32;

/** Within a box of the view, in CSS pixels. */
export function drawBackground(ctx: Context, { scale, offset }: View, [left, top, width, height]: Box, { theme, showsGrid }: Look): void {
  ctx.fillStyle = theme.background;
  ctx.fillRect(left, top, width, height);
  if (!showsGrid || scale < 0.3) return;
  // far away fewer dots, so that they never crowd; whole device pixels, which cost least
  const step = gridStep * scale * (scale < 0.5 ? 4 : 2);
  const side = scale < 0.8 ? 1 : 2;
  ctx.fillStyle = theme.grid;
  const dpr = ctx.getTransform().a;
  const [startX, startY] = [left - side + mod(offset[0] * scale - left + side, step), top - side + mod(offset[1] * scale - top + side, step)];
  for (let y = startY; y < top + height; y += step) for (let x = startX; x < left + width; x += step) ctx.fillRect(Math.round(x * dpr) / dpr, Math.round(y * dpr) / dpr, side, side);
}

function mod(a: number, b: number): number {
  return ((a % b) + b) % b;
}

export function drawGroups(ctx: Context, groups: Iterable<SceneGroup>, look: Look, scale: number, visible: Box): void {
  for (const group of groups) {
    const [x, y, width, height] = [group._pos[0]!, group._pos[1]!, group._size[0]!, group._size[1]!];
    if (x > visible[0] + visible[2] || x + width < visible[0] || y > visible[1] + visible[3] || y + height < visible[1]) continue;
    drawGroup(ctx, group, [x, y, width, height], look, scale);
  }
  ctx.globalAlpha = 1;
}

function drawGroup(ctx: Context, { doc }: SceneGroup, [x, y, width, height]: Box, { theme, selectedGroups }: Look, scale: number): void {
  const color = isColor(doc.color) ? doc.color : theme.group;
  const isSelected = selectedGroups.has(doc.id);
  ctx.fillStyle = color;
  ctx.globalAlpha = 0.14;
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, 8);
  ctx.fill();
  ctx.globalAlpha = 0.3;
  ctx.beginPath();
  ctx.roundRect(x, y, width, groupTitleHeight, [8, 8, 0, 0]);
  ctx.fill();
  ctx.globalAlpha = isSelected ? 1 : 0.7;
  ctx.strokeStyle = isSelected ? theme.accent : color;
  ctx.lineWidth = isSelected ? Math.max(2, 1.5 / scale) : 1;
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, 8);
  ctx.stroke();
  ctx.globalAlpha = 1;
  if (scale < detail.boxes * 0.6) return;
  // far away the title grows, so that groups stay the map of a large graph
  const size = Math.max(10, Math.min(72, (doc.fontSize ?? 18))) * Math.max(1, Math.min(2.5, 0.5 / scale));
  setFont(ctx, `600 ${size}px ${theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = theme.text;
  ctx.fillText(fitText(ctx, doc.title, width - 20), x + 10, y + Math.max(groupTitleHeight / 2, size / 2) + size * 0.35);
  ctx.strokeStyle = color;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(x + width - 12, y + height - 4);
  ctx.lineTo(x + width - 4, y + height - 12);
  ctx.stroke();
}

export function drawReroutes(ctx: Context, reroutes: ReadonlyMap<string, Point>, { theme, selectedReroutes, hovered }: Look, scale: number): void {
  if (scale < detail.boxes) return;
  for (const [id, [x, y]] of reroutes) {
    const isSelected = selectedReroutes.has(id);
    ctx.fillStyle = isSelected ? theme.accent : theme.link;
    ctx.strokeStyle = theme.background;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(x, y, isSelected || (hovered?.kind === 'reroute' && hovered.reroute === id) ? 8 : 6, 0, Math.PI * 2);
    ctx.fill();
    ctx.stroke();
  }
}

export function drawMarquee(ctx: Context, { marquee, theme }: Look, scale: number): void {
  if (marquee === undefined) return;
  const [x, y, width, height] = marquee;
  ctx.fillStyle = theme.accent;
  ctx.globalAlpha = 0.1;
  ctx.fillRect(x, y, width, height);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = theme.accent;
  ctx.lineWidth = 1 / scale;
  ctx.strokeRect(x, y, width, height);
}

export function drawGuides(ctx: Context, { guides, theme }: Look, scale: number): void {
  if (guides.length === 0) return;
  ctx.strokeStyle = theme.accent;
  ctx.lineWidth = 1 / scale;
  ctx.setLineDash([4 / scale, 4 / scale]);
  ctx.beginPath();
  for (const [[ax, ay], [bx, by]] of guides) {
    ctx.moveTo(ax, ay);
    ctx.lineTo(bx, by);
  }
  ctx.stroke();
  ctx.setLineDash([]);
}
