// Values for the inputs of a form: names become places in the prompt, texts of a form field become what the node takes, pictures become files
// in the temp folder. Every error names the input as the asker wrote it.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findNode, withInput, type ApiPrompt } from '../../formats/api.ts';
import { FormatError } from '../../formats/errors.ts';
import type { Form, FormInput } from '../../formats/forms.ts';
import { isJsonObject, jsonOf, parseJson, type Json } from '../../formats/json.ts';
import { nearestNames } from '../../graph/nearest.ts';
import type { Environment, InputSpec, Registry } from '../../graph/node.ts';
import { FormRunError } from './errors.ts';

/** A picture as its file's bytes. */
export interface GivenPicture { readonly bytes: Uint8Array }
/** A text as it was typed: it becomes a number or a truth value where the node takes one. */
export interface GivenText { readonly text: string }
export type FormValue = Json | GivenPicture | GivenText;
export type FormValues = Readonly<Record<string, FormValue>> | ReadonlyMap<string, FormValue>;

/** Where a name leads. */
export interface Place { readonly node: string; readonly input: string }

export interface FilledPrompt {
  readonly prompt: ApiPrompt;
  /** The names that were given, by place: `node\ninput`. */
  readonly names: ReadonlyMap<string, string>;
}

/** The prompt with these values in it. Throws a FormRunError for names that lead nowhere and for values that cannot be. */
export async function fillForm(prompt: ApiPrompt, form: Form | undefined, values: FormValues, registry: Registry, tempFolder: string): Promise<FilledPrompt> {
  let filled = prompt;
  const names = new Map<string, string>((form?.inputs ?? []).map(({ name, node, input }) => [`${node}\n${input}`, name]));
  for (const [name, value] of values instanceof Map ? values : Object.entries(values as Readonly<Record<string, FormValue>>)) {
    const { node, input } = placeOf(name, prompt, form);
    names.set(`${node}\n${input}`, name);
    const spec = registry.get(prompt.nodes.get(node)!.class_type)?.inputs[input];
    filled = withInput(filled, node, input, await literalOf(name, value, spec, tempFolder));
  }
  return { prompt: filled, names };
}

/** An input as lists show it: what it takes and what it is when it is not given. */
export function describeInput({ name, node, input }: FormInput, prompt: ApiPrompt, registry: Registry): Json {
  const written = prompt.nodes.get(node);
  const spec = registry.get(written?.class_type ?? '')?.inputs[input];
  const value = written?.inputs.get(input) ?? spec?.default;
  const choices = Array.isArray(spec?.choices) ? (spec.choices as readonly Json[]) : undefined;
  return new Map<string, Json>([
    ['name', name], ['node', node], ['input', input], ['type', spec?.type.name ?? '*'], ['is_picture', spec?.ui?.['image_upload'] === true],
    ...(value === undefined ? [] : [['value', value] as const]), ...(spec?.min === undefined ? [] : [['minimum', jsonOf(spec.min)] as const]), ...(spec?.max === undefined ? [] : [['maximum', jsonOf(spec.max)] as const]),
    ...(choices === undefined ? [] : [['choices', choices] as const]),
  ]);
}

/** An input of a form as the routes see it that choose values by themselves. */
export interface FormInputState {
  readonly name: string;
  readonly isPicture: boolean;
  /** As the workflow was saved. */
  readonly value: Json | undefined;
  /** The node's own. */
  readonly initial: Json | undefined;
  /** What there is now; absent where anything goes. */
  readonly choices?: readonly Json[];
}

export async function formInputState({ name, node, input }: FormInput, prompt: ApiPrompt, registry: Registry, environment: Environment): Promise<FormInputState> {
  const written = prompt.nodes.get(node);
  const spec = registry.get(written?.class_type ?? '')?.inputs[input];
  const choices = typeof spec?.choices === 'function' ? await spec.choices(environment) : spec?.choices;
  return { name, isPicture: spec?.ui?.['image_upload'] === true, value: written?.inputs.get(input), initial: spec?.default, ...(choices === undefined ? {} : { choices }) };
}

/** What an input that takes a picture is set to: the name of a file. `name` is for errors. Throws a FormRunError for what is no picture. */
export async function pictureName(name: string, value: FormValue, tempFolder: string): Promise<string> {
  return await literalOf(name, value, { type: { name: 'COMBO' }, ui: { image_upload: true } }, tempFolder) as string;
}

