// Decoding a latent into a picture, over the convolutions and attention alone.
import type { Device, Handle } from '../../engine/device/device.ts';
import type { Part } from '../../engine/onnx/expr.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { float32, sizeOf } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { decodeLatent } from '../../nodes/bagel/encode.ts';
import { openModelFolder, type ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { bareConvolutions } from './bare.ts';
import { interleave } from './measure.ts';
import { withDevice, withModelFolder, workOn } from './synthetic.ts';
import type { Row } from './table.ts';

const side = 256;

export async function benchCodec(): Promise<Row[]> {
  const demo = await openModelFolder('models/bagel-demo');
  const flux = { dtype: 'float32', vae: { ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16 }, maxLatentSize: 16, vaeImage: { max_size: side, min_size: 128, stride: 16 } } as const;
  return [
    await withDevice((device) => measure(demo, device, 'demo codec')),
    await withModelFolder(flux, (folder) => withDevice((device) => measure(folder, device, 'codec of FLUX\'s size'))),
  ];
}

async function measure(folder: ModelFolder, device: Device, label: string): Promise<Row> {
  const model = new BagelModel(folder, { expandWeights: true });
  const { zChannels, downsample } = model.config.vae;
  const shape = [1, zChannels, side / downsample, side / downsample];
  const latent = { handle: await device.write(float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)))), width: side, height: side };
  const parts = model.cuts.decoder.map((_, index) => model.part(`decoder:${index}`));
  const bare = await bareRun(parts, latent.handle, device);
  const times = await interleave({ ours: () => decodeLatent(model, latent, workOn(device)), bare });
  return { name: `decoding ${side}² over bare, ${label}`, value: times.ours / times.bare, unit: '×', goal: '≤ 1.3', note: `${times.ours.toFixed(0)} ms over ${times.bare.toFixed(0)} ms` };
}

async function bareRun(parts: readonly Part[], latent: Handle, device: Device): Promise<() => Promise<void>> {
  const bare = parts.map(bareConvolutions);
  const sessions = await Promise.all(bare.map((part) => device.load({ name: `bare ${part.name}`, bytes: encodeModel(part) })));
  return async () => {
    let x = latent;
    for (const [i, session] of sessions.entries()) {
      const output = bare[i]!.outputs[0]!.name;
      const next = (await device.run(session, { x: { handle: x } }, { [output]: 'handle' }))[output] as Handle;
      if (x !== latent) await device.free([x]);
      x = next;
    }
    await device.free([x]);
  };
}
