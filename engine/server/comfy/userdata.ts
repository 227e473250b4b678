// Routes of settings and of files that the page keeps for its user (comfy-contract §1.6). One user, called default.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Request, Response } from 'express';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { confinedPath, nameProblem } from '../confined.ts';
import { HttpError } from '../http-error.ts';
import { filePolicy } from '../policies.ts';
import { queryText, sendEmpty, sendJson } from '../web.ts';
import { jsonBody, objectBody } from './queue-routes.ts';
import type { Site } from './site.ts';

/** What the page asks for and nothing that a browser would run: user.css among them. All else is a download. */
const shown = new Set(['.json', '.txt', '.md', '.css', '.png', '.jpg', '.jpeg', '.webp']);

export function addUserRoutes(site: Site): void {
  const { web, folders } = site;
  const root = path.join(folders.user, 'default');
  const settings = new Settings(path.join(root, 'comfy.settings.json'));
  web.on('/users', {
    get: async (_request, response) => sendJson(response, `{"storage":"server","migrated":${await exists(root)}}`),
    post: (_request, response) => sendJson(response, '{"error":"This server has one user."}', 400),
  });
  web.on('/settings', {
    get: async (_request, response) => sendJson(response, encodeJson(await settings.read())),
    post: async (request, response) => {
      await settings.write(await objectBody(site, request));
      sendEmpty(response);
    },
  });
  web.on('/settings/:id', {
    get: async (request, response) => sendJson(response, encodeJson((await settings.read()).get(param(request, 'id')) ?? null)),
    post: async (request, response) => {
      await settings.write(new Map([[param(request, 'id'), await jsonBody(site, request)]]));
      sendEmpty(response);
    },
  });
  web.on('/userdata', { get: (request, response) => listFolder(request, response, root) });
  web.on('/v2/userdata', { get: (request, response) => listAll(request, response, root) });
  web.on('/userdata/:file', {
    get: async (request, response) => {
      const file = await existingFile(root, param(request, 'file'));
      response.setHeader('Content-Security-Policy', filePolicy);
      response.setHeader('ETag', (await tagOf(file))!);
      response.setHeader('Cache-Control', 'no-cache'); // kept by browsers, but asked for again each time
      if (!shown.has(path.extname(file).toLowerCase())) {
        response.setHeader('Content-Type', 'application/octet-stream');
        response.setHeader('Content-Disposition', 'attachment');
      }
      await new Promise<void>((resolve, reject) => {
        response.sendFile(file, { dotfiles: 'allow', cacheControl: false }, (error?: Error) => (error === undefined || response.headersSent ? resolve() : reject(error)));
      });
    },
    post: async (request, response) => {
      const file = await newFile(root, param(request, 'file'));
      const bytes = await web.body(request);
      // between the look at what is there and the write nobody else writes
      await inTurn(file, async () => {
        await refuseTaken(request, file);
        await refuseChanged(request, file);
        await writeWhole(file, bytes);
        response.setHeader('ETag', (await tagOf(file))!);
      });
      await sendSaved(request, response, root, file);
    },
    delete: async (request, response) => {
      const file = await existingFile(root, param(request, 'file'));
      await inTurn(file, async () => {
        await refuseChanged(request, file);
        await rm(file);
      });
      sendEmpty(response, 204);
    },
  });
  web.on('/userdata/:file/move/:target', {
    post: async (request, response) => {
      const source = await existingFile(root, param(request, 'file'));
      const target = await newFile(root, param(request, 'target'));
      await refuseTaken(request, target);
      await placed(async () => {
        await mkdir(path.dirname(target), { recursive: true });
        await rename(source, target);
      });
      await sendSaved(request, response, root, target);
    },
  });
}

/** Settings in one file. Writes follow one another, so that none is lost. */
class Settings {
  readonly #file: string;
  #last: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
  }

  async read(): Promise<JsonObject> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    const settings = parseJson(text);
    return isJsonObject(settings) ? settings : new Map();
  }

  write(changed: JsonObject): Promise<void> {
    const done = this.#last.then(async () => {
      const merged = new Map<string, Json>([...(await this.read()), ...changed]);
      await writeWhole(this.#file, Buffer.from(encodeJson(merged, { indent: 4 })));
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function listFolder(request: Request, response: Response, root: string): Promise<void> {
  const dir = queryText(request, 'dir');
  if (dir === undefined || dir === '') throw new HttpError(400, 'Directory not provided');
  const folder = await userFile(root, dir);
  if (!(await exists(folder))) throw new HttpError(404, 'Directory not found');
  const isTrue = (name: string) => queryText(request, name)?.toLowerCase() === 'true';
  const files = (await filesBelow(folder)).filter((file) => isTrue('recurse') || !file.includes('/')).sort();
  if (isTrue('full_info')) {
    const entries = await Promise.all(files.map((file) => fileEntry(folder, path.join(folder, file))));
    return sendJson(response, encodeJson(entries));
  }
  sendJson(response, encodeJson(isTrue('split') ? files.map((file) => [file, ...file.split('/')]) : files));
}

async function listAll(request: Request, response: Response, root: string): Promise<void> {
  const folder = await userFile(root, queryText(request, 'path') ?? '');
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined && folder === root) return sendJson(response, '[]');
  if (found?.isDirectory() !== true) throw new HttpError(404, 'Directory not found');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const listed = await Promise.all(entries.filter((entry) => entry.isDirectory() || entry.isFile()).map(async (entry) => {
    const file = path.join(entry.parentPath, entry.name);
    const known = new Map<string, Json>([['name', entry.name], ['path', relative(root, file)], ['type', entry.isFile() ? 'file' : 'directory']]);
    if (!entry.isFile()) return known;
    const { size, mtimeMs } = await stat(file);
    return known.set('size', BigInt(size)).set('modified', mtimeMs / 1000);
  }));
  const key = (entry: JsonObject) => `${entry.get('type') === 'directory' ? 0 : 1}${String(entry.get('name')).toLowerCase()}`;
  sendJson(response, encodeJson(listed.sort((a, b) => (key(a) < key(b) ? -1 : 1))));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, path.join(entry.parentPath, entry.name)));
}

