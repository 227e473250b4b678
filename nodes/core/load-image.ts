// LoadImage: a picture file as an IMAGE and its transparency as a MASK. Class and input names, and results, are ComfyUI's.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { decodeFrames, pictureExtensions } from '../../engine/image/decode.ts';
import { floatFromPixels, withoutAlpha, type Pixels } from '../../engine/image/pixels.ts';
import { defineNode, volatile } from '../../engine/graph/node.ts';
import { COMBO, IMAGE, MASK, type Mask } from '../../engine/graph/types.ts';

export const LoadImage = defineNode({
  type: 'LoadImage',
  title: 'Load Image',
  category: 'image',
  description: 'Reads a picture from the input folder. The mask is 1 where the picture is transparent.',
  inputs: {
    image: { type: COMBO, choices: ({ files }) => files.list('input', pictureExtensions), ui: { image_upload: true } },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }, { name: 'MASK', type: MASK }],
  validate: {
    inputs: ['image'], // instead of the list: `name [output]` and subfolders are allowed too
    async check({ image }, _types, { files }) {
      if (typeof image !== 'string') return true;
      return files.resolve(image).then(() => true as const, (error: Error) => `Invalid image file: ${image} (${error.message})`);
    },
  },
  async fingerprint({ image }, { files }) {
    return typeof image === 'string' ? sha256(await files.resolve(image)) : volatile;
  },
  async run({ image }, { files }) {
    const frames = await decodeFrames(await files.resolve(image), { name: image });
    return [floatFromPixels(frames.map(withoutAlpha)), maskFromAlpha(frames)];
  },
});

/** 1 − alpha of each frame; 64×64 zeros where there is no alpha channel. */
function maskFromAlpha(frames: readonly Pixels[]): Mask {
  const { width, height, channels } = frames[0]!;
  if (channels === 3) return { width: 64, height: 64, batch: frames.length, data: new Float32Array(frames.length * 64 * 64) };
  const size = width * height;
  const data = new Float32Array(frames.length * size);
  frames.forEach((frame, index) => {
    for (let i = 0; i < size; i++) data[index * size + i] = 1 - Math.fround(frame.data[i * 4 + 3]! / 255);
  });
  return { width, height, batch: frames.length, data };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