/** By the form's name, else NODE.INPUT, the node by its id or its unique title. */
function placeOf(name: string, prompt: ApiPrompt, form: Form | undefined): Place {
  const entry = form?.inputs.find((one) => one.name === name);
  const known = (form?.inputs ?? []).map((one) => one.name);
  if (entry !== undefined) {
    if (prompt.nodes.has(entry.node)) return entry;
    throw new FormRunError('unknown_input', `input ${JSON.stringify(name)} belongs to node ${entry.node}, which is not in the workflow or is muted`, [{ message: 'its node is not there', formInput: name }]);
  }
  const dot = name.lastIndexOf('.');
  if (dot > 0) {
    try {
      return { node: findNode(prompt, name.slice(0, dot)), input: name.slice(dot + 1) };
    } catch (error) {
      throw new FormRunError('unknown_input', `input ${JSON.stringify(name)}: ${(error as Error).message}`, [{ message: (error as Error).message, formInput: name }]);
    }
  }
  const [near] = nearestNames(name, known, 1);
  const message = form === undefined
    ? `the workflow has no form, so input ${JSON.stringify(name)} has no place: write NODE.INPUT, such as 2.prompt, or save the workflow with a form`
    : `the workflow has no input ${JSON.stringify(name)}${near === undefined ? '.' : `; did you mean ${near}?`} Its inputs are ${known.join(', ') || 'none'}`;
  throw new FormRunError('unknown_input', message, [{ message, formInput: name }]);
}

async function literalOf(name: string, value: FormValue, spec: InputSpec<unknown> | undefined, tempFolder: string): Promise<Json> {
  const refuse = (why: string): never => {
    const message = `input ${JSON.stringify(name)}: ${why}`;
    throw new FormRunError('invalid_input', message, [{ message, formInput: name }]);
  };
  const takesPicture = spec?.ui?.['image_upload'] === true;
  const bytes = isPicture(value) ? value.bytes : takesPicture ? bytesOfDataUrl(typeof value === 'string' ? value : isText(value) ? value.text : '', refuse) : undefined;
  if (bytes !== undefined) {
    if (!takesPicture) return refuse('it takes no picture');
    return storePicture(bytes, tempFolder, refuse);
  }
  if (isText(value)) return spec === undefined || spec.type.name === 'STRING' ? value.text : typed(value.text, spec);
  if (takesPicture && isJsonObject(value as Json)) return uploadName(value as ReadonlyMap<string, Json>, refuse);
  return value as Json;
}

/** JSON where it is some; what cannot be used is told by validation in the node's words. */
function typed(text: string, spec: InputSpec<unknown>): Json {
  if (spec.type.name === 'COMBO' && !/^-?\d/.test(text)) return text;
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof FormatError) return text;
    throw error;
  }
}

/** The answer of POST /upload/image: `{name, subfolder, type}`, or an output: `{filename, subfolder, type}`. */
function uploadName(upload: ReadonlyMap<string, Json>, refuse: (why: string) => never): string {
  const text = (key: string) => (typeof upload.get(key) === 'string' ? (upload.get(key) as string) : '');
  const name = text('name') || text('filename');
  if (name === '') return refuse('give the name of an uploaded picture, a data URL, or {"name", "subfolder", "type"} as an upload answers');
  const file = text('subfolder') === '' ? name : `${text('subfolder')}/${name}`;
  return text('type') === '' || text('type') === 'input' ? file : `${file} [${text('type')}]`;
}

function bytesOfDataUrl(text: string, refuse: (why: string) => never): Uint8Array | undefined {
  if (!/^data:/i.test(text)) return undefined;
  const [, kind = '', base64 = ''] = /^data:([^,]*),([\s\S]*)$/i.exec(text) ?? [];
  if (!/;\s*base64\s*$/i.test(kind)) return refuse('its data URL must be base64, as in data:image/png;base64,…');
  const packed = base64.replace(/\s+/g, '');
  if (packed === '' || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(packed)) return refuse('its data URL holds no base64');
  return Buffer.from(packed, 'base64');
}

/** Named by content, so that the same picture lies there once. The temp folder is swept of it when no job that waits names it. */
async function storePicture(bytes: Uint8Array, tempFolder: string, refuse: (why: string) => never): Promise<string> {
  const extension = extensionOf(bytes);
  if (extension === undefined) return refuse(`its ${bytes.length} bytes are no picture: give a PNG, JPEG, WebP, GIF, TIFF or AVIF file`);
  const name = `given-${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}${extension}`;
  const file = path.join(tempFolder, name);
  if ((await stat(file).catch(() => undefined))?.size !== bytes.length) {
    await mkdir(tempFolder, { recursive: true });
    const partial = `${file}.${randomUUID()}.partial`;
    await writeFile(partial, bytes);
    await rename(partial, file);
  }
  return `${name} [temp]`;
}

/** By the first bytes. */
function extensionOf(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  if (start.startsWith('\x89PNG\r\n')) return '.png';
  if (start.startsWith('\xff\xd8\xff')) return '.jpg';
  if (start.startsWith('GIF8')) return '.gif';
  if (/^RIFF[\s\S]{4}WEBP/.test(start)) return '.webp';
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return '.tiff';
  return /^[\s\S]{4}ftypavi[fs]/.test(start) ? '.avif' : undefined;
}

function isPicture(value: FormValue): value is GivenPicture {
  return typeof value === 'object' && value !== null && 'bytes' in value && value.bytes instanceof Uint8Array;
}

function isText(value: FormValue): value is GivenText {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map) && 'text' in value;
}
