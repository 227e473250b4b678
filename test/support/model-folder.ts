// Writes a BAGEL of random weights and any geometry in the official layout, for tests and the benchmark. Streams, so it may be larger than memory.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { autoencoderShapes, checkpointShapes, type CheckpointSizes, type Shapes } from '../../nodes/bagel/model/checkpoint.ts';
import { JsonSection, readBagelConfig, type BagelConfig } from '../../nodes/bagel/model/config.ts';
import { bfloat16FromFloat32, float16FromFloat32 } from '../../engine/tensor/half.ts';
import { writeSafetensorsFrom } from '../../engine/tensor/safetensors.ts';
import { bytesView, float32, sizeOf, tensor } from '../../engine/tensor/tensor.ts';

type WeightType = 'float32' | 'float16' | 'bfloat16';

/** Everything has a small default. Sizes follow from these as in a real model. */
export interface ModelFolderOptions {
  readonly dtype?: WeightType;
  readonly hidden?: number;
  readonly ffn?: number;
  readonly layers?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  /** Default hidden / heads. */
  readonly headDim?: number;
  readonly vocab?: number;
  readonly maxPositions?: number;
  readonly tied?: boolean;
  readonly vit?: { readonly hidden?: number; readonly ffn?: number; readonly layers?: number; readonly heads?: number; readonly patch?: number };
  readonly vae?: { readonly ch?: number; readonly chMult?: readonly number[]; readonly resBlocks?: number; readonly zChannels?: number };
  readonly latentPatchSize?: number;
  readonly maxLatentSize?: number;
  readonly vitMaxPatchesPerSide?: number;
  /** Bounds of the resize of input pictures, as in config.json. */
  readonly vaeImage?: { readonly max_size: number; readonly min_size: number; readonly stride: number };
  readonly vitImage?: { readonly max_size: number; readonly min_size: number; readonly stride: number };
  /** Splits the checkpoint into that many files, with an index unless `index` is false. */
  readonly shards?: number;
  readonly index?: boolean;
  readonly seed?: number;
}

/** Writes the folder (no tokenizer files). Equal options give equal bytes. */
export async function writeModelFolder(folder: string, options: ModelFolderOptions = {}): Promise<void> {
  const sizes = sizesOf(options);
  const { dtype = 'bfloat16', shards = 1, index = true } = options;
  const noise = new Noise(options.seed ?? 1, dtype);
  await mkdir(folder, { recursive: true });
  const json = (name: string, value: unknown) => writeFile(path.join(folder, name), `${JSON.stringify(value, null, 1)}\n`);
  for (const [name, value] of Object.entries(configFiles(sizes, options))) await json(name, value);
  const all = [...checkpointShapes(sizes)];
  const size = Math.ceil(all.length / shards);
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const number = (value: number) => String(value).padStart(5, '0');
    const name = shards === 1 ? 'ema.safetensors' : `model-${number(shard + 1)}-of-${number(shards)}.safetensors`;
    const part = all.slice(shard * size, (shard + 1) * size);
    for (const [key] of part) map[key] = name;
    await writeWeights(path.join(folder, name), new Map(part), noise);
  }
  if (shards > 1 && index) await json('model.safetensors.index.json', { metadata: {}, weight_map: map });
  await writeWeights(path.join(folder, 'ae.safetensors'), autoencoderShapes(sizes.vae), noise);
}

/** The configuration that a folder of these options is read as. */
export function configOf(options: ModelFolderOptions): BagelConfig {
  const sizes = sizesOf(options);
  const files = configFiles(sizes, options);
  const section = (name: string) => new JsonSection(name, files[name] as Record<string, unknown>);
  const [llm, vae] = [checkpointShapes(sizes), autoencoderShapes(sizes.vae)];
  return readBagelConfig({
    folder: 'synthetic', llm: (key) => llm.get(key), vae: (key) => vae.get(key), tokenIds: () => undefined,
    llmConfig: section('llm_config.json'), vitConfig: section('vit_config.json'), config: section('config.json'),
  });
}

function sizesOf(options: ModelFolderOptions): CheckpointSizes {
  const { hidden = 64, heads = 4, kvHeads = 2, vit = {}, vae = {}, vitMaxPatchesPerSide = 16 } = options;
  const chMult = vae.chMult ?? [1, 1, 1, 1];
  return {
    llm: {
      hidden, heads, kvHeads,
      headDim: options.headDim ?? hidden / heads,
      ffn: options.ffn ?? hidden * 2, layers: options.layers ?? 2, vocab: options.vocab ?? 320,
      ropeTheta: 1e6, rmsEps: 1e-6, maxPositions: options.maxPositions ?? 4096, tied: options.tied ?? false,
    },
    vit: {
      hidden: vit.hidden ?? 48, ffn: vit.ffn ?? 96, layers: vit.layers ?? 2, heads: vit.heads ?? 4, patch: vit.patch ?? 14, channels: 3, eps: 1e-6,
      positions: vitMaxPatchesPerSide ** 2,
    },
    vae: { ch: vae.ch ?? 32, chMult, resBlocks: vae.resBlocks ?? 1, zChannels: vae.zChannels ?? 16, downsample: 2 ** (chMult.length - 1), scale: 0.3611, shift: 0.1159 },
    latentPatchSize: options.latentPatchSize ?? 2,
    maxLatentSize: options.maxLatentSize ?? 16,
    vitMaxPatchesPerSide,
  };
}

