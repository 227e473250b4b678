// The SigLIP vision tower without its dropped last layer, and the connector into the language model's width.
// Source: modeling/bagel/siglip_navit.py (rope off), modeling_utils.py: MLPconnector.
import type { Expr } from '../../../engine/onnx/expr.ts';
import { Embedding, LayerNorm, Linear, Module, bind } from '../../../engine/onnx/module.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';
import { attendBlocks } from './attention.ts';
import { PositionEmbedding } from './latent.ts';

export interface VitConfig {
  readonly hidden: number;
  readonly ffn: number;
  /** Layers that run; the last one of the file is dropped upstream. */
  readonly layers: number;
  readonly heads: number;
  readonly patch: number;
  readonly channels: number;
  readonly eps: number;
  /** Rows of its position table. */
  readonly positions: number;
}

class SelfAttention extends Module {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly out_proj: Linear;
  readonly #heads: number;
  readonly #hidden: number;
  constructor({ hidden, heads }: VitConfig) {
    super();
    this.#heads = heads;
    this.#hidden = hidden;
    this.q_proj = new Linear(hidden, hidden);
    this.k_proj = new Linear(hidden, hidden);
    this.v_proj = new Linear(hidden, hidden);
    this.out_proj = new Linear(hidden, hidden);
  }
  forward(op: Ops, x: Expr): Expr {
    const heads = this.#heads;
    const headDim = this.#hidden / heads;
    const attended = attendBlocks(op, op.call(this.q_proj, x), op.call(this.k_proj, x), op.call(this.v_proj, x), { heads, headDim });
    return op.call(this.out_proj, attended);
  }
}

class Mlp extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;
  constructor(inputs: number, inner: number, outputs: number) {
    super();
    this.fc1 = new Linear(inputs, inner);
    this.fc2 = new Linear(inner, outputs);
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.fc2, op.geluTanh(op.call(this.fc1, x)));
  }
}

class EncoderLayer extends Module {
  readonly self_attn: SelfAttention;
  readonly mlp: Mlp;
  readonly layer_norm1: LayerNorm;
  readonly layer_norm2: LayerNorm;
  constructor(config: VitConfig) {
    super();
    this.self_attn = new SelfAttention(config);
    this.mlp = new Mlp(config.hidden, config.ffn, config.hidden);
    this.layer_norm1 = new LayerNorm(config.hidden, config.eps);
    this.layer_norm2 = new LayerNorm(config.hidden, config.eps);
  }
  forward(op: Ops, x: Expr): Expr {
    const middle = op.add(x, op.call(this.self_attn, op.call(this.layer_norm1, x)));
    return op.add(middle, op.call(this.mlp, op.call(this.layer_norm2, middle)));
  }
}

class Embeddings extends Module {
  readonly patch_embedding: Linear;
  readonly position_embedding: Embedding;
  constructor({ hidden, patch, channels, positions }: VitConfig) {
    super();
    this.patch_embedding = new Linear(patch * patch * channels, hidden);
    this.position_embedding = new Embedding(positions, hidden);
  }
  forward(op: Ops, patches: Expr, positions: Expr): Expr {
    return op.add(op.call(this.patch_embedding, patches), op.call(this.position_embedding, positions));
  }
}

const root = 'vit_model.vision_model';

/** Patches [tokens, patch² · channels] and their table positions int64 [tokens] → [tokens, vit hidden]. */
export function embedPatches(op: Ops, config: VitConfig, patches: Expr, positions: Expr): Expr {
  return op.call(bind(new Embeddings(config), `${root}.embeddings`), patches, positions);
}

/** Layers `first` up to `end` over [tokens, vit hidden]. */
export function runVitLayers(op: Ops, config: VitConfig, x: Expr, first: number, end: number): Expr {
  let hidden = x;
  for (let i = first; i < end; i++) hidden = op.call(bind(new EncoderLayer(config), `${root}.encoder.layers.${i}`), hidden);
  return hidden;
}

/** The last norm: what the tower gives, [tokens, vit hidden]. */
export function finishVit(op: Ops, config: VitConfig, x: Expr): Expr {
  return op.call(bind(new LayerNorm(config.hidden, config.eps), `${root}.post_layernorm`), x);
}

/** Features → rows of the language model [tokens, hidden]: connector plus position. */
export function connect(op: Ops, vitHidden: number, hidden: number, maxPatchesPerSide: number, features: Expr, positions: Expr): Expr {
  const rows = op.call(bind(new Mlp(vitHidden, hidden, hidden), 'connector'), features);
  return op.add(rows, op.call(bind(new PositionEmbedding(maxPatchesPerSide, hidden), 'vit_pos_embed'), positions));
}

/** A picture uint8 [height, width, channels] → normalised patches [tokens, patch² · channels], rows first. `grid` int64 [2] = patches down, across. (data_utils.py: patchify) */
export function patchify(op: Ops, picture: Expr, grid: Expr, patch: number): Expr {
  const channels = picture.dims[2] as number;
  const [down, across] = [op.gather(grid, op.ints([0])), op.gather(grid, op.ints([1]))];
  const side = op.ints([patch]);
  const tiles = op.reshapeTo(normalizePixels(op, picture), op.concat([down, side, across, side, op.ints([channels])], 0), ['down', patch, 'across', patch, channels]);
  return op.reshape(op.transpose(tiles, [0, 2, 1, 3, 4]), ['tokens', patch * patch * channels]);
}

/** uint8 → (x / 255 − 0.5) / 0.5, as ToTensor and Normalize do. */
export function normalizePixels(op: Ops, picture: Expr): Expr {
  return op.div(op.sub(op.div(op.cast(picture, 'float32'), 255), 0.5), 0.5);
}
