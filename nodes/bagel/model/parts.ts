// Cuts BAGEL into parts by name and traces each on demand. A part's inputs and outputs are listed here and nowhere else.
import type { Expr, Part } from '../../../engine/onnx/expr.ts';
import { Embedding, Linear, RmsNorm, bind } from '../../../engine/onnx/module.ts';
import { input, trace, type WeightSource } from '../../../engine/onnx/trace.ts';
import { autoencoderParts, cut, nothing, planAutoencoderCuts, runFlops, type AutoencoderCuts, type Span } from './autoencoder-parts.ts';
import type { BagelConfig } from './config.ts';
import { eulerStep, guidedVelocity, type RenormType } from './guidance.ts';
import { latentRows, packLatent, unpackLatent, velocity } from './latent.ts';
import { decoderLayers, runLayers } from './mot.ts';
import { connect, embedPatches, finishVit, patchify, runVitLayers } from './vit.ts';

/** Where the weights of a model are, by checkpoint key. */
export interface ModelWeights {
  readonly llm: WeightSource;
  readonly vae: WeightSource;
}

/** Rows a pass is planned for: a 512 × 512 picture and its markers. */
const plannedRows = 1026;
/** Logits that are fetched for sampling; more only on demand. */
export const topLogits = 256;

/** Which layers, ViT layers and autoencoder stages run together. Fixed by the configuration alone, so pictures repeat bit for bit. */
export interface Cuts extends AutoencoderCuts {
  readonly llm: readonly Span[];
  readonly vit: readonly Span[];
}

/** `blocks`: the language model is cut into at least so many pieces, where it has the layers. */
export function planCuts(config: BagelConfig, blocks = 1): Cuts {
  const { llm, vit, vae } = config;
  const layer = 2 * plannedRows * (llm.hidden * llm.headDim * 2 * (llm.heads + llm.kvHeads) + 3 * llm.hidden * llm.ffn);
  const perPart = Math.max(1, Math.floor(runFlops / layer));
  const even = Math.ceil(llm.layers / Math.max(Math.ceil(llm.layers / perPart), Math.min(blocks, llm.layers)));
  const patches = Math.min((config.vitImage.max_size / vit.patch) ** 2, config.vitMaxPatchesPerSide ** 2);
  const vitLayer = patches * (2 * (4 * vit.hidden ** 2 + 2 * vit.hidden * vit.ffn) + 4 * patches * vit.hidden);
  return {
    llm: Array.from({ length: Math.ceil(llm.layers / even) }, (_, i) => ({ first: i * even, end: Math.min((i + 1) * even, llm.layers) })),
    vit: cut(Array.from({ length: vit.layers }, () => vitLayer)),
    ...planAutoencoderCuts(vae, config.vaeImage.max_size),
  };
}

/** Name of the cached rows of one head: `k.LAYER.HEAD` or `v.LAYER.HEAD`. Inputs have `past_` before it. */
export function rowsName(kind: 'k' | 'v', layer: number, head: number): string {
  return `${kind}.${layer}.${head}`;
}

/** Traces the part called `name`; throws on an unknown one. */
export function buildPart(name: string, config: BagelConfig, weights: ModelWeights, cuts: Cuts): Part {
  const [kind, ...rest] = name.split(':') as [string, ...string[]];
  const build = builders[kind];
  if (build === undefined) throw new Error(`no part is called ${name}`);
  return build({ name, rest, config, weights, cuts });
}

interface Wanted {
  readonly name: string;
  readonly rest: readonly string[];
  readonly config: BagelConfig;
  readonly weights: ModelWeights;
  readonly cuts: Cuts;
}

