// The node classes of ComfyUI-BAGEL, old and new, as expansions into nodes/bagel. Names differ by case alone (BagelImageEdit, BAGELImageEdit).
import type { Pack } from '../../engine/graph/node.ts';
import { BagelImageEdit, BagelImageUnderstanding, BagelMultiImageEdit, BagelTextToImage } from './legacy.ts';
import { BAGELModelLoader, BagelModelLoader, VAELoader } from './loaders.ts';
import { BAGELImageEdit, BAGELImageUnderstanding, BAGELTextToImage, VAEDecode, VAEEncode } from './native.ts';
import { ShowText } from './show-text.ts';

export const nodes: Pack['nodes'] = [
  BagelModelLoader, BagelTextToImage, BagelImageEdit, BagelImageUnderstanding, BagelMultiImageEdit,
  BAGELModelLoader, BAGELTextToImage, BAGELImageEdit, BAGELImageUnderstanding,
  VAELoader, VAEEncode, VAEDecode, ShowText,
];
