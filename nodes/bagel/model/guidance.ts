// Classifier-free guidance over text and image with renormalisation, and the Euler step. Source: bagel.py: _forward_flow, generate_image.
import type { Expr } from '../../../engine/onnx/expr.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';

/** How the guided velocity's length is brought back: over everything, a token, or a token of the text guidance alone. */
export const renormTypes = ['global', 'channel', 'text_channel'] as const;
export type RenormType = (typeof renormTypes)[number];

export interface Branches {
  readonly conditional: Expr; // [tokens, packed]
  readonly text: Expr;
  readonly image?: Expr;
}

export interface Scales {
  readonly text: Expr; // []
  readonly image: Expr;
  readonly renormMin: Expr;
}

/** u + scale · (v − u) */
function guide(op: Ops, away: Expr, toward: Expr, scale: Expr): Expr {
  return op.add(away, op.mul(scale, op.sub(toward, away)));
}

/** guided · clamp(|plain| / |guided|, min, 1), lengths over `axis` or everything. */
function renorm(op: Ops, plain: Expr, guided: Expr, min: Expr, axis?: number): Expr {
  const ratio = op.div(op.norm(plain, axis), op.add(op.norm(guided, axis), 1e-8));
  return op.mul(guided, op.clamp(ratio, min, 1));
}

/** The velocity to follow, [tokens, packed]. Without an image branch the image scale does nothing. */
export function guidedVelocity(op: Ops, type: RenormType, { conditional, text, image }: Branches, scales: Scales): Expr {
  const byText = guide(op, text, conditional, scales.text);
  const byImage = (velocity: Expr) => (image === undefined ? velocity : guide(op, image, velocity, scales.image));
  if (type === 'text_channel') return byImage(renorm(op, conditional, byText, scales.renormMin, 1));
  return renorm(op, conditional, byImage(byText), scales.renormMin, type === 'channel' ? 1 : undefined);
}

/** x − v · dt: one Euler step from noise towards the picture. */
export function eulerStep(op: Ops, x: Expr, velocity: Expr, dt: Expr): Expr {
  return op.sub(x, op.mul(velocity, dt));
}
