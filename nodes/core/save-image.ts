// SaveImage and PreviewImage: pictures as PNG files that carry the prompt and workflow which made them; SaveImageWebsocket, which writes none.
import { encodePng } from '../../engine/image/encode.ts';
import { pixelsFromFloat } from '../../engine/image/pixels.ts';
import type { Json } from '../../engine/formats/json.ts';
import { defineNode, volatile, type Environment, type FolderKind, type Image, type NodeContext, type RequestMeta, type Type } from '../../engine/graph/node.ts';
import { IMAGE, STRING } from '../../engine/graph/types.ts';
import { encodeJson } from '../../engine/formats/json.ts';
import { single } from './images.ts';

const PROMPT: Type<unknown> = { name: 'PROMPT' };
const EXTRA_PNGINFO: Type<unknown> = { name: 'EXTRA_PNGINFO' };
const requestInputs = {
  prompt: { type: PROMPT, hidden: 'prompt', optional: true },
  extra_pnginfo: { type: EXTRA_PNGINFO, hidden: 'extras', optional: true },
} as const;

// Temp files outlive a run but not the process: one word a process keeps its previews apart from older ones.
const previewPrefix = `ComfyUI_temp_${Array.from({ length: 5 }, () => 'abcdefghijklmnopqrstuvwxyz'[Math.floor(Math.random() * 26)]!).join('')}`;

export const SaveImage = defineNode({
  type: 'SaveImage',
  title: 'Save Image',
  category: 'image',
  description: 'Saves pictures as PNG files in the output folder.',
  inputs: {
    images: { type: IMAGE, ui: { tooltip: 'The pictures to save.' } },
    filename_prefix: {
      type: STRING, default: 'ComfyUI',
      ui: { tooltip: 'Start of the file name. May hold subfolders and words such as %year%, %width% or %date:yyyy-MM-dd%.' },
    },
    ...requestInputs,
  },
  outputs: [],
  output: true,
  validate: { inputs: ['images', 'filename_prefix'], check: (_given, _types, env) => checkFolder('output', env) },
  async run({ images, filename_prefix: prefix }, context) {
    await save(images, 'output', prefix, 4, context);
    return [];
  },
});

export const PreviewImage = defineNode({
  type: 'PreviewImage',
  title: 'Preview Image',
  category: 'image',
  description: 'Shows pictures without keeping them: they go to the temp folder.',
  inputs: { images: { type: IMAGE }, ...requestInputs },
  outputs: [],
  output: true,
  async run({ images }, context) {
    await save(images, 'temp', previewPrefix, 1, context);
    return [];
  },
});

/** Pictures for a client that keeps no files: each goes whole over the socket of the client that asked for the run. */
export const SaveImageWebsocket = defineNode({
  type: 'SaveImageWebsocket',
  title: 'Send Image (WebSocket)',
  category: 'api/image',
  description: 'Sends pictures as PNG over the WebSocket of the client that runs the workflow, and writes no file. A client without a socket gets nothing.',
  inputs: { images: { type: IMAGE, ui: { tooltip: 'The pictures to send.' } } },
  outputs: [],
  output: true,
  fingerprint: () => volatile,
  async run({ images }, context) {
    for (let index = 0; index < images.batch; index++) await context.send(index + 1, images.batch, single(images, index));
    return [];
  },
});

/** A folder that cannot be written to is told before the pictures are made, not after. */
function checkFolder(kind: FolderKind, { files }: Environment): Promise<true | string> {
  return files.checkWritable(kind).then(() => true as const, (error: Error) => error.message);
}

async function save(images: Image, kind: FolderKind, prefix: string, level: number, context: NodeContext): Promise<void> {
  const metadata = metadataOf(context.request);
  const shown: Json[] = [];
  for (let index = 0; index < images.batch; index++) {
    context.signal.throwIfAborted();
    const png = await encodePng(pixelsFromFloat(images, index), { level, metadata });
    const vars = { width: String(images.width), height: String(images.height), batch_num: String(index) };
    const { filename, subfolder, type } = await context.files.save(kind, prefix, 'png', png, vars);
    shown.push(new Map([['filename', filename], ['subfolder', subfolder], ['type', type]]));
  }
  context.show(new Map([['images', shown]]));
}

function metadataOf({ prompt, extras, isHidden }: RequestMeta): Map<string, string> {
  const metadata = new Map<string, string>();
  if (isHidden === true) return metadata;
  if (prompt !== null) metadata.set('prompt', encodeJson(prompt));
  for (const [name, json] of extras) metadata.set(name, encodeJson(json));
  return metadata;
}
