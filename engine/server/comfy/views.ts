// Routes of pictures and other files: /view, uploads, metadata of model files (comfy-contract §1.4).
import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Request, Response } from 'express';
import { isJsonObject, jsonOf, encodeJson, parseJson, type Json } from '../../formats/json.ts';
import type { Pixels } from '../../image/pixels.ts';
import { confinedPath } from '../confined.ts';
import { Slots } from '../limits.ts';
import { parseMultipart, type FormPart } from '../multipart.ts';
import { filePolicy } from '../policies.ts';
import { HttpError } from '../http-error.ts';
import { queryText, sendJson, sendText } from '../web.ts';
import { modelFile } from './model-files.ts';
import type { Site, SiteFolders } from './site.ts';
import { saveUpload } from './uploads.ts';

type Kind = 'input' | 'output' | 'temp';
const kinds: readonly Kind[] = ['input', 'output', 'temp'];
const annotation = /^(.*) \[(input|output|temp)\]$/;
/** Shown as they are. Everything else is a download: a browser might run what is in it (HTML, SVG, XML, PDF) as part of this site. */
const shown = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif', '.bmp', '.mp4', '.webm', '.mp3', '.wav', '.flac', '.ogg', '.txt', '.json']);
/** Pictures that are unpacked for previews at once; each may take half a gigabyte. */
const decoding = new Slots(2);

export function addViewRoutes(site: Site): void {
  const { web, folders } = site;
  web.on('/view', { get: (request, response) => view(request, response, folders) });
  web.on('/upload/image', { post: async (request, response) => upload(await formOf(site, request), response, folders) });
  web.on('/upload/mask', { post: async (request, response) => uploadMask(await formOf(site, request), response, folders) });
  web.on('/view_metadata/:folder', {
    get: async (request, response) => {
      const file = await modelFile(folders, request.params['folder'] as string, queryText(request, 'filename') ?? '');
      const metadata = file === undefined || !file.endsWith('.safetensors') ? undefined : await safetensorsMetadata(file);
      if (metadata === undefined) sendText(response, 404, '404: Not Found');
      else sendJson(response, encodeJson(metadata));
    },
  });
}

async function view(request: Request, response: Response, folders: SiteFolders): Promise<void> {
  const written = queryText(request, 'filename');
  if (written === undefined) throw new HttpError(404, '404: Not Found');
  const [, plain = written, annotated] = annotation.exec(written) ?? [];
  if (plain === '' || plain.startsWith('/') || plain.includes('..')) throw new HttpError(400, 'filename must be the name of a file');
  const kind = kindOf(annotated ?? queryText(request, 'type') ?? 'output');
  const file = await confinedPath(folders[kind], queryText(request, 'subfolder') ?? '', path.basename(plain));
  if (file === undefined) throw new HttpError(403, `filename and subfolder lead out of the ${kind} folder, or are no path`);
  if (!(await isFile(file))) throw new HttpError(404, '404: Not Found');
  const isShown = shown.has(path.extname(file).toLowerCase());
  response.setHeader('Content-Disposition', `${isShown ? '' : 'attachment; '}${disposition(path.basename(file))}`);
  response.setHeader('Content-Security-Policy', filePolicy);
  const preview = queryText(request, 'preview');
  const channel = queryText(request, 'channel');
  if (preview !== undefined) return decoding.run(() => sendPreview(response, file, preview, channel));
  if (channel === 'rgb' || channel === 'a') return decoding.run(() => sendChannel(response, file, channel));
  if (!isShown) response.setHeader('Content-Type', 'application/octet-stream');
  await new Promise<void>((resolve, reject) => {
    response.sendFile(file, { dotfiles: 'allow', cacheControl: false }, (error?: Error) => (error === undefined || response.headersSent ? resolve() : reject(error)));
  });
}

async function sendPreview(response: Response, file: string, preview: string, channel: string | undefined): Promise<void> {
  const [format, ...rest] = preview.split(';');
  const quality = Number(/^\d+$/.exec(rest.at(-1) ?? '')?.[0] ?? 90);
  const isJpeg = format === 'jpeg' && channel?.includes('a') !== true;
  const [{ encodeJpeg, encodeWebp }, picture] = await Promise.all([import('../../image/encode.ts'), decodeFile(file)]);
  const options = { quality: Math.min(100, Math.max(1, quality)) };
  const shown = isJpeg || channel === 'rgb' ? rgbOf(picture) : picture;
  response.setHeader('Content-Type', isJpeg ? 'image/jpeg' : 'image/webp');
  response.end(Buffer.from(await (isJpeg ? encodeJpeg(shown, options) : encodeWebp(shown, options))));
}

async function sendChannel(response: Response, file: string, channel: 'rgb' | 'a'): Promise<void> {
  const [{ encodePng }, picture] = await Promise.all([import('../../image/encode.ts'), decodeFile(file)]);
  response.setHeader('Content-Type', 'image/png');
  response.end(Buffer.from(await encodePng(channel === 'rgb' ? rgbOf(picture) : alphaOf(picture))));
}

/** Throws 400 for what is no picture. */
async function decodeFile(source: string | Uint8Array): Promise<Pixels> {
  const { decode } = await import('../../image/decode.ts');
  return decode(source).catch((error: Error) => {
    throw new HttpError(400, error.message);
  });
}

