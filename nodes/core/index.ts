// The core pack: pictures in and out, text and constants.
import { EmptyImage, ImageBatch, ImageInvert, ImageScale, RebatchImages } from './images.ts';
import { LoadImage } from './load-image.ts';
import { PrimitiveBoolean, PrimitiveFloat, PrimitiveInt, PrimitiveString, PrimitiveStringMultiline } from './primitives.ts';
import { PreviewImage, SaveImage, SaveImageWebsocket } from './save-image.ts';
import { PreviewAny, StringConcatenate } from './text.ts';

export const nodes = [
  LoadImage, SaveImage, PreviewImage, SaveImageWebsocket,
  EmptyImage, ImageScale, ImageInvert, ImageBatch, RebatchImages,
  PreviewAny, StringConcatenate,
  PrimitiveInt, PrimitiveFloat, PrimitiveString, PrimitiveStringMultiline, PrimitiveBoolean,
];