function configFiles({ llm, vit, vae, ...rest }: CheckpointSizes, options: ModelFolderOptions): Record<string, unknown> {
  const stride = rest.latentPatchSize * vae.downsample;
  return {
    'llm_config.json': {
      model_type: 'qwen2', vocab_size: llm.vocab, hidden_size: llm.hidden, intermediate_size: llm.ffn, num_hidden_layers: llm.layers,
      num_attention_heads: llm.heads, num_key_value_heads: llm.kvHeads, max_position_embeddings: llm.maxPositions,
      rope_theta: llm.ropeTheta, rms_norm_eps: llm.rmsEps, hidden_act: 'silu', tie_word_embeddings: llm.tied,
    },
    // One more than there are, as in the official file: the loader drops the last.
    'vit_config.json': {
      model_type: 'siglip_vision_model', hidden_size: vit.hidden, intermediate_size: vit.ffn, num_hidden_layers: vit.layers + 1, num_attention_heads: vit.heads,
      image_size: rest.vitMaxPatchesPerSide * vit.patch, patch_size: vit.patch, num_channels: vit.channels, hidden_act: 'gelu_pytorch_tanh', layer_norm_eps: vit.eps,
    },
    'config.json': {
      latent_patch_size: rest.latentPatchSize, max_latent_size: rest.maxLatentSize, vit_max_num_patch_per_side: rest.vitMaxPatchesPerSide,
      vae_image: options.vaeImage ?? { max_size: rest.maxLatentSize * stride, min_size: stride * 4, stride },
      vit_image: options.vitImage ?? { max_size: rest.vitMaxPatchesPerSide * vit.patch, min_size: vit.patch * 4, stride: vit.patch },
      special_token_ids: { bos_token_id: 4, eos_token_id: 5, start_of_image: 6, end_of_image: 7 },
    },
  };
}

async function writeWeights(file: string, shapes: Shapes, noise: Noise): Promise<void> {
  const planned = [...shapes].map(([key, shape]) => ({ key, dtype: noise.dtype, shape }));
  await writeSafetensorsFrom(file, planned, ({ key, shape }) => noise.fill(key, shape));
}

/** A prime number of values, so that the rows of no matrix repeat one another. */
const poolLength = 1_048_573;

/** Gives tensors from one pool of random values a scale: filling costs a copy. */
class Noise {
  readonly dtype: WeightType;
  readonly #pool: Float32Array;
  readonly #scaled = new Map<string, Uint8Array>();
  #next = 0;

  constructor(seed: number, dtype: WeightType) {
    this.dtype = dtype;
    let state = (seed * 2654435761) >>> 0 || 1;
    this.#pool = Float32Array.from({ length: poolLength }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 31 - 1;
    });
  }

  /** Norms are about 1, biases small, the rest so that values keep their size through a layer. */
  *fill(key: string, shape: readonly number[]): Generator<Uint8Array> {
    const fanIn = sizeOf(shape.slice(1));
    const pool = shape.length > 1 ? this.#values(0, Math.sqrt(3 / fanIn)) : key.endsWith('.bias') ? this.#values(0, 0.02) : this.#values(1, 0.1);
    const elementBytes = pool.length / poolLength;
    let left = sizeOf(shape);
    while (left > 0) {
      const count = Math.min(left, poolLength - this.#next);
      yield pool.subarray(this.#next * elementBytes, (this.#next + count) * elementBytes);
      this.#next = (this.#next + count) % poolLength;
      left -= count;
    }
  }

  /** The pool as bytes of the weight type, spread around a centre. */
  #values(centre: number, spread: number): Uint8Array {
    const known = this.#scaled.get(`${centre} ${spread}`);
    if (known !== undefined) return known;
    const values = this.#pool.map((value) => centre + value * spread);
    const stored = this.dtype === 'float32' ? float32([poolLength], values)
      : tensor(this.dtype, [poolLength], this.dtype === 'bfloat16' ? bfloat16FromFloat32(values) : float16FromFloat32(values));
    const bytes = bytesView(stored);
    this.#scaled.set(`${centre} ${spread}`, bytes);
    return bytes;
  }
}
