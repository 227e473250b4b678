// The sizes and settings of one BAGEL, from its tensor shapes and its JSON files; what neither gives is as in the official model.
// Knows no files. Source: app.py, BagelConfig, Qwen2Config, SiglipVisionConfig, AutoEncoderParams.
import { defaultMaxPixels, type ResizeBounds } from '../../../engine/image/fit-size.ts';
import { UserError } from '../errors.ts';
import { renormTypes, type RenormType } from './guidance.ts';
import type { MotConfig } from './mot.ts';
import type { VaeConfig } from './vae.ts';
import type { VitConfig } from './vit.ts';

export interface SpecialTokens {
  readonly bos: number;
  readonly eos: number;
  readonly startOfImage: number;
  readonly endOfImage: number;
}

/** What a task uses where the user gives nothing. */
export interface DrawDefaults {
  /** Sides in pixels. An edit takes the size of its picture instead. */
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly shift: number;
  readonly cfgText: number;
  readonly cfgImage: number;
  /** Guidance acts while start < t ≤ end. */
  readonly cfgInterval: readonly [number, number];
  readonly renorm: RenormType;
  readonly renormMin: number;
  readonly text: TextDefaults;
}

export interface TextDefaults {
  readonly maxTokens: number;
  readonly sample: boolean;
  readonly temperature: number;
}

export interface BagelConfig {
  readonly llm: MotConfig & { readonly maxPositions: number; /** The head is the embedding table. */ readonly tied: boolean };
  readonly vit: VitConfig;
  /** `downsample`: picture pixels a latent value stands for, a side. */
  readonly vae: VaeConfig & { readonly downsample: number };
  readonly latentPatchSize: number;
  /** Latent tokens a side at most. */
  readonly maxLatentSize: number;
  readonly vitMaxPatchesPerSide: number;
  readonly vaeImage: Required<ResizeBounds>;
  readonly vitImage: Required<ResizeBounds>;
  readonly specialTokens: SpecialTokens;
  readonly defaults: { readonly textToImage: DrawDefaults; readonly edit: DrawDefaults; readonly understand: TextDefaults };
}

/** Shape of a tensor by its key; undefined where the checkpoint has none. */
export type ShapeOf = (key: string) => readonly number[] | undefined;

/** What a model folder says about itself. JSON objects as parsed. */
export interface ConfigSources {
  /** Folder, for messages. */
  readonly folder: string;
  readonly llm: ShapeOf;
  /** Undefined where the model comes without its autoencoder: then it is FLUX's. */
  readonly vae: ShapeOf | undefined;
  readonly llmConfig: JsonSection;
  readonly vitConfig: JsonSection;
  /** config.json, or undefined. */
  readonly config: JsonSection | undefined;
  /** Ids of the tokenizer's added tokens by text, asked for only where config.json names none. */
  readonly tokenIds: (token: string) => number | undefined;
}

/** A JSON object of one file that says where a value is wrong. */
export class JsonSection {
  readonly file: string;
  readonly values: Readonly<Record<string, unknown>>;
  constructor(file: string, values: Readonly<Record<string, unknown>>) {
    this.file = file;
    this.values = values;
  }

  fail(key: string, wanted: string): never {
    throw new UserError(`${this.file}: ${key} is ${JSON.stringify(this.values[key])}, expected ${wanted}`);
  }

  /** A number above zero; throws where there is something else. */
  number(key: string): number | undefined {
    const value = this.values[key];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : this.fail(key, 'a number above 0');
  }

  /** A number, zero allowed. */
  amount(key: string): number | undefined {
    return this.values[key] === 0 ? 0 : this.number(key);
  }

  /** A whole number above zero. */
  size(key: string): number | undefined {
    const value = this.number(key);
    return value === undefined || Number.isInteger(value) ? value : this.fail(key, 'a whole number');
  }

  flag(key: string): boolean | undefined {
    const value = this.values[key];
    return value === undefined || value === null || typeof value === 'boolean' ? value ?? undefined : this.fail(key, 'true or false');
  }

  section(key: string): JsonSection | undefined {
    const value = this.values[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) this.fail(key, 'an object');
    return new JsonSection(`${this.file}: ${key}`, value as Record<string, unknown>);
  }

  /** Throws unless the value is absent or one of `supported`. */
  only(key: string, supported: readonly unknown[]): void {
    const value = this.values[key];
    if (value !== undefined && !supported.includes(value)) this.fail(key, `${supported.map((one) => JSON.stringify(one)).join(' or ')}: nothing else is supported`);
  }
}

