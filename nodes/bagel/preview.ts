// A rough picture of a half-denoised latent without the decoder: a linear map from latent channels to RGB, fitted once per model
// by encoding a chart of flat colours and solving for least squares.
import type { Image } from '../../engine/graph/node.ts';
import { pixels, type Pixels } from '../../engine/image/pixels.ts';
import { Generator } from '../../engine/tensor/random.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import type { Work } from './context.ts';
import type { Step } from './denoise.ts';
import { encodeLatent, gridOf } from './encode.ts';

/** Colour fields a side of the chart; each is one latent pixel wide. */
const fields = 12;
/** Keeps the fit calm where channels say little about colour. */
const ridge = 1e-2;

/** [channels + 1, 3]: weights and, last, the offset. */
type LinearMap = readonly (readonly number[])[];

const maps = new WeakMap<BagelModel, Promise<LinearMap>>();

/** What the picture would be if the velocity stayed as it is: x − t·v, mapped to RGB. One pixel a latent pixel. */
export async function previewOf(model: BagelModel, step: Step, size: { width: number; height: number }, work: Work): Promise<Image> {
  let map = maps.get(model);
  if (map === undefined) maps.set(model, (map = fitMap(model, work)));
  map.catch(() => maps.delete(model));
  const [packed, velocity, weights] = await Promise.all([work.device.read(step.packed), work.device.read(step.velocity), map]);
  const x = packed.data as Float32Array;
  const v = velocity.data as Float32Array;
  return paint(model, x.map((value, i) => value - step.t * v[i]!), size, weights);
}

/** Packed latents [tokens, (p q c)] → IMAGE. */
function paint(model: BagelModel, packed: Float32Array, size: { width: number; height: number }, map: LinearMap): Image {
  const { latentPatchSize: patch, vae: { zChannels } } = model.config;
  const [down, across] = gridOf(model, size);
  const width = across * patch;
  const height = down * patch;
  const data = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const token = Math.floor(y / patch) * across + Math.floor(x / patch);
      const start = (token * patch * patch + (y % patch) * patch + (x % patch)) * zChannels;
      for (let colour = 0; colour < 3; colour++) {
        let sum = map[zChannels]![colour]!;
        for (let channel = 0; channel < zChannels; channel++) sum += packed[start + channel]! * map[channel]![colour]!;
        data[(y * width + x) * 3 + colour] = Math.min(1, Math.max(0, sum));
      }
    }
  }
  return { width, height, batch: 1, channels: 3, data };
}

async function fitMap(model: BagelModel, work: Work): Promise<LinearMap> {
  const { downsample } = model.config.vae;
  const colours = chartColours();
  const latent = await encodeLatent(model, chart(colours, downsample), work);
  const encoded = await work.device.read(latent.handle); // [1, channels, fields, fields]
  await work.device.free([latent.handle]);
  return leastSquares(encoded, colours);
}

/** fields² colours in 0…255. */
function chartColours(): number[][] {
  const random = new Generator(7);
  return Array.from({ length: fields * fields }, () => [0, 1, 2].map(() => Math.floor(random.random() * 256)));
}

function chart(colours: readonly (readonly number[])[], field: number): Pixels {
  const side = fields * field;
  const data = new Uint8Array(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    const colour = colours[Math.floor(Math.floor(i / side) / field) * fields + Math.floor((i % side) / field)]!;
    data.set(colour, i * 3);
  }
  return pixels(side, side, 3, data);
}

function leastSquares(encoded: Tensor, colours: readonly (readonly number[])[]): LinearMap {
  const channels = encoded.shape[1]!;
  const samples = colours.length;
  const values = encoded.data as Float32Array;
  const feature = (sample: number, i: number) => (i === channels ? 1 : values[i * samples + sample]!);
  const size = channels + 1;
  const normal = Array.from({ length: size }, (_, i) => Array.from({ length: size + 3 }, (_unused, j) => {
    let sum = i === j ? ridge : 0;
    for (let s = 0; s < samples; s++) sum += feature(s, i) * (j < size ? feature(s, j) : colours[s]![j - size]! / 255);
    return sum;
  }));
  return solve(normal, size);
}

/** Gauss–Jordan on [size, size + right sides]; the matrix is positive definite. */
function solve(rows: number[][], size: number): number[][] {
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = rows[pivot]![pivot]!;
    rows[pivot] = rows[pivot]!.map((value) => value / scale);
    for (let i = 0; i < size; i++) {
      const factor = rows[i]![pivot]!;
      if (i !== pivot && factor !== 0) rows[i] = rows[i]!.map((value, j) => value - factor * rows[pivot]![j]!);
    }
  }
  return rows.map((row) => row.slice(size));
}
