// POST /run: a workflow and the inputs of its form → a run → its outputs in the answer. GET /run/ID gives the same answer for a run that was
// begun before; GET /workflows lists what can be run by name.
import { readFile, stat } from 'node:fs/promises';
import type { Request, Response } from 'express';
import { FormatError } from '../../formats/errors.ts';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { confinedPath } from '../confined.ts';
import type { Site } from '../comfy/site.ts';
import { parseMultipart, type FormPart } from '../multipart.ts';
import { queryNumber, queryText, sendJson } from '../web.ts';
import { checkBody } from './check-body.ts';
import { FormRunError } from './errors.ts';
import type { FormValue } from './form-inputs.ts';
import { answerJson } from './job-json.ts';
import type { FileReference, FormResult, FormRun } from './run-form.ts';
import { runRequest } from './schemas.ts';

/** Larger results are given as references only. */
const mostInlineBytes = 64 * 2 ** 20;
const mediaTypes = new Map([['.png', 'image/png'], ['.jpg', 'image/jpeg'], ['.jpeg', 'image/jpeg'], ['.webp', 'image/webp'], ['.gif', 'image/gif'], ['.tiff', 'image/tiff'], ['.avif', 'image/avif']]);
const httpStatus: Readonly<Record<FormResult['state'], number>> = { waiting: 202, running: 202, success: 200, error: 422, interrupted: 409, cancelled: 409 };

export function addRunRoutes(site: Site): void {
  const { web, forms } = site;
  web.on('/run', { post: (request, response) => answering(response, () => run(site, request, response)) });
  web.on('/run/:id', {
    get: (request, response) => answering(response, async () => {
      const found = forms.run(request.params['id'] as string);
      if (found === undefined) throw new FormRunError('invalid_request', `there is no job ${JSON.stringify(request.params['id'])}`, [], 404);
      const seconds = queryNumber(request, 'wait_seconds') ?? 0;
      await settled(found, AbortSignal.any([goneSignal(response), AbortSignal.timeout(Math.min(86_400, Math.max(0, seconds)) * 1000)]));
      await answer(site, request, response, found.id, queryText(request, 'outputs') !== 'files');
    }),
  });
  web.on('/workflows', { get: async (_request, response) => sendJson(response, encodeJson(await forms.list())) });
}

/** Errors of those who ask are JSON that names the input. */
export async function answering(response: Response, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof FormRunError)) throw error;
    if (error.status === 429 || error.status === 503) response.setHeader('Retry-After', '5');
    sendJson(response, encodeJson(error.json()), error.status);
  }
}

async function run(site: Site, request: Request, response: Response): Promise<void> {
  const { forms, webhooks } = site;
  const { options, inputs } = await readBody(site, request);
  webhooks.check(options.get('webhook'));
  const gone = goneSignal(response);
  const workflow = options.get('workflow') as string | JsonObject;
  const kept = new Map([...options].filter(([name, value]) => (name === 'webhook' || name === 'cache') && value !== null));
  const started = await forms.submit({ workflow, inputs, id: textOf(options, 'id'), clientId: textOf(options, 'client_id'), isFirst: options.get('first') === true, options: kept });
  const isInline = options.get('outputs') !== 'files';
  if (options.get('wait') === false) return answer(site, request, response, started.id, isInline);
  const timeout = options.get('timeout_seconds');
  const signals = timeout === undefined ? [gone] : [gone, AbortSignal.timeout(Math.ceil(Number(timeout) * 1000))];
  await settled(started, AbortSignal.any(signals));
  if (!gone.aborted) return answer(site, request, response, started.id, isInline);
  if (started.isNew && options.get('on_disconnect') !== 'continue') await started.cancel();
}

