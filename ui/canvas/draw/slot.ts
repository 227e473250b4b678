// Draws slots: colour and shape by type, hollow while optional and free, dim while a dragged link does not fit.
import type { Point } from '../../state/document.ts';
import { lookOf, type SlotShape } from '../slot-look.ts';
import type { Theme } from '../theme.ts';

type Context = CanvasRenderingContext2D;

export interface SlotState {
  readonly type: string;
  readonly isList: boolean;
  readonly isLinked: boolean;
  readonly isOptional: boolean;
  readonly isDim: boolean;
  readonly isMarked: boolean;
  readonly isHovered: boolean;
}

/** At a point in the context's coordinates. */
export function drawSlot(ctx: Context, [x, y]: Point, state: SlotState, theme: Theme, isFar = false): void {
  const { color, shape } = lookOf(state.type, state.isList);
  if (isFar && !state.isMarked && !state.isHovered && !state.isDim) { // too small for shapes
    ctx.fillStyle = theme.slots[color];
    ctx.fillRect(x - 5, y - 5, 10, 10);
    return;
  }
  const alpha = ctx.globalAlpha;
  if (state.isDim) ctx.globalAlpha = alpha * 0.25;
  const radius = state.isHovered && !state.isDim ? 7 : 5;
  ctx.lineWidth = 2;
  ctx.strokeStyle = theme.slots[color];
  ctx.fillStyle = state.isOptional && !state.isLinked || shape === 'ring' && !state.isLinked ? theme.node : theme.slots[color];
  ctx.beginPath();
  traceShape(ctx, shape, x, y, radius);
  ctx.fill();
  ctx.stroke();
  if (state.isMarked) {
    ctx.strokeStyle = theme.error;
    ctx.beginPath();
    ctx.arc(x, y, radius + 5, 0, Math.PI * 2);
    ctx.stroke();
  }
  ctx.globalAlpha = alpha;
}

/** Adds a shape around a centre to the path. */
export function traceShape(ctx: Context, shape: SlotShape, x: number, y: number, radius: number): void {
  switch (shape) {
    case 'square': ctx.rect(x - radius * 0.85, y - radius * 0.85, radius * 1.7, radius * 1.7); break;
    case 'bar': ctx.rect(x - radius * 0.6, y - radius, radius * 1.2, radius * 2); break;
    case 'diamond': polygon(ctx, x, y, radius * 1.2, 4, -Math.PI / 2); break;
    case 'triangle': polygon(ctx, x, y, radius * 1.25, 3, 0); break;
    case 'hexagon': polygon(ctx, x, y, radius * 1.1, 6, 0); break;
    case 'grid':
      for (const dx of [-1, 1]) for (const dy of [-1, 1]) ctx.rect(x + dx * radius * 0.6 - radius * 0.35, y + dy * radius * 0.6 - radius * 0.35, radius * 0.7, radius * 0.7);
      break;
    case 'ring':
    case 'circle': ctx.moveTo(x + radius, y); ctx.arc(x, y, radius, 0, Math.PI * 2); break;
  }
}

function polygon(ctx: Context, x: number, y: number, radius: number, corners: number, turn: number): void {
  for (let i = 0; i < corners; i++) {
    const angle = turn + (i * 2 * Math.PI) / corners;
    const [px, py] = [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    if (i === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
  }
  ctx.closePath();
}
