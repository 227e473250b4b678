// The Mixture-of-Transformers language model: every layer holds an understanding expert (text, ViT rows, image markers) and a
// generation expert (VAE rows) that meet in attention. Source: modeling/bagel/qwen2_navit.py, Qwen2MoTDecoderLayer.
import type { Expr } from '../../../engine/onnx/expr.ts';
import { Linear, Module, RmsNorm, bind } from '../../../engine/onnx/module.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';
import { attend, rotate, rotaryAngles, type AttentionMode, type AttentionShape, type KeysValues } from './attention.ts';

export interface MotConfig extends AttentionShape {
  readonly hidden: number;
  readonly ffn: number;
  readonly layers: number;
  readonly vocab: number;
  readonly ropeTheta: number;
  readonly rmsEps: number;
}

/** Rows of the two experts, understanding first. Either may have none; without `gen` the generation expert is left out. */
export interface Rows {
  readonly und: Expr; // [und, hidden]
  readonly gen?: Expr; // [gen, hidden]
}

type Angles = ReturnType<typeof rotaryAngles>;

class Mlp extends Module {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;
  constructor(config: MotConfig) {
    super();
    this.gate_proj = new Linear(config.hidden, config.ffn, { bias: false });
    this.up_proj = new Linear(config.hidden, config.ffn, { bias: false });
    this.down_proj = new Linear(config.ffn, config.hidden, { bias: false });
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.down_proj, op.mul(op.silu(op.call(this.gate_proj, x)), op.call(this.up_proj, x)));
  }
}

class Attention extends Module {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly q_norm: RmsNorm;
  readonly k_norm: RmsNorm;
  readonly q_proj_moe_gen: Linear;
  readonly k_proj_moe_gen: Linear;
  readonly v_proj_moe_gen: Linear;
  readonly o_proj_moe_gen: Linear;
  readonly q_norm_moe_gen: RmsNorm;
  readonly k_norm_moe_gen: RmsNorm;
  readonly #shape: AttentionShape;

  constructor(config: MotConfig) {
    super();
    const { hidden, heads, kvHeads, headDim, rmsEps } = config;
    this.#shape = { heads, kvHeads, headDim };
    this.q_proj = new Linear(hidden, heads * headDim);
    this.k_proj = new Linear(hidden, kvHeads * headDim);
    this.v_proj = new Linear(hidden, kvHeads * headDim);
    this.o_proj = new Linear(heads * headDim, hidden, { bias: false });
    this.q_norm = new RmsNorm(headDim, rmsEps);
    this.k_norm = new RmsNorm(headDim, rmsEps);
    this.q_proj_moe_gen = new Linear(hidden, heads * headDim);
    this.k_proj_moe_gen = new Linear(hidden, kvHeads * headDim);
    this.v_proj_moe_gen = new Linear(hidden, kvHeads * headDim);
    this.o_proj_moe_gen = new Linear(heads * headDim, hidden, { bias: false });
    this.q_norm_moe_gen = new RmsNorm(headDim, rmsEps);
    this.k_norm_moe_gen = new RmsNorm(headDim, rmsEps);
  }

