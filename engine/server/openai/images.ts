// POST /v1/images/generations and /v1/images/edits: pictures from text and from pictures, by the forms that serve them.
import { readFile } from 'node:fs/promises';
import type { Request, Response } from 'express';
import { encodeJson, isJsonArray, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { confinedPath } from '../confined.ts';
import type { Site } from '../comfy/site.ts';
import type { FormValue } from '../jobs/form-inputs.ts';
import type { FileReference, FormResult } from '../jobs/run-form.ts';
import { listMultipart } from '../multipart.ts';
import { sendJson } from '../web.ts';
import { answering, goneSignal, isThinking, newSeed, nowSeconds, resultsOf, seedOf, seedsFrom, submitAll } from './answering.ts';
import { checkRequest, parseBody } from './check-request.ts';
import { OpenAiError } from './errors.ts';
import { pictureOf } from './pictures.ts';
import { editRequest, generationRequest } from './schemas.ts';
import { splitThinking } from './thinking.ts';
import type { OpenAiTask, TaskForm, TaskForms } from './workflows.ts';

const defaultQuality = 92;

export function addImageRoutes(site: Site, tasks: TaskForms): void {
  site.web.on('/v1/images/generations', {
    post: (request, response) => answering(response, async () => {
      const asked = await checkRequest(parseBody(await site.web.body(request)), generationRequest);
      await draw(site, tasks, isThinking(asked.get('reasoning_effort')) ? 'drawThinking' : 'draw', asked, [], request, response);
    }),
  });
  site.web.on('/v1/images/edits', {
    post: (request, response) => answering(response, async () => {
      const { asked, pictures } = await readEdit(site, request);
      await draw(site, tasks, editTask(pictures.length, isThinking(asked.get('reasoning_effort'))), asked, pictures, request, response);
    }),
  });
}

async function draw(site: Site, tasks: TaskForms, task: OpenAiTask, asked: JsonObject, pictures: readonly FormValue[], request: Request, response: Response): Promise<void> {
  const gone = goneSignal(response);
  const form = await tasks.open(task, asked.get('model') as string | undefined);
  form.set('prompt', asked.get('prompt'));
  setPictures(form, pictures);
  setSize(form, asked.get('size') as string | undefined);
  setSteps(form, asked);
  const seeds = seedsFrom(seedOf(asked) ?? newSeed(), Number(asked.get('n') ?? 1));
  const runs = await submitAll(site, form, seeds, response);
  let results: readonly FormResult[];
  try {
    results = await resultsOf(site, runs, gone);
  } catch (error) {
    if (gone.aborted) return;
    throw error;
  }
  const format = (asked.get('output_format') as string | undefined) ?? 'png';
  const quality = Number(asked.get('output_compression') ?? defaultQuality);
  const data = await Promise.all(results.map(async (result, i): Promise<Json> => {
    const file = result.outputs.flatMap(({ files }) => files)[0];
    if (file === undefined) throw new OpenAiError(`the workflow ${JSON.stringify(form.workflow)} ran, but made no picture`, { status: 500, code: 'run_failed' });
    const shown: readonly [string, Json] = asked.get('response_format') === 'url' ? ['url', urlOf(request, file, format, quality)] : ['b64_json', (await fileBytes(site, file, format, quality)).toString('base64')];
    const thought = splitThinking(result.outputs.flatMap(({ texts }) => texts).join('\n'));
    const reasoning = [thought.reasoning, thought.content].filter((text) => text !== '').join('\n');
    return new Map<string, Json>([shown, ['seed', seeds[i]!], ...(reasoning === '' ? [] : [['reasoning_content', reasoning] as const])]);
  }));
  sendJson(response, encodeJson(new Map<string, Json>([['created', nowSeconds()], ['data', data], ['output_format', format]])));
}

function editTask(pictures: number, thinks: boolean): OpenAiTask {
  if (pictures <= 1) return thinks ? 'editThinking' : 'edit';
  if (thinks) throw new OpenAiError('thinking before an edit of several pictures is not supported here: leave reasoning_effort out, or send one picture', { param: 'reasoning_effort', code: 'unsupported_value' });
  return 'editSeveral';
}

function setPictures(form: TaskForm, pictures: readonly FormValue[]): void {
  const inputs = form.pictures;
  if (pictures.length > inputs.length) throw new OpenAiError(`the request has ${pictures.length} pictures, but the workflow ${JSON.stringify(form.workflow)} takes ${inputs.length}`, { param: 'image', code: 'too_many_images' });
  pictures.forEach((picture, i) => form.set(inputs[i]!, picture));
}

function setSize(form: TaskForm, size: string | undefined): void {
  if (size === undefined || size === 'auto') return;
  const [width, height] = size.split('x');
  form.set('width', BigInt(width!));
  form.set('height', BigInt(height!));
}

function setSteps(form: TaskForm, asked: JsonObject): void {
  const steps = asked.get('steps');
  if (steps !== undefined) return form.set('steps', steps);
  const factor = { low: 0.5, high: 2, hd: 2 }[String(asked.get('quality'))];
  const standing = Number(form.standing('steps'));
  if (factor !== undefined && standing > 0) form.set('steps', BigInt(Math.max(2, Math.round(standing * factor))));
}

interface Edit {
  readonly asked: JsonObject;
  readonly pictures: readonly FormValue[];
}

async function readEdit(site: Site, request: Request): Promise<Edit> {
  const bytes = await site.web.body(request);
  const { body, files } = isMultipart(request) ? fromParts(bytes, request) : { body: parseBody(bytes), files: [] };
  const asked = await checkRequest(body, editRequest);
  const listed = [['image', asked.get('image')], ['images', asked.get('images')]] as const;
  const named = listed.flatMap(([param, value]) => (value === undefined ? [] : isJsonArray(value) ? value.map((one, i) => pictureOf(one, `${param}[${i}]`, param, request)) : [pictureOf(value, param, param, request)]));
  const pictures = [...files, ...named];
  if (pictures.length === 0) throw new OpenAiError('image is missing: send a picture as a file of a multipart body, or a data URL', { param: 'image', code: 'missing_required_parameter' });
  return { asked, pictures };
}

function isMultipart(request: Request): boolean {
  return /^multipart\/form-data/i.test(request.headers['content-type'] ?? '');
}

/** Fields of a multipart body are texts: those that the schema wants as numbers are read as such. */
function fromParts(bytes: Buffer, request: Request): { readonly body: Json; readonly files: readonly FormValue[] } {
  const parts = listMultipart(bytes, request.headers['content-type']);
  if (parts === undefined) throw new OpenAiError('the multipart body is broken: a boundary or the end is missing', { code: 'invalid_multipart' });
  const body = new Map<string, Json>();
  const files: FormValue[] = [];
  const urls: Json[] = [];
  for (const [written, { filename, bytes: content }] of parts) {
    const name = written.replace(/\[\d*\]$/, '');
    const text = content.toString('utf8');
    if (name === 'mask') throw new OpenAiError('mask is not supported here: the model changes a picture by words alone', { param: 'mask', code: 'unsupported_parameter' });
    if (filename !== undefined && name === 'image') files.push({ bytes: content });
    else if (name === 'image') urls.push(text);
    else body.set(name, fieldOf(name, text));
  }
  if (urls.length > 0) body.set('image', urls);
  return { body, files };
}

function fieldOf(name: string, text: string): Json {
  const { type } = ((editRequest.properties as Readonly<Record<string, { readonly type?: unknown }>>)[name] ?? {});
  const isText = type === 'string' || (Array.isArray(type) && type.includes('string'));
  return !isText && /^(?:-?\d{1,20}|true|false|null)$/.test(text) ? parseJson(text) : text;
}

/** Where the client fetches it. ComfyUI's `preview` encodes it anew. */
function urlOf(request: Request, { filename, subfolder, type }: FileReference, format: string, quality: number): string {
  const query = new URLSearchParams({ filename, subfolder, type, ...(format === 'png' ? {} : { preview: `${format};${quality}` }) });
  return `${request.protocol}://${request.headers.host ?? 'localhost'}/view?${query.toString()}`;
}

async function fileBytes({ folders }: Site, { filename, subfolder, type }: FileReference, format: string, quality: number): Promise<Buffer> {
  const file = await confinedPath(folders[type], subfolder, filename);
  const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
  if (bytes === undefined) throw new OpenAiError(`the picture ${filename} was removed before it could be sent`, { status: 500, code: 'run_failed' });
  if (format === 'png' && filename.endsWith('.png')) return bytes;
  const [{ encodeJpeg, encodePng, encodeWebp }, { decode }] = await Promise.all([import('../../image/encode.ts'), import('../../image/decode.ts')]);
  const picture = await decode(bytes);
  return Buffer.from(await (format === 'jpeg' ? encodeJpeg(picture, { quality: Math.max(1, quality) }) : format === 'webp' ? encodeWebp(picture, { quality: Math.max(1, quality) }) : encodePng(picture)));
}
