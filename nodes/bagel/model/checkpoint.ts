// The tensors a BAGEL checkpoint holds, by key and shape: what a model folder is checked against, and what an importer has to write.
// Follows from the configuration alone. Source: the state dictionaries of modeling/bagel and modeling/autoencoder.py.
import type { BagelConfig } from './config.ts';

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** What the shapes follow from. */
export type CheckpointSizes = Pick<BagelConfig, 'llm' | 'vit' | 'vae' | 'latentPatchSize' | 'maxLatentSize' | 'vitMaxPatchesPerSide'>;

/** Collects keys below a prefix. */
class ShapeList {
  readonly shapes = new Map<string, readonly number[]>();

  linear(key: string, inputs: number, outputs: number, bias = true): void {
    this.shapes.set(`${key}.weight`, [outputs, inputs]);
    if (bias) this.shapes.set(`${key}.bias`, [outputs]);
  }

  conv(key: string, inputs: number, outputs: number, side: number): void {
    this.shapes.set(`${key}.weight`, [outputs, inputs, side, side]);
    this.shapes.set(`${key}.bias`, [outputs]);
  }

  norm(key: string, size: number, bias = false): void {
    this.shapes.set(`${key}.weight`, [size]);
    if (bias) this.shapes.set(`${key}.bias`, [size]);
  }
}

/** Keys and shapes of ema.safetensors. */
export function checkpointShapes(config: CheckpointSizes): Shapes {
  const { llm, vit, vae } = config;
  const list = new ShapeList();
  const packed = config.latentPatchSize ** 2 * vae.zChannels;
  list.shapes.set('language_model.model.embed_tokens.weight', [llm.vocab, llm.hidden]);
  if (!llm.tied) list.linear('language_model.lm_head', llm.hidden, llm.vocab, false);
  for (const expert of ['', '_moe_gen']) list.norm(`language_model.model.norm${expert}`, llm.hidden);
  for (let layer = 0; layer < llm.layers; layer++) addDecoderLayer(list, llm, `language_model.model.layers.${layer}`);
  addVit(list, vit);
  list.linear('connector.fc1', vit.hidden, llm.hidden);
  list.linear('connector.fc2', llm.hidden, llm.hidden);
  list.shapes.set('vit_pos_embed.pos_embed', [config.vitMaxPatchesPerSide ** 2, llm.hidden]);
  list.shapes.set('latent_pos_embed.pos_embed', [config.maxLatentSize ** 2, llm.hidden]);
  list.linear('time_embedder.mlp.0', 256, llm.hidden);
  list.linear('time_embedder.mlp.2', llm.hidden, llm.hidden);
  list.linear('vae2llm', packed, llm.hidden);
  list.linear('llm2vae', llm.hidden, packed);
  return list.shapes;
}

function addDecoderLayer(list: ShapeList, llm: BagelConfig['llm'], layer: string): void {
  const { hidden, ffn, heads, kvHeads, headDim } = llm;
  for (const expert of ['', '_moe_gen']) {
    list.linear(`${layer}.self_attn.q_proj${expert}`, hidden, heads * headDim);
    list.linear(`${layer}.self_attn.k_proj${expert}`, hidden, kvHeads * headDim);
    list.linear(`${layer}.self_attn.v_proj${expert}`, hidden, kvHeads * headDim);
    list.linear(`${layer}.self_attn.o_proj${expert}`, heads * headDim, hidden, false);
    list.norm(`${layer}.self_attn.q_norm${expert}`, headDim);
    list.norm(`${layer}.self_attn.k_norm${expert}`, headDim);
    list.linear(`${layer}.mlp${expert}.gate_proj`, hidden, ffn, false);
    list.linear(`${layer}.mlp${expert}.up_proj`, hidden, ffn, false);
    list.linear(`${layer}.mlp${expert}.down_proj`, ffn, hidden, false);
    list.norm(`${layer}.input_layernorm${expert}`, hidden);
    list.norm(`${layer}.post_attention_layernorm${expert}`, hidden);
  }
}

function addVit(list: ShapeList, vit: BagelConfig['vit']): void {
  const root = 'vit_model.vision_model';
  list.linear(`${root}.embeddings.patch_embedding`, vit.patch ** 2 * vit.channels, vit.hidden);
  list.shapes.set(`${root}.embeddings.position_embedding.weight`, [vit.positions, vit.hidden]);
  for (let i = 0; i < vit.layers; i++) {
    const layer = `${root}.encoder.layers.${i}`;
    for (const one of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) list.linear(`${layer}.self_attn.${one}`, vit.hidden, vit.hidden);
    list.linear(`${layer}.mlp.fc1`, vit.hidden, vit.ffn);
    list.linear(`${layer}.mlp.fc2`, vit.ffn, vit.hidden);
    list.norm(`${layer}.layer_norm1`, vit.hidden, true);
    list.norm(`${layer}.layer_norm2`, vit.hidden, true);
  }
  list.norm(`${root}.post_layernorm`, vit.hidden, true);
}

/** Keys and shapes of ae.safetensors. */
export function autoencoderShapes({ ch, chMult, resBlocks, zChannels }: BagelConfig['vae']): Shapes {
  const list = new ShapeList();
  const last = chMult.length - 1;
  const top = ch * chMult[last]!;
  let channels = ch;
  list.conv('encoder.conv_in', 3, ch, 3);
  chMult.forEach((multiplier, level) => {
    channels = addBlocks(list, `encoder.down.${level}`, channels, ch * multiplier, resBlocks);
    if (level < last) list.conv(`encoder.down.${level}.downsample.conv`, channels, channels, 3);
  });
  addMiddle(list, 'encoder', top);
  list.norm('encoder.norm_out', top, true);
  list.conv('encoder.conv_out', top, 2 * zChannels, 3);
  list.conv('decoder.conv_in', zChannels, top, 3);
  addMiddle(list, 'decoder', top);
  for (let level = last; level >= 0; level--) {
    channels = addBlocks(list, `decoder.up.${level}`, channels, ch * chMult[level]!, resBlocks + 1);
    if (level > 0) list.conv(`decoder.up.${level}.upsample.conv`, channels, channels, 3);
  }
  list.norm('decoder.norm_out', channels, true);
  list.conv('decoder.conv_out', channels, 3, 3);
  return list.shapes;
}

/** Residual blocks of one level; gives the channels that come out. */
function addBlocks(list: ShapeList, level: string, inputs: number, outputs: number, blocks: number): number {
  for (let i = 0; i < blocks; i++) addResnetBlock(list, `${level}.block.${i}`, i === 0 ? inputs : outputs, outputs);
  return outputs;
}

function addResnetBlock(list: ShapeList, block: string, inputs: number, outputs: number): void {
  list.norm(`${block}.norm1`, inputs, true);
  list.conv(`${block}.conv1`, inputs, outputs, 3);
  list.norm(`${block}.norm2`, outputs, true);
  list.conv(`${block}.conv2`, outputs, outputs, 3);
  if (inputs !== outputs) list.conv(`${block}.nin_shortcut`, inputs, outputs, 1);
}

function addMiddle(list: ShapeList, half: string, channels: number): void {
  addResnetBlock(list, `${half}.mid.block_1`, channels, channels);
  list.norm(`${half}.mid.attn_1.norm`, channels, true);
  for (const one of ['q', 'k', 'v', 'proj_out']) list.conv(`${half}.mid.attn_1.${one}`, channels, channels, 1);
  addResnetBlock(list, `${half}.mid.block_2`, channels, channels);
}