/** `{path, size, modified, created}`, times in seconds. */
async function fileEntry(root: string, file: string): Promise<JsonObject> {
  const { size, mtimeMs, birthtimeMs } = await stat(file);
  return new Map<string, Json>([['path', relative(root, file)], ['size', BigInt(size)], ['modified', mtimeMs / 1000], ['created', birthtimeMs / 1000]]);
}

async function sendSaved(request: Request, response: Response, root: string, file: string): Promise<void> {
  const isFull = queryText(request, 'full_info')?.toLowerCase() === 'true';
  sendJson(response, encodeJson(isFull ? await fileEntry(root, file) : relative(root, file)));
}

async function refuseTaken(request: Request, file: string): Promise<void> {
  if (queryText(request, 'overwrite')?.toLowerCase() === 'false' && (await exists(file))) throw new HttpError(409, 'File already exists');
}

/** Changes with every write, also with two of equal size within a millisecond: a file is written anew and put in place. Undefined for none. */
async function tagOf(file: string): Promise<string | undefined> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found && `"${[found.mtimeNs, found.size, found.ino].map((one) => one.toString(36)).join('-')}"`;
}

/** `If-Match` is the version that the client has seen. ComfyUI's clients send none, and are refused nothing. */
async function refuseChanged(request: Request, file: string): Promise<void> {
  const wanted = request.headers['if-match'];
  if (wanted === undefined) return;
  const tag = await tagOf(file);
  const isMet = tag !== undefined && (wanted.trim() === '*' || wanted.split(',').some((one) => one.trim() === tag));
  if (isMet) return;
  throw new HttpError(412, tag === undefined ? 'The file is no longer there: send it without If-Match to write it anew' : 'The file was changed since it was read: read it again, or send it without If-Match to replace it');
}

const writing = new Map<string, Promise<unknown>>();

/** Waits for whoever writes the file now. */
async function inTurn(file: string, write: () => Promise<void>): Promise<void> {
  const done = (writing.get(file) ?? Promise.resolve()).then(write);
  const settled = done.catch(() => undefined);
  writing.set(file, settled);
  try {
    await done;
  } finally {
    if (writing.get(file) === settled) writing.delete(file);
  }
}

/** Throws 403 for names that lead out of the user's folder. */
async function userFile(root: string, name: string): Promise<string> {
  const file = await confinedPath(root, name);
  if (file === undefined) throw new HttpError(403, 'the name leads out of the folder of the user');
  return file;
}

async function newFile(root: string, name: string): Promise<string> {
  const file = await userFile(root, name);
  const problem = file === path.resolve(root) ? 'it is the folder itself' : nameProblem(name);
  if (problem !== undefined) throw new HttpError(400, `the file cannot have this name: ${problem}`);
  return file;
}

async function existingFile(root: string, name: string): Promise<string> {
  const file = await userFile(root, name);
  if ((await stat(file).catch(() => undefined))?.isFile() !== true) throw new HttpError(404, '404: Not Found');
  return file;
}

/** The file is there wholly or not at all. */
async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const partial = path.join(path.dirname(file), `.${randomBytes(8).toString('hex')}.partial`);
  await placed(async () => {
    await mkdir(path.dirname(file), { recursive: true });
    try {
      await writeFile(partial, bytes);
      await rename(partial, file);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  });
}

/** What the client can help is its mistake. */
async function placed(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR' || code === 'ENOTEMPTY') throw new HttpError(400, 'there is a folder of this name');
    if (code === 'EEXIST' || code === 'ENOTDIR') throw new HttpError(400, 'a file lies where a folder would have to be');
    if (code === 'ENAMETOOLONG') throw new HttpError(400, 'the name is too long');
    throw error;
  }
}

function param(request: Request, name: string): string {
  return request.params[name] as string;
}

function relative(root: string, file: string): string {
  return path.relative(root, file).replaceAll(path.sep, '/');
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}