/** The number of modules `prefix0suffix`, `prefix1suffix`… that exist. */
function countModules(shapeOf: ShapeOf, prefix: string, suffix: string): number {
  let count = 0;
  while (shapeOf(`${prefix}${count}${suffix}`) !== undefined) count++;
  return count;
}

/** Reads sizes off tensors and compares them with what a JSON file says. */
class Sizes {
  readonly #shapeOf: ShapeOf;
  readonly #folder: string;
  constructor(shapeOf: ShapeOf, folder: string) {
    this.#shapeOf = shapeOf;
    this.#folder = folder;
  }

  /** One side of a tensor. The tensor must exist and have `rank` sides. */
  side(key: string, side: number, rank: number): number {
    const shape = this.#shapeOf(key);
    if (shape === undefined) throw new UserError(`${this.#folder}: the tensor ${key} is missing, so this is no BAGEL checkpoint, or only a part of one`);
    const value = shape[side];
    if (shape.length !== rank || value === undefined || value < 1) throw new UserError(`${this.#folder}: ${key} has the shape [${shape.join(', ')}], expected ${rank} sides`);
    return value;
  }

  /** The same, which must be what the JSON file says if it says anything. */
  agreed(key: string, side: number, rank: number, json: JsonSection, name: string): number {
    const value = this.side(key, side, rank);
    const said = json.size(name);
    if (said !== undefined && said !== value) throw new UserError(`${json.file} says ${name} ${said}, but the tensor ${key} has ${value}: they belong to different models`);
    return value;
  }
}

/**
 * Throws a UserError where shapes and files disagree or ask for what is not supported.
 * What llm_config.json and vit_config.json leave out is as in the reference's Qwen2Config and SiglipVisionConfig.
 */
export function readBagelConfig(sources: ConfigSources): BagelConfig {
  const config = sources.config ?? new JsonSection(`${sources.folder} (no config.json)`, {});
  config.only('connector_act', ['gelu_pytorch_tanh']);
  const sizes = new Sizes(sources.llm, sources.folder);
  const llm = readLlm(sources, sizes);
  const vit = readVit(sources, sizes);
  const vae = sources.vae === undefined ? fluxVae : readVaeConfig(sources.vae, sources.folder);
  const latentPatchSize = config.size('latent_patch_size') ?? 2;
  const maxLatentSize = readGrid(config, sizes, 'max_latent_size', 64, 'latent_pos_embed.pos_embed');
  const vitMaxPatchesPerSide = readGrid(config, sizes, 'vit_max_num_patch_per_side', 70, 'vit_pos_embed.pos_embed');
  if (vit.positions < vitMaxPatchesPerSide ** 2) {
    throw new UserError(`${sources.folder}: the vision tower has ${vit.positions} positions, but a grid of ${vitMaxPatchesPerSide} patches a side needs ${vitMaxPatchesPerSide ** 2}`);
  }
  const token = latentPatchSize * vae.downsample;
  return freezeAll({
    llm, vit, vae, latentPatchSize, maxLatentSize, vitMaxPatchesPerSide,
    vaeImage: readBounds(config, 'vae_image', { max_size: 1024, min_size: 512, stride: 16 }, token, 'pixels of a latent token'),
    vitImage: readBounds(config, 'vit_image', { max_size: 980, min_size: 224, stride: 14 }, vit.patch, 'pixels of a patch'),
    specialTokens: readSpecialTokens(sources, llm.vocab),
    defaults: readDefaults(config, maxLatentSize * token),
  });
}

function readLlm({ llm: shapeOf, llmConfig: json, folder }: ConfigSources, sizes: Sizes): BagelConfig['llm'] {
  json.only('hidden_act', ['silu']);
  json.only('rope_scaling', [null]);
  const layer = 'language_model.model.layers.0';
  const hidden = sizes.agreed('language_model.model.embed_tokens.weight', 1, 2, json, 'hidden_size');
  const vocab = sizes.agreed('language_model.model.embed_tokens.weight', 0, 2, json, 'vocab_size');
  const ffn = sizes.agreed(`${layer}.mlp.gate_proj.weight`, 0, 2, json, 'intermediate_size');
  const queries = sizes.side(`${layer}.self_attn.q_proj.weight`, 0, 2);
  const keys = sizes.side(`${layer}.self_attn.k_proj.weight`, 0, 2);
  const heads = json.size('num_attention_heads') ?? queries / sizes.side(`${layer}.self_attn.q_norm.weight`, 0, 1);
  const headDim = queries / heads;
  const kvHeads = keys / headDim;
  const said = json.size('num_key_value_heads') ?? kvHeads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0 || !Number.isInteger(kvHeads) || !Number.isInteger(heads / kvHeads) || said !== kvHeads) {
    throw new UserError(`${json.file} says ${heads} heads and ${said} key/value heads, which do not fit ${folder}: q_proj has ${queries} rows, k_proj ${keys}`);
  }
  return {
    hidden, vocab, ffn, heads, kvHeads, headDim,
    layers: json.size('num_hidden_layers') ?? countModules(shapeOf, 'language_model.model.layers.', '.self_attn.q_proj.weight'),
    ropeTheta: json.number('rope_theta') ?? 1e4,
    rmsEps: json.number('rms_norm_eps') ?? 1e-6,
    maxPositions: json.size('max_position_embeddings') ?? 32768,
    tied: shapeOf('language_model.lm_head.weight') === undefined && json.flag('tie_word_embeddings') === true,
  };
}

