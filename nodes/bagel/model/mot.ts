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
/** Understanding or generation. */
type Expert = 'und' | 'gen';

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

  /** One expert's rows: queries and keys normalised and not yet rotated, and values, each [rows, heads or kvHeads, headDim]. */
  project(op: Ops, x: Expr, expert: Expert): readonly [Expr, Expr, Expr] {
    const { heads, kvHeads, headDim } = this.#shape;
    const split = (layer: Linear, count: number) => op.reshape(op.call(layer, x), [x.dims[0]!, count, headDim]);
    return expert === 'und'
      ? [op.call(this.q_norm, split(this.q_proj, heads)), op.call(this.k_norm, split(this.k_proj, kvHeads)), split(this.v_proj, kvHeads)]
      : [op.call(this.q_norm_moe_gen, split(this.q_proj_moe_gen, heads)), op.call(this.k_norm_moe_gen, split(this.k_proj_moe_gen, kvHeads)), split(this.v_proj_moe_gen, kvHeads)];
  }

  /** Rows of both experts look at each other and at the past: q, k, v as `project` gives them → [rows, heads · headDim] and the new rows to keep. */
  forward(op: Ops, [q, k, v]: readonly [Expr, Expr, Expr], past: KeysValues, angles: Angles, mode: AttentionMode): { readonly attended: Expr; readonly fresh: KeysValues } {
    const { kvHeads, headDim } = this.#shape;
    const byHead = (rows: Expr) => op.split(rows, Array.from({ length: kvHeads }, () => headDim), 1); // [rows, headDim] each
    const fresh = { keys: byHead(rotate(op, k, angles)), values: byHead(op.reshape(v, [v.dims[0]!, kvHeads * headDim])) };
    return { attended: attend(op, rotate(op, q, angles), past, fresh, mode, this.#shape), fresh };
  }
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
    const und = this.self_attn.project(op, op.call(this.input_layernorm, x.und), 'und');
    if (x.gen === undefined) {
      const { attended, fresh } = op.call(this.self_attn, und, past, angles, mode);
      return { und: this.#finish(op, x.und, attended, 'und'), fresh };
    }
    const gen = this.#ifAny(op, x.gen, (o, rows) => this.self_attn.project(o, o.call(this.input_layernorm_moe_gen, rows), 'gen'), (o) => und.map(({ dims }) => noRows(o, dims)));
    const joined = und.map((rows, i) => op.concat([rows, gen[i]!], 0)) as [Expr, Expr, Expr];
    const { attended, fresh } = op.call(this.self_attn, joined, past, angles, mode);
    const lengths = op.concat([op.lengthOf(x.und, 0), op.lengthOf(x.gen, 0)], 0);
    const [undRows, genRows] = op.splitAt(attended, lengths, ['und', 'gen'], 0) as [Expr, Expr];
    const [genOut] = this.#ifAny(op, x.gen, (o, rows) => [this.#finish(o, rows, genRows, 'gen')], (o, rows) => [o.identity(rows)]);
    return { und: this.#finish(op, x.und, undRows, 'und'), gen: genOut!, fresh };
  }

  /** What follows attention, for one expert's rows. */
  #finish(op: Ops, x: Expr, attended: Expr, expert: Expert): Expr {
    const [project, norm, mlp] = expert === 'und'
      ? [this.self_attn.o_proj, this.post_attention_layernorm, this.mlp] as const
      : [this.self_attn.o_proj_moe_gen, this.post_attention_layernorm_moe_gen, this.mlp_moe_gen] as const;
    const middle = op.add(x, op.call(project, attended));
    return op.add(middle, op.call(mlp, op.call(norm, middle)));
  }

  /** Rows of the generation expert are missing whenever words are read or written, and a quantised product has many small operators around it. Not of
   *  weights that are expanded at load: inside an If they are kept twice (measured). */
  #ifAny(op: Ops, rows: Expr, some: (op: Ops, rows: Expr) => readonly Expr[], none: (op: Ops, rows: Expr) => readonly Expr[]): readonly Expr[] {
    if (!op.isQuantized(this.mlp_moe_gen.up_proj.weight)) return some(op, rows);
    return op.if(op.greater(op.lengthOf(rows, 0), op.ints([0])), (o) => some(o, rows), (o) => none(o, rows));
  }
}

function noRows(op: Ops, [, ...dims]: Expr['dims']): Expr {
  return op.expand(op.scalar(0), op.ints([0, ...dims.map(Number)]), [0, ...dims]);
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
