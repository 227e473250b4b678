// The FLUX autoencoder as lists of stages, so that it can run piece by piece: encoder (picture → mean and log-variance) and decoder.
// Source: modeling/autoencoder.py. Channel counts, levels and blocks come from the configuration.
import type { Expr } from '../../../engine/onnx/expr.ts';
import { Conv2d, GroupNorm, Layer, Module, bind } from '../../../engine/onnx/module.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';
import { attendBlocks } from './attention.ts';

export interface VaeConfig {
  readonly ch: number;
  readonly chMult: readonly number[];
  readonly resBlocks: number;
  readonly zChannels: number;
  readonly scale: number;
  readonly shift: number;
}

/** A piece of the autoencoder; `flops` is per pixel of the full-size picture. */
export interface Stage {
  readonly name: string;
  readonly flops: number;
  /** Channels it takes. */
  readonly inputs: number;
  /** Numbers it has at once at most, per pixel of the full-size picture: what it gives is among them, what it takes is not. */
  readonly floats: number;
  run(op: Ops, x: Expr): Expr;
}

const groups = 32;
const eps = 1e-6;

class ResnetBlock extends Layer {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly nin_shortcut?: Conv2d;
  constructor(inputs: number, outputs: number) {
    super();
    this.norm1 = new GroupNorm(groups, inputs, eps);
    this.conv1 = new Conv2d(inputs, outputs, 3, { padding: 1 });
    this.norm2 = new GroupNorm(groups, outputs, eps);
    this.conv2 = new Conv2d(outputs, outputs, 3, { padding: 1 });
    if (inputs !== outputs) this.nin_shortcut = new Conv2d(inputs, outputs, 1);
  }
  forward(op: Ops, x: Expr): Expr {
    const inner = op.call(this.conv1, op.silu(op.call(this.norm1, x)));
    const outer = op.call(this.conv2, op.silu(op.call(this.norm2, inner)));
    return op.add(this.nin_shortcut === undefined ? x : op.call(this.nin_shortcut, x), outer);
  }
}

class AttnBlock extends Layer {
  readonly norm: GroupNorm;
  readonly q: Conv2d;
  readonly k: Conv2d;
  readonly v: Conv2d;
  readonly proj_out: Conv2d;
  readonly #channels: number;
  constructor(channels: number) {
    super();
    this.#channels = channels;
    this.norm = new GroupNorm(groups, channels, eps);
    this.q = new Conv2d(channels, channels, 1);
    this.k = new Conv2d(channels, channels, 1);
    this.v = new Conv2d(channels, channels, 1);
    this.proj_out = new Conv2d(channels, channels, 1);
  }
  forward(op: Ops, x: Expr): Expr {
    const channels = this.#channels;
    const normal = op.call(this.norm, x);
    const pixels = (conv: Conv2d) => op.transpose(op.reshape(op.call(conv, normal), [channels, 'pixels']), [1, 0]); // [pixels, channels]
    const attended = attendBlocks(op, pixels(this.q), pixels(this.k), pixels(this.v), { heads: 1, headDim: channels });
    const shape = op.emit('Shape', [x], 'int64', [4]);
    return op.add(x, op.call(this.proj_out, op.reshapeTo(op.transpose(attended, [1, 0]), shape, x.dims)));
  }
}

class Middle extends Layer {
  readonly block_1: ResnetBlock;
  readonly attn_1: AttnBlock;
  readonly block_2: ResnetBlock;
  constructor(channels: number) {
    super();
    this.block_1 = new ResnetBlock(channels, channels);
    this.attn_1 = new AttnBlock(channels);
    this.block_2 = new ResnetBlock(channels, channels);
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.block_2, op.call(this.attn_1, op.call(this.block_1, x)));
  }
}

class Downsample extends Layer {
  readonly conv: Conv2d;
  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { stride: 2 });
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.conv, op.padBottomRight(x));
  }
}

class Upsample extends Layer {
  readonly conv: Conv2d;
  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { padding: 1 });
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.conv, op.upsampleNearest(x));
  }
}