function readVit({ llm: shapeOf, vitConfig: json, folder }: ConfigSources, sizes: Sizes): VitConfig {
  json.only('hidden_act', ['gelu_pytorch_tanh']);
  const root = 'vit_model.vision_model';
  const hidden = sizes.agreed(`${root}.embeddings.patch_embedding.weight`, 0, 2, json, 'hidden_size');
  const pixels = sizes.side(`${root}.embeddings.patch_embedding.weight`, 1, 2);
  const channels = json.size('num_channels') ?? 3;
  const patch = json.size('patch_size') ?? Math.sqrt(pixels / channels);
  if (patch ** 2 * channels !== pixels) {
    throw new UserError(`${json.file} says patches of ${patch} × ${patch} pixels in ${channels} channels = ${patch ** 2 * channels} numbers, but ${root}.embeddings.patch_embedding.weight takes ${pixels}`);
  }
  const heads = json.size('num_attention_heads') ?? 12;
  if (hidden % heads !== 0) throw new UserError(`${json.file} says ${heads} heads, which do not divide the hidden size ${hidden} of ${folder}`);
  const present = countModules(shapeOf, `${root}.encoder.layers.`, '.self_attn.q_proj.weight');
  // The loader drops the last layer that the file names (app.py: num_hidden_layers -= 1); checkpoints are usually stored without it.
  const said = json.size('num_hidden_layers');
  const layers = said === undefined ? present : said - 1;
  const ffn = present === 0 ? json.size('intermediate_size') ?? hidden * 4 : sizes.agreed(`${root}.encoder.layers.0.mlp.fc1.weight`, 0, 2, json, 'intermediate_size');
  return {
    hidden, ffn, layers, heads, patch, channels,
    eps: json.number('layer_norm_eps') ?? 1e-6,
    positions: sizes.side(`${root}.embeddings.position_embedding.weight`, 0, 2),
  };
}

/** FLUX's own autoencoder. Source: AutoEncoderParams. */
const fluxVae: BagelConfig['vae'] = { ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16, downsample: 8, scale: 0.3611, shift: 0.1159 };

/** The sizes of a FLUX autoencoder from its tensors. Throws a UserError where they are those of another one. */
export function readVaeConfig(shapeOf: ShapeOf, folder: string): BagelConfig['vae'] {
  const sizes = new Sizes(shapeOf, folder);
  const ch = sizes.side('encoder.conv_in.weight', 0, 4);
  const levels = countModules(shapeOf, 'encoder.down.', '.block.0.conv1.weight');
  const chMult = Array.from({ length: levels }, (_, level) => sizes.side(`encoder.down.${level}.block.0.conv1.weight`, 0, 4) / ch);
  const odd = [1, ...chMult].map((multiplier) => multiplier * ch).find((channels) => channels % 32 !== 0);
  if (levels === 0 || odd !== undefined) {
    throw new UserError(`${folder}: the autoencoder has ${levels === 0 ? 'no levels' : `a level of ${odd} channels, which 32 groups do not divide`}: it is not the FLUX autoencoder`);
  }
  return {
    ch, chMult,
    resBlocks: countModules(shapeOf, 'encoder.down.0.block.', '.conv1.weight'),
    zChannels: sizes.side('decoder.conv_in.weight', 1, 4),
    downsample: 2 ** (levels - 1),
    scale: 0.3611,
    shift: 0.1159,
  };
}

/** Side of a square position table; the file's number and the table's rows must agree. */
function readGrid(config: JsonSection, sizes: Sizes, name: string, official: number, key: string): number {
  const rows = sizes.side(key, 0, 2);
  const said = config.size(name);
  const side = said ?? official;
  if (side ** 2 === rows) return side;
  const fitting = Number.isInteger(Math.sqrt(rows)) ? `: the table is made for ${name} ${Math.sqrt(rows)}; write that into config.json` : ', which is no square';
  const source = said === undefined ? `${name} is ${side} (the official value, because config.json gives none)` : `${config.file} says ${name} ${side}`;
  throw new UserError(`${source}, which needs ${side ** 2} rows in ${key}, but it has ${rows}${fitting}`);
}

