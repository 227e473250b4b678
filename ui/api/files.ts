// Files on the server: pictures by address, uploads, ready workflows, and the user's own files with a check for other writers.
import { isJsonArray, isJsonObject } from '../../engine/formats/json.ts';
import { ApiError, getJson, request } from './http.ts';
import type { FileReference } from './jobs.ts';

/** The address of a file. `preview`: smaller, as WebP. */
export function viewAddress({ filename, subfolder, type }: FileReference, preview = false): string {
  return `/api/view?${new URLSearchParams({ filename, subfolder, type, ...(preview ? { preview: 'webp;80' } : {}) }).toString()}`;
}

/** The address of a file in the input folder, named as nodes name it: `folder/name.png`, or `name.png [output]`. */
export function namedAddress(name: string): string {
  const [, plain = name, type = 'input'] = /^(.*) \[(input|output|temp)\]$/.exec(name) ?? [];
  const at = plain.lastIndexOf('/');
  return viewAddress({ filename: plain.slice(at + 1), subfolder: at < 0 ? '' : plain.slice(0, at), type });
}

export async function getPicture({ filename, subfolder, type }: FileReference): Promise<Blob> {
  return (await request(`/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`)).blob();
}

/** Puts a picture into the input folder; gives the name that nodes take. `onProgress` gets 0 to 1. */
export function uploadPicture(file: File | Blob, name: string, onProgress: (fraction: number) => void = () => undefined): Promise<string> {
  const form = new FormData();
  form.append('image', file, name);
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open('POST', '/api/upload/image');
    upload.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    upload.onerror = () => reject(new ApiError(0, 'The server does not answer. Is it still running?'));
    upload.onload = () => {
      if (upload.status !== 200) return reject(new ApiError(upload.status, upload.responseText.slice(0, 500) || `the upload was answered with ${upload.status}`));
      const { name: saved, subfolder } = JSON.parse(upload.responseText) as { name: string; subfolder: string };
      resolve(subfolder === '' ? saved : `${subfolder}/${saved}`);
    };
    upload.send(form);
  });
}

/** Ready workflows by group. */
export async function listTemplates(): Promise<ReadonlyMap<string, readonly string[]>> {
  const json = await getJson('/workflow_templates');
  return new Map([...(isJsonObject(json) ? json : [])].map(([group, names]) => [group, (isJsonArray(names) ? names : []).map(String)]));
}

export async function getTemplate(group: string, name: string): Promise<string> {
  return (await request(`/workflow_templates/${encodeURIComponent(group)}/${encodeURIComponent(name)}.json`)).text();
}

export interface UserFile { readonly path: string; readonly bytes: number; /** Seconds since the epoch. */ readonly modified: number }

/** Files below a folder of the user's, such as `workflows`; paths without it. Empty where there is no such folder yet. */
export async function listUserFiles(folder: string): Promise<readonly UserFile[]> {
  const roots = await getJson('/v2/userdata?path=');
  // asking for a folder that is not there is an error that browsers write to their console
  if (!isJsonArray(roots) || !roots.some((entry) => isJsonObject(entry) && entry.get('name') === folder.split('/')[0])) return [];
  const json = await getJson(`/userdata?dir=${encodeURIComponent(folder)}&recurse=true&full_info=true`).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  });
  return (isJsonArray(json) ? json : []).filter(isJsonObject).map((entry) => ({ path: String(entry.get('path')), bytes: Number(entry.get('size') ?? 0), modified: Number(entry.get('modified') ?? 0) }));
}

const userPath = (path: string) => `/userdata/${encodeURIComponent(path)}`;

/** `version` changes whenever somebody writes the file. */
export async function readUserFile(path: string): Promise<{ readonly text: string; readonly version: string }> {
  const response = await request(userPath(path));
  return { text: await response.text(), version: versionOf(response) };
}

const versionOf = ({ headers }: Response) => headers.get('ETag') ?? '';

/** Another one has written the file since it was read. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}

/** Asked before a write, which would be refused too: browsers write refusals to their console. */
async function isStill(path: string, version: string): Promise<boolean> {
  try {
    return versionOf(await request(userPath(path), { method: 'HEAD' })) === version;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}

/**
 * Writes a file of the user's and gives its version. `known`: the version it is to replace, undefined for a new file; null overwrites whatever
 * is there. Throws a ConflictError where something else is there.
 */
export async function writeUserFile(path: string, text: string, known: string | undefined | null): Promise<string> {
  const changed = () => new ConflictError(`${path} was changed by somebody else`);
  if (known !== undefined && known !== null && !await isStill(path, known)) throw changed();
  try {
    const headers = typeof known === 'string' ? { 'If-Match': known } : {};
    return versionOf(await request(`${userPath(path)}?overwrite=${known === undefined ? 'false' : 'true'}`, { method: 'POST', body: text, headers }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 412) throw changed();
    if (error instanceof ApiError && error.status === 409) throw new ConflictError(`${path} exists already`);
    throw error;
  }
}

/** Throws a ConflictError where the new name is taken. */
export async function moveUserFile(path: string, to: string): Promise<void> {
  try {
    await request(`${userPath(path)}/move/${encodeURIComponent(to)}?overwrite=false`, { method: 'POST' });
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) throw new ConflictError(`${to} exists already`);
    throw error;
  }
}

export async function deleteUserFile(path: string): Promise<void> {
  await request(userPath(path), { method: 'DELETE' });
}