/** Without the alpha channel. */
function rgbOf({ width, height, channels, data }: Pixels): Pixels {
  if (channels === 3) return { width, height, channels, data };
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from]!;
    rgb[to++] = data[from + 1]!;
    rgb[to++] = data[from + 2]!;
  }
  return { width, height, channels: 3, data: rgb };
}

/** Black with the picture's alpha, opaque where it has none. */
function alphaOf(picture: Pixels): Pixels {
  const { width, height } = picture;
  return withAlpha({ width, height, channels: 3, data: new Uint8Array(width * height * 3) }, picture);
}

/** The colours of one picture with the alpha of another of the same size. */
function withAlpha(colours: Pixels, alpha: Pixels): Pixels {
  const { width, height, data } = rgbOf(colours);
  const rgba = new Uint8Array(width * height * 4);
  for (let from = 0, to = 0; to < rgba.length; from += 3, to += 4) {
    rgba[to] = data[from]!;
    rgba[to + 1] = data[from + 1]!;
    rgba[to + 2] = data[from + 2]!;
    rgba[to + 3] = alpha.channels === 4 ? alpha.data[to + 3]! : 255;
  }
  return { width, height, channels: 4, data: rgba };
}

type Form = ReadonlyMap<string, FormPart>;

async function formOf({ web }: Site, request: Request): Promise<Form> {
  const form = parseMultipart(await web.body(request), request.headers['content-type']);
  if (form === undefined) throw new HttpError(400, 'the body must be multipart/form-data');
  return form;
}

async function upload(form: Form, response: Response, folders: SiteFolders): Promise<void> {
  const image = form.get('image');
  if (image?.filename === undefined || image.filename === '') throw new HttpError(400, 'a file called image is needed');
  sendJson(response, encodeJson(await save(form, image.filename, image.bytes, folders)));
}

/** The original's colours with the uploaded picture's alpha, and the original's texts. */
async function uploadMask(form: Form, response: Response, folders: SiteFolders): Promise<void> {
  const image = form.get('image');
  if (image?.filename === undefined || image.filename === '') throw new HttpError(400, 'a file called image is needed');
  const original = await readFile(await originalOf(form, folders));
  const png = await decoding.run(async () => {
    const [{ encodePng }, { readMetadata }, colours, mask] = await Promise.all([import('../../image/encode.ts'), import('../../image/metadata.ts'), decodeFile(original), decodeFile(image.bytes)]);
    if (colours.width !== mask.width || colours.height !== mask.height) throw new HttpError(400, `the mask is ${mask.width}×${mask.height}, its picture ${colours.width}×${colours.height}`);
    return encodePng(withAlpha(colours, mask), { metadata: readMetadata(original) });
  });
  sendJson(response, encodeJson(await save(form, image.filename, Buffer.from(png), folders)));
}

async function originalOf(form: Form, folders: SiteFolders): Promise<string> {
  let written: Json | undefined;
  try {
    written = parseJson(fieldOf(form, 'original_ref') ?? '');
  } catch {
    // told below
  }
  const text = (key: string) => (isJsonObject(written) && typeof written.get(key) === 'string' ? (written.get(key) as string) : undefined);
  const filename = text('filename');
  if (filename === undefined || filename === '' || filename.startsWith('/') || filename.includes('..')) throw new HttpError(400, 'original_ref must name the picture: {"filename", "subfolder", "type"}');
  const file = await confinedPath(folders[kindOf(text('type') ?? 'output')], text('subfolder') ?? '', path.basename(filename));
  if (file === undefined || !(await isFile(file))) throw new HttpError(400, `there is no picture ${JSON.stringify(filename)} to mask`);
  return file;
}

async function save(form: Form, filename: string, bytes: Buffer, folders: SiteFolders): Promise<Json> {
  const kind = kindOf(fieldOf(form, 'type') ?? 'input');
  const subfolder = fieldOf(form, 'subfolder') ?? '';
  const overwrites = ['true', '1'].includes(fieldOf(form, 'overwrite') ?? '');
  return jsonOf({ name: await saveUpload({ folder: folders[kind], subfolder, filename, bytes, overwrites }), subfolder, type: kind });
}

function fieldOf(form: Form, name: string): string | undefined {
  return form.get(name)?.bytes.toString('utf8');
}

function kindOf(type: string): Kind {
  const kind = kinds.find((known) => known === type);
  if (kind === undefined) throw new HttpError(400, `type is ${JSON.stringify(type)}: give input, output or temp`);
  return kind;
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() === true;
}

/** Header texts are ASCII; other names ride along encoded. */
function disposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  return ascii === name ? `filename="${name}"` : `filename="${ascii}"; filename*=UTF-8''${encodeURIComponent(name)}`;
}

const mostHeaderBytes = 100 * 2 ** 20;

/** The `__metadata__` in the header of a safetensors file. */
async function safetensorsMetadata(file: string): Promise<Json | undefined> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    const bytes = Number(buffer.readBigUInt64LE());
    if (bytes > mostHeaderBytes || bytes > (await handle.stat()).size) return undefined;
    const header = parseJson((await handle.read(Buffer.alloc(bytes), 0, bytes, 8)).buffer.toString('utf8').trimEnd());
    return isJsonObject(header) ? header.get('__metadata__') : undefined;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