function readBounds(config: JsonSection, name: string, official: ResizeBounds, unit: number, unitName: string): Required<ResizeBounds> {
  const said = config.section(name);
  const bounds = {
    max_size: said?.size('max_size') ?? official.max_size,
    min_size: said?.size('min_size') ?? official.min_size,
    stride: said?.size('stride') ?? official.stride,
    max_pixels: said?.size('max_pixels') ?? official.max_pixels ?? defaultMaxPixels,
  };
  const where = said?.file ?? `${config.file}: ${name} (the official value)`;
  if (bounds.stride % unit !== 0) throw new UserError(`${where}: stride is ${bounds.stride}, expected a multiple of ${unit}, the ${unitName}`);
  if (bounds.min_size > bounds.max_size) throw new UserError(`${where}: min_size ${bounds.min_size} is above max_size ${bounds.max_size}`);
  return bounds;
}

function readSpecialTokens({ config, folder, tokenIds }: ConfigSources, vocab: number): SpecialTokens {
  const said = config?.section('special_token_ids');
  const id = (key: string, token: string): number => {
    const value = said?.amount(key) ?? tokenIds(token);
    if (value === undefined) throw new UserError(`${folder}: no id is known for ${token}: neither the tokenizer files (tokenizer.json, or vocab.json, merges.txt and tokenizer_config.json) nor config.json (special_token_ids.${key}) name it; download the files that are missing`);
    if (!Number.isInteger(value) || value >= vocab) throw new UserError(`${folder}: ${token} has the id ${value}, but the model has ${vocab} tokens`);
    return value;
  };
  return {
    bos: id('bos_token_id', '<|im_start|>'),
    eos: id('eos_token_id', '<|im_end|>'),
    startOfImage: id('start_of_image', '<|vision_start|>'),
    endOfImage: id('end_of_image', '<|vision_end|>'),
  };
}

/** config.json `defaults`: values for every task, and below `text_to_image`, `edit` and `understand` values for one. */
function readDefaults(config: JsonSection, maxSide: number): BagelConfig['defaults'] {
  const shared = config.section('defaults') ?? new JsonSection(config.file, {});
  const of = (task: string) => new JsonSection(shared.file, { ...shared.values, ...shared.section(task)?.values });
  const text = (json: JsonSection, maxTokens: number, key: string): TextDefaults => ({
    maxTokens: json.size(key) ?? maxTokens,
    sample: json.flag('do_sample') ?? false,
    temperature: json.amount('text_temperature') ?? 0.3,
  });
  const draw = (json: JsonSection, app: { cfgImage: number; start: number; renorm: RenormType }): DrawDefaults => ({
    width: json.size('width') ?? Math.min(1024, maxSide),
    height: json.size('height') ?? Math.min(1024, maxSide),
    steps: json.size('num_timesteps') ?? 50,
    shift: json.number('timestep_shift') ?? 3,
    cfgText: json.amount('cfg_text_scale') ?? 4,
    cfgImage: json.amount('cfg_img_scale') ?? app.cfgImage,
    cfgInterval: interval(json) ?? [app.start, 1],
    renorm: renorm(json) ?? app.renorm,
    renormMin: json.amount('cfg_renorm_min') ?? 0,
    text: text(json, 1024, 'max_think_tokens'),
  });
  return {
    textToImage: draw(of('text_to_image'), { cfgImage: 1.5, start: 0.4, renorm: 'global' }),
    edit: draw(of('edit'), { cfgImage: 2, start: 0, renorm: 'text_channel' }),
    understand: text(of('understand'), 512, 'max_new_tokens'),
  };
}

function interval(json: JsonSection): readonly [number, number] | undefined {
  const value = json.values['cfg_interval'];
  if (value === undefined) return undefined;
  const isInterval = Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === 'number' && one >= 0 && one <= 1) && value[0] <= value[1];
  return isInterval ? (value as [number, number]) : json.fail('cfg_interval', '[start, end] between 0 and 1');
}

function renorm(json: JsonSection): RenormType | undefined {
  const value = json.values['cfg_renorm_type'];
  if (value === undefined) return undefined;
  if (value === 'local') return 'channel'; // the app's word for it
  return renormTypes.find((type) => type === value) ?? json.fail('cfg_renorm_type', renormTypes.join(', '));
}

function freezeAll<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freezeAll);
  return value;
}