/** Waits for the end, or for the signal. */
async function settled(started: FormRun, signal: AbortSignal): Promise<void> {
  await started.ended(signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Aborts when the client goes before it has its answer. */
function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  response.on('close', () => gone.abort());
  return gone.signal;
}

interface Body {
  readonly options: JsonObject;
  readonly inputs: ReadonlyMap<string, FormValue>;
}

async function readBody({ web }: Site, request: Request): Promise<Body> {
  const bytes = await web.body(request);
  if (!/^multipart\/form-data/i.test(request.headers['content-type'] ?? '')) {
    const options = await checkBody(parsed(bytes.toString('utf8'), 'the body'), runRequest);
    return { options, inputs: (options.get('inputs') as JsonObject | undefined) ?? new Map() };
  }
  const parts = parseMultipart(bytes, request.headers['content-type']);
  if (parts === undefined) throw new FormRunError('invalid_request', 'the multipart body is broken: a boundary or the end is missing');
  return fromParts(parts);
}

/** Fields that /run knows are its members; all others, and files, are inputs of the form. */
async function fromParts(parts: ReadonlyMap<string, FormPart>): Promise<Body> {
  const members = new Map<string, Json>();
  const inputs = new Map<string, FormValue>();
  for (const [name, { filename, bytes }] of parts) {
    const text = () => bytes.toString('utf8');
    if (filename !== undefined && name !== 'workflow') inputs.set(name, { bytes });
    else if (!Object.hasOwn(runRequest.properties, name)) inputs.set(name, { text: text() });
    else members.set(name, isJsonField(name, text()) ? parsed(text(), `the field ${name}`) : text());
  }
  const options = await checkBody(members, runRequest);
  const listed = options.get('inputs');
  return { options, inputs: isJsonObject(listed) ? new Map<string, FormValue>([...listed, ...inputs]) : inputs };
}

function isJsonField(name: string, text: string): boolean {
  return ['inputs', 'wait', 'timeout_seconds', 'first'].includes(name) || ((name === 'workflow' || name === 'webhook') && text.trimStart().startsWith('{'));
}

function parsed(text: string, what: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    throw error instanceof FormatError ? new FormRunError('invalid_request', `${what} is no JSON: ${error.message}`) : error;
  }
}

async function answer(site: Site, request: Request, response: Response, id: string, isInline: boolean): Promise<void> {
  const result = site.forms.result(id);
  if (result === undefined) throw new FormRunError('invalid_request', 'the job was deleted while it was waited for', [], 404);
  response.setHeader('X-Bagelgraph-Job', encodeURIComponent(id));
  const wanted = pictureType(request);
  if (wanted !== undefined && result.state === 'success') return sendPicture(site, response, result, wanted);
  let left = mostInlineBytes;
  const inline = async (file: FileReference) => {
    const bytes = await fileBytes(site, file, left);
    if (bytes === undefined) return undefined;
    left -= bytes.length;
    const mediaType = mediaTypeOf(file.filename);
    return { mediaType, dataUrl: `data:${mediaType};base64,${bytes.toString('base64')}` };
  };
  sendJson(response, encodeJson(await answerJson(result, isInline ? inline : undefined)), httpStatus[result.state]);
}

/** A kind of picture that the client wants in place of JSON; `image/*` is any. */
function pictureType(request: Request): string | undefined {
  const first = (request.headers.accept ?? '').split(',')[0]!.split(';')[0]!.trim().toLowerCase();
  return /^image\/(\*|png|jpeg|webp)$/.test(first) ? first : undefined;
}

async function sendPicture(site: Site, response: Response, { outputs }: FormResult, wanted: string): Promise<void> {
  for (const file of outputs.flatMap(({ files }) => files)) {
    const mediaType = mediaTypeOf(file.filename);
    const bytes = mediaType.startsWith('image/') ? await fileBytes(site, file) : undefined;
    if (bytes === undefined) continue;
    const isAsIs = wanted === 'image/*' || wanted === mediaType;
    const sent = isAsIs ? bytes : await converted(bytes, wanted);
    response.writeHead(200, { 'Content-Type': isAsIs ? mediaType : wanted, 'Content-Length': sent.length }).end(sent);
    return;
  }
  throw new FormRunError('invalid_request', 'the workflow ran, but made no picture: ask for application/json', [], 406);
}

async function converted(bytes: Uint8Array, wanted: string): Promise<Buffer> {
  const [{ encodeJpeg, encodePng, encodeWebp }, { decode }] = await Promise.all([import('../../image/encode.ts'), import('../../image/decode.ts')]);
  const picture = await decode(bytes);
  return Buffer.from(await (wanted === 'image/jpeg' ? encodeJpeg(picture, { quality: 92 }) : wanted === 'image/webp' ? encodeWebp(picture, { quality: 92 }) : encodePng(picture)));
}

/** Undefined where it is gone, or larger than `mostBytes`. */
async function fileBytes({ folders }: Site, { filename, subfolder, type }: FileReference, mostBytes = Infinity): Promise<Buffer | undefined> {
  const file = await confinedPath(folders[type], subfolder, filename);
  const size = file === undefined ? undefined : (await stat(file).catch(() => undefined))?.size;
  return file === undefined || size === undefined || size > mostBytes ? undefined : readFile(file).catch(() => undefined);
}

function mediaTypeOf(filename: string): string {
  return mediaTypes.get(/\.[^.]+$/.exec(filename)?.[0].toLowerCase() ?? '') ?? 'application/octet-stream';
}

function textOf(options: JsonObject, name: string): string | undefined {
  const value = options.get(name);
  return typeof value === 'string' ? value : undefined;
}
