// What a node of a run showed, as pictures and texts: read from the JSON that the server sends for it.
import { isJsonArray, isJsonObject, type Json } from '../../../engine/formats/json.ts';
import { fileOf, type FileReference } from '../../api/jobs.ts';

export interface Shown {
  readonly pictures: readonly FileReference[];
  readonly texts: readonly string[];
}

const picture = /\.(png|jpe?g|webp|gif|avif|bmp)$/i;
const mostPictures = 200;

/** `{images: [{filename, subfolder, type}], text: […], …}`; undefined where there is nothing to look at. */
export function readShown(ui: Json | undefined): Shown | undefined {
  if (!isJsonObject(ui)) return undefined;
  const pictures: FileReference[] = [];
  const texts: string[] = [];
  for (const [key, value] of ui) {
    for (const entry of isJsonArray(value) ? value : [value]) {
      const file = fileOf(entry);
      if (file !== undefined && picture.test(file.filename)) pictures.push(file);
      else if (typeof entry === 'string' && /^(text|string|texts|tags)$/.test(key)) texts.push(entry);
    }
  }
  return pictures.length + texts.length === 0 ? undefined : { pictures: pictures.slice(0, mostPictures), texts };
}