const builders: Readonly<Record<string, (wanted: Wanted) => Part>> = {
  /** ids int64 [ids], rows [images, hidden] → und [ids + images, hidden] */
  embed: ({ name, config, weights }) => {
    const ids = input('ids', 'int64', ['ids']);
    const rows = input('rows', 'float32', ['images', config.llm.hidden]);
    return trace(name, [ids, rows], weights.llm, (op) => {
      const table = bind(new Embedding(config.llm.vocab, config.llm.hidden), 'language_model.model.embed_tokens');
      return { und: op.concat([op.call(table, ids), rows], 0) };
    });
  },
  /** x [tokens, packed], t [1], positions int64 [tokens] → gen [tokens, hidden] */
  latent: ({ name, config, weights }) => {
    const x = input('x', 'float32', ['tokens', packedSize(config)]);
    const t = input('t', 'float32', [1]);
    const positions = input('positions', 'int64', ['tokens']);
    const sizes = { packed: packedSize(config), hidden: config.llm.hidden, maxLatentSize: config.maxLatentSize };
    return trace(name, [x, t, positions], weights.llm, (op) => ({ gen: latentRows(op, sizes, x, t, positions) }));
  },
  llm: layersPart,
  /** gen [tokens, hidden] → v [tokens, packed] */
  flow: ({ name, config, weights }) => {
    const gen = input('gen', 'float32', ['tokens', config.llm.hidden]);
    const sizes = { packed: packedSize(config), hidden: config.llm.hidden, rmsEps: config.llm.rmsEps };
    return trace(name, [gen], weights.llm, (op) => ({ v: velocity(op, sizes, gen) }));
  },
  /** und [1, hidden] → logits [1, vocab], token int64 [1] */
  head: ({ name, config, weights }) => {
    const { hidden, vocab, rmsEps, tied } = config.llm;
    const und = input('und', 'float32', [1, hidden]);
    return trace(name, [und], weights.llm, (op) => {
      const normal = op.call(bind(new RmsNorm(hidden, rmsEps), 'language_model.model.norm'), und);
      const head = bind(new Linear(hidden, vocab, { bias: false }), tied ? 'language_model.model.embed_tokens' : 'language_model.lm_head');
      const logits = op.call(head, normal);
      return { logits, token: op.argMax(logits, 1) };
    });
  },
  /** logits [1, vocab] → values [1, k], ids int64 [1, k] (largest first), total [1, 1] = log Σ exp */
  top: ({ name, config }) => {
    const logits = input('logits', 'float32', [1, config.llm.vocab]);
    return trace(name, [logits], nothing, (op) => {
      const [values, ids] = op.topK(logits, Math.min(topLogits, config.llm.vocab));
      return { values, ids, total: op.logSumExp(logits, 1) };
    });
  },
  /** picture uint8 [height, width, 3], grid int64 [2] → patches [tokens, patch² · 3] */
  patches: ({ name, config }) => {
    const picture = input('picture', 'uint8', ['height', 'width', config.vit.channels]);
    const grid = input('grid', 'int64', [2]);
    return trace(name, [picture, grid], nothing, (op) => ({ patches: patchify(op, picture, grid, config.vit.patch) }));
  },
  vit: vitPart,
  ...autoencoderParts,
  /** packed [tokens, packed], grid int64 [2] → latent [1, z, h, w] */
  unpack: ({ name, config }) => {
    const packed = input('packed', 'float32', ['tokens', packedSize(config)]);
    const grid = input('grid', 'int64', [2]);
    return trace(name, [packed, grid], nothing, (op) => ({ latent: unpackLatent(op, packed, grid, config.latentPatchSize, config.vae.zChannels) }));
  },
  /** latent [1, z, h, w], grid int64 [2] → packed [tokens, packed] */
  pack: ({ name, config }) => {
    const latent = input('latent', 'float32', [1, config.vae.zChannels, 'h', 'w']);
    const grid = input('grid', 'int64', [2]);
    return trace(name, [latent, grid], nothing, (op) => ({ packed: packLatent(op, latent, grid, config.latentPatchSize) }));
  },
  guide: guidePart,
  /** x, v [tokens, packed], dt [] → x [tokens, packed] */
  step: ({ name, config }) => {
    const x = input('x', 'float32', ['tokens', packedSize(config)]);
    const v = input('v', 'float32', ['tokens', packedSize(config)]);
    const dt = input('dt', 'float32', []);
    return trace(name, [x, v, dt], nothing, (op) => ({ next: eulerStep(op, x, v, dt) }));
  },
  /** rows [rows, columns] → the same: copies rows between row buffers */
  copy: ({ name, rest }) => {
    const rows = input('rows', 'float32', ['rows', Number(rest[0])]);
    return trace(name, [rows], nothing, (op) => ({ copy: op.identity(rows) }));
  },
  /** matrix [m, n], first [1, tokens, hidden], others [n − 1, tokens, hidden] → sums [m, tokens, hidden]: each a weighted sum of the n */
  combine: ({ name, config }) => {
    const { hidden } = config.llm;
    const matrix = input('matrix', 'float32', ['m', 'n']);
    const first = input('first', 'float32', ['fresh', 'tokens', hidden]);
    const others = input('others', 'float32', ['old', 'tokens', hidden]);
    return trace(name, [matrix, first, others], nothing, (op) => {
      const all = op.concat([first, others], 0);
      const flat = op.reshapeTo(all, op.concat([op.lengthOf(all, 0), op.ints([-1])], 0), ['n', 'values']);
      const shape = op.concat([op.lengthOf(matrix, 0), op.lengthOf(first, 1), op.ints([hidden])], 0);
      return { sums: op.reshapeTo(op.matmul(matrix, flat), shape, ['m', 'tokens', hidden]) };
    });
  },
  /** rows [tokens, hidden] ⇄ [1, tokens, hidden] */
  stack: ({ name, config }) => {
    const rows = input('rows', 'float32', ['tokens', config.llm.hidden]);
    return trace(name, [rows], nothing, (op) => ({ stacked: op.unsqueeze(rows, 0) }));
  },
  unstack: ({ name, config }) => {
    const stacked = input('stacked', 'float32', [1, 'tokens', config.llm.hidden]);
    return trace(name, [stacked], nothing, (op) => ({ rows: op.squeeze(stacked, 0) }));
  },
};

