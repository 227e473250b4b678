// A picture that is sent while a prompt runs: a preview as JPEG, a result as PNG. The picture code is loaded at the first preview.
import type { Image } from '../../graph/node.ts';

const jpegQuality = 95;

export async function encodeWhole(image: Image): Promise<Uint8Array> {
  const [{ pixelsFromFloat }, { encodePng }] = await Promise.all([import('../../image/pixels.ts'), import('../../image/encode.ts')]);
  return encodePng(pixelsFromFloat(image, 0), { level: 1 });
}

/** The first picture of the batch, scaled down to fit into a square of `side` pixels. */
export async function encodePreview(image: Image, side: number): Promise<Uint8Array> {
  const [{ pixelsFromFloat }, { resize }, { encodeJpeg }] = await Promise.all([import('../../image/pixels.ts'), import('../../image/resize.ts'), import('../../image/encode.ts')]);
  const picture = pixelsFromFloat(image, 0);
  const scale = side / Math.max(picture.width, picture.height);
  const fitted = scale >= 1 ? picture : resize(picture, { width: Math.max(1, Math.round(picture.width * scale)), height: Math.max(1, Math.round(picture.height * scale)) }, 'bilinear');
  return encodeJpeg(fitted, { quality: jpegQuality });
}