  forward(op: Ops, x: Rows, past: KeysValues, angles: Angles, mode: AttentionMode): Rows & { readonly fresh: KeysValues } {
    const { heads, kvHeads, headDim } = this.#shape;
    const project = (und: Linear, gen: Linear, count: number, norms?: readonly [RmsNorm, RmsNorm]): Expr => {
      const one = (layer: Linear, norm: RmsNorm | undefined, rows: Expr) => {
        const split = op.reshape(op.call(layer, rows), [rows.dims[0]!, count, headDim]); // [rows, count, headDim]
        return norm === undefined ? split : op.call(norm, split);
      };
      const read = one(und, norms?.[0], x.und);
      return x.gen === undefined ? read : op.concat([read, one(gen, norms?.[1], x.gen)], 0); // [rows, count, headDim]
    };
    const q = rotate(op, project(this.q_proj, this.q_proj_moe_gen, heads, [this.q_norm, this.q_norm_moe_gen]), angles);
    const k = rotate(op, project(this.k_proj, this.k_proj_moe_gen, kvHeads, [this.k_norm, this.k_norm_moe_gen]), angles);
    const v = project(this.v_proj, this.v_proj_moe_gen, kvHeads);
    const fresh = { keys: splitHeads(op, k, kvHeads, headDim), values: splitHeads(op, v, kvHeads, headDim) };
    const attended = attend(op, q, past, fresh, mode, this.#shape); // [rows, heads · headDim]
    if (x.gen === undefined) return { und: op.call(this.o_proj, attended), fresh };
    const lengths = op.concat([op.lengthOf(x.und, 0), op.lengthOf(x.gen, 0)], 0);
    const [und, gen] = op.splitAt(attended, lengths, ['und', 'gen'], 0) as [Expr, Expr];
    return { und: op.call(this.o_proj, und), gen: op.call(this.o_proj_moe_gen, gen), fresh };
  }
}

/** One [rows, headDim] value a head. */
function splitHeads(op: Ops, x: Expr, heads: number, headDim: number): Expr[] {
  const rows = x.dims[0]!;
  const byHead = op.transpose(op.reshape(x, [rows, heads, headDim]), [1, 0, 2]); // [heads, rows, headDim]
  return op.split(byHead, Array.from({ length: heads }, () => 1), 0).map((one) => op.reshape(one, [rows, headDim]));
}

export class DecoderLayer extends Module {
  readonly self_attn: Attention;
  readonly mlp: Mlp;
  readonly mlp_moe_gen: Mlp;
  readonly input_layernorm: RmsNorm;
  readonly input_layernorm_moe_gen: RmsNorm;
  readonly post_attention_layernorm: RmsNorm;
  readonly post_attention_layernorm_moe_gen: RmsNorm;

  constructor(config: MotConfig) {
    super();
    this.self_attn = new Attention(config);
    this.mlp = new Mlp(config);
    this.mlp_moe_gen = new Mlp(config);
    this.input_layernorm = new RmsNorm(config.hidden, config.rmsEps);
    this.input_layernorm_moe_gen = new RmsNorm(config.hidden, config.rmsEps);
    this.post_attention_layernorm = new RmsNorm(config.hidden, config.rmsEps);
    this.post_attention_layernorm_moe_gen = new RmsNorm(config.hidden, config.rmsEps);
  }

  forward(op: Ops, x: Rows, past: KeysValues, angles: Angles, mode: AttentionMode): Rows & { readonly fresh: KeysValues } {
    const normal = { und: op.call(this.input_layernorm, x.und), ...(x.gen === undefined ? {} : { gen: op.call(this.input_layernorm_moe_gen, x.gen) }) };
    const attended = op.call(this.self_attn, normal, past, angles, mode);
    const middle = { und: op.add(x.und, attended.und), ...(x.gen === undefined ? {} : { gen: op.add(x.gen, attended.gen!) }) };
    return {
      und: op.add(middle.und, op.call(this.mlp, op.call(this.post_attention_layernorm, middle.und))),
      ...(middle.gen === undefined ? {} : { gen: op.add(middle.gen, op.call(this.mlp_moe_gen, op.call(this.post_attention_layernorm_moe_gen, middle.gen))) }),
      fresh: attended.fresh,
    };
  }
}

/** The layers from `first` up to `end`, bound to their checkpoint keys. */
export function decoderLayers(config: MotConfig, first: number, end: number): DecoderLayer[] {
  return Array.from({ length: end - first }, (_, i) => bind(new DecoderLayer(config), `language_model.model.layers.${first + i}`));
}

/** Runs layers over rows. Positions int64 [und + gen]; `past` has an entry a layer. */
export function runLayers(op: Ops, layers: readonly DecoderLayer[], config: MotConfig, rows: Rows, positions: Expr, past: readonly KeysValues[], mode: AttentionMode): Rows & { readonly fresh: readonly KeysValues[] } {
  const angles = rotaryAngles(op, positions, config.headDim, config.ropeTheta);
  const fresh: KeysValues[] = [];
  let x = rows;
  layers.forEach((layer, i) => {
    const next = op.call(layer, x, past[i]!, angles, mode);
    fresh.push(next.fresh);
    x = next;
  });
  return { ...x, fresh };
}