/** Numbers in one packed latent token. */
export function packedSize(config: BagelConfig): number {
  return config.latentPatchSize ** 2 * config.vae.zChannels;
}

/**
 * und [und, hidden], gen [gen, hidden], positions int64 [und + gen], single and causal bool [], past rows [past, headDim] a layer and head
 * → und_out, gen_out and the new rows k.L.H, v.L.H [und + gen, headDim]
 */
function layersPart({ name, rest, config, weights, cuts }: Wanted): Part {
  const { first, end } = cuts.llm[Number(rest[0])]!;
  const isHalf = rest[1] === 'und';
  const { llm } = config;
  const layers = Array.from({ length: end - first }, (_, i) => first + i);
  const heads = Array.from({ length: llm.kvHeads }, (_, head) => head);
  const pastOf = (kind: 'k' | 'v', layer: number) => heads.map((head) => input(`past_${rowsName(kind, layer, head)}`, 'float32', ['past', llm.headDim]));
  const past = layers.map((layer) => ({ keys: pastOf('k', layer), values: pastOf('v', layer) }));
  const und = input('und', 'float32', ['und', llm.hidden]);
  const gen = input('gen', 'float32', ['gen', llm.hidden]);
  const positions = input('positions', 'int64', ['rows']);
  const mode = { single: input('single', 'bool', []), causal: input('causal', 'bool', []) };
  const inputs = [und, ...(isHalf ? [] : [gen]), positions, mode.single, mode.causal, ...past.flatMap((one) => [...one.keys, ...one.values])];
  return trace(name, inputs, weights.llm, (op) => {
    const result = runLayers(op, decoderLayers(llm, first, end), llm, isHalf ? { und } : { und, gen }, positions, past, mode);
    const outputs: Record<string, Expr> = { und_out: result.und, ...(result.gen === undefined ? {} : { gen_out: result.gen }) };
    result.fresh.forEach((fresh, i) => heads.forEach((head) => {
      outputs[rowsName('k', first + i, head)] = fresh.keys[head]!;
      outputs[rowsName('v', first + i, head)] = fresh.values[head]!;
    }));
    return outputs;
  });
}

/** The first piece takes patches and positions, the last gives features [tokens, vit hidden] and rows [tokens, hidden]; x → y [tokens, vit hidden] between. */
function vitPart({ name, rest, config, weights, cuts }: Wanted): Part {
  const { vit, llm } = config;
  const index = Number(rest[0]);
  const { first, end } = cuts.vit[index]!;
  const isLast = index === cuts.vit.length - 1;
  const patches = input('patches', 'float32', ['tokens', vit.patch ** 2 * vit.channels]);
  const positions = input('positions', 'int64', ['tokens']);
  const x = input('x', 'float32', ['tokens', vit.hidden]);
  const inputs = [...(first === 0 ? [patches] : [x]), ...(first === 0 || isLast ? [positions] : [])];
  return trace(name, inputs, weights.llm, (op): Record<string, Expr> => {
    const start = first === 0 ? embedPatches(op, vit, patches, positions) : x;
    const hidden = runVitLayers(op, vit, start, first, end);
    if (!isLast) return { y: hidden };
    const features = finishVit(op, vit, hidden);
    return { features, rows: connect(op, vit.hidden, llm.hidden, config.vitMaxPatchesPerSide, features, positions) };
  });
}

/** `guide:TYPE:text` or `guide:TYPE:both`: conditional, text (and image) velocities, scales [] → v */
function guidePart({ name, rest, config }: Wanted): Part {
  const [type, branches] = rest as [RenormType, 'text' | 'both'];
  const branch = (branchName: string) => input(branchName, 'float32', ['tokens', packedSize(config)]);
  const scalar = (scalarName: string) => input(scalarName, 'float32', []);
  const conditional = branch('conditional');
  const text = branch('text');
  const image = branch('image');
  const scales = { text: scalar('text_scale'), image: scalar('image_scale'), renormMin: scalar('renorm_min') };
  const inputs = [conditional, text, ...(branches === 'both' ? [image, scales.image] : []), scales.text, scales.renormMin];
  return trace(name, inputs, nothing, (op) => ({
    v: guidedVelocity(op, type, { conditional, text, ...(branches === 'both' ? { image } : {}) }, scales),
  }));
}
