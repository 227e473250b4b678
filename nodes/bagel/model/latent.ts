// What stands between latents and the language model: packing, vae2llm, llm2vae, timestep and position embeddings.
// Source: bagel.py (_forward_flow, prepare_vae_latent), modeling_utils.py (TimestepEmbedder, PositionEmbedding), inferencer.py (decode_image).
import type { Expr } from '../../../engine/onnx/expr.ts';
import { Linear, Module, Parameter, RmsNorm, bind } from '../../../engine/onnx/module.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';

/** Width of the sinusoidal timestep features. */
const frequencySize = 256;

/** A table of side² positions. */
export class PositionEmbedding extends Module {
  readonly pos_embed: Parameter;
  constructor(side: number, hidden: number) {
    super();
    this.pos_embed = new Parameter([side * side, hidden]);
  }
  forward(op: Ops, positions: Expr): Expr {
    return op.embedding(this.pos_embed, positions);
  }
}

class TimestepEmbedder extends Module {
  /** 0 and 2 are linear; 1 is the activation between. */
  readonly mlp: readonly (Linear | null)[];
  constructor(hidden: number) {
    super();
    this.mlp = [new Linear(frequencySize, hidden), null, new Linear(hidden, hidden)];
  }
  forward(op: Ops, t: Expr): Expr {
    const half = frequencySize / 2;
    const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(Math.fround(-Math.log(10000) * i) / half)));
    const angles = op.mul(op.unsqueeze(t, 1), op.constant({ dtype: 'float32', shape: [1, half], data: frequencies }, 'frequencies'));
    const features = op.concat([op.cos(angles), op.sin(angles)], 1); // [1, 256]
    return op.call(this.mlp[2]!, op.silu(op.call(this.mlp[0]!, features)));
  }
}

/** Packed latents [tokens, packed], timestep [1] and table positions [tokens] → generation rows [tokens, hidden]. */
export function latentRows(op: Ops, sizes: { packed: number; hidden: number; maxLatentSize: number }, packed: Expr, t: Expr, positions: Expr): Expr {
  const rows = op.call(bind(new Linear(sizes.packed, sizes.hidden), 'vae2llm'), packed);
  const time = op.call(bind(new TimestepEmbedder(sizes.hidden), 'time_embedder'), t);
  return op.add(op.add(rows, time), op.call(bind(new PositionEmbedding(sizes.maxLatentSize, sizes.hidden), 'latent_pos_embed'), positions));
}

/** Generation rows after the last layer → velocity [tokens, packed]. */
export function velocity(op: Ops, sizes: { packed: number; hidden: number; rmsEps: number }, rows: Expr): Expr {
  const normal = op.call(bind(new RmsNorm(sizes.hidden, sizes.rmsEps), 'language_model.model.norm_moe_gen'), rows);
  return op.call(bind(new Linear(sizes.hidden, sizes.packed), 'llm2vae'), normal);
}

/** [tokens, patch² · channels] → [1, channels, down · patch, across · patch]; `grid` int64 [2] = tokens down, across. */
export function unpackLatent(op: Ops, packed: Expr, grid: Expr, patch: number, channels: number): Expr {
  const side = op.ints([patch]);
  const [down, across] = [op.gather(grid, op.ints([0])), op.gather(grid, op.ints([1]))];
  const tiles = op.reshapeTo(packed, op.concat([down, across, op.ints([patch, patch, channels])], 0), ['down', 'across', patch, patch, channels]);
  const planes = op.transpose(tiles, [4, 0, 2, 1, 3]); // [channels, down, patch, across, patch]
  const shape = op.concat([op.ints([1, channels]), op.mul(down, side), op.mul(across, side)], 0);
  return op.reshapeTo(planes, shape, [1, channels, 'height', 'width']);
}

/** The inverse of unpackLatent. */
export function packLatent(op: Ops, latent: Expr, grid: Expr, patch: number): Expr {
  const channels = latent.dims[1] as number;
  const side = op.ints([patch]);
  const [down, across] = [op.gather(grid, op.ints([0])), op.gather(grid, op.ints([1]))];
  const tiles = op.reshapeTo(latent, op.concat([op.ints([channels]), down, side, across, side], 0), [channels, 'down', patch, 'across', patch]);
  return op.reshape(op.transpose(tiles, [1, 3, 2, 4, 0]), ['tokens', patch * patch * channels]); // (down across) (p q c)
}