class Output extends Module {
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;
  constructor(inputs: number, outputs: number) {
    super();
    this.norm_out = new GroupNorm(groups, inputs, eps);
    this.conv_out = new Conv2d(inputs, outputs, 3, { padding: 1 });
  }
  forward(op: Ops, x: Expr): Expr {
    return op.call(this.conv_out, op.silu(op.call(this.norm_out, x)));
  }
}

/** FLOPs of a 3×3 convolution per pixel of the full-size picture, at `level` halvings. */
function convFlops(inputs: number, outputs: number, level: number): number {
  return (2 * 9 * inputs * outputs) / 4 ** level;
}

function blockFlops(inputs: number, outputs: number, level: number): number {
  return convFlops(inputs, outputs, level) + convFlops(outputs, outputs, level);
}

/** Queries, keys and values as pictures and as rows, what is attended, and joined: measured 9 to 10.5; the logits of attention are never whole. */
const middleCopies = 10;

/** Normalised, and once more with its activation; memory of fewer channels does not do for more, of which the shortcut makes a third. */
function blockFloats(inputs: number, outputs: number, level: number): number {
  return (2 * inputs + (outputs > inputs ? 3 * outputs : 0)) / 4 ** level;
}

function stage(name: string, layer: Layer, inputs: number, flops: number, floats: number): Stage {
  bind(layer, name);
  return { name, flops, inputs, floats, run: (op, x) => op.call(layer, x) };
}

function output(path: string, channels: number, outputs: number, level: number): Stage {
  const layer = bind(new Output(channels, outputs), path);
  return { name: `${path}.out`, flops: convFlops(channels, outputs, level), inputs: channels, floats: (2 * channels) / 4 ** level, run: (op, x) => op.call(layer, x) };
}

/** Normalised picture [1, 3, height, width] → mean and log-variance [1, 2 · zChannels, height / f, width / f]. */
export function encoderStages({ ch, chMult, resBlocks, zChannels }: VaeConfig): Stage[] {
  const stages = [stage('encoder.conv_in', new Conv2d(3, ch, 3, { padding: 1 }), 3, convFlops(3, ch, 0), 2 * ch)];
  let channels = ch;
  chMult.forEach((multiplier, level) => {
    for (let block = 0; block < resBlocks; block++) {
      stages.push(stage(`encoder.down.${level}.block.${block}`, new ResnetBlock(channels, ch * multiplier), channels, blockFlops(channels, ch * multiplier, level), blockFloats(channels, ch * multiplier, level)));
      channels = ch * multiplier;
    }
    if (level < chMult.length - 1) stages.push(stage(`encoder.down.${level}.downsample`, new Downsample(channels), channels, convFlops(channels, channels, level + 1), (1.25 * channels) / 4 ** level));
  });
  const top = chMult.length - 1;
  return [...stages, stage('encoder.mid', new Middle(channels), channels, 2 * blockFlops(channels, channels, top), (middleCopies * channels) / 4 ** top), output('encoder', channels, 2 * zChannels, top)];
}

/** Latent in the autoencoder's own scale [1, zChannels, height, width] → picture [1, 3, height · f, width · f] in −1…1. */
export function decoderStages({ ch, chMult, resBlocks, zChannels }: VaeConfig): Stage[] {
  const top = chMult.length - 1;
  let channels = ch * chMult[top]!;
  const stages = [
    stage('decoder.conv_in', new Conv2d(zChannels, channels, 3, { padding: 1 }), zChannels, convFlops(zChannels, channels, top), (2 * channels) / 4 ** top),
    stage('decoder.mid', new Middle(channels), channels, 2 * blockFlops(channels, channels, top), (middleCopies * channels) / 4 ** top),
  ];
  for (let level = top; level >= 0; level--) {
    for (let block = 0; block <= resBlocks; block++) {
      const outputs = ch * chMult[level]!;
      stages.push(stage(`decoder.up.${level}.block.${block}`, new ResnetBlock(channels, outputs), channels, blockFlops(channels, outputs, level), blockFloats(channels, outputs, level)));
      channels = outputs;
    }
    if (level > 0) stages.push(stage(`decoder.up.${level}.upsample`, new Upsample(channels), channels, convFlops(channels, channels, level - 1), (2 * channels) / 4 ** (level - 1)));
  }
  return [...stages, output('decoder', channels, 3, 0)];
}
