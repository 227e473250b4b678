// A Hugging Face of our own for tests: listing, files behind a redirect to another origin, ranges; and servers that break off, stall, lie or are busy.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What to do with a request for a file's bytes instead of answering it; undefined = answer. `nth` counts the requests for this file. */
export type Mischief = (request: { readonly name: string; readonly nth: number; readonly from: number; readonly content: Buffer }, response: ServerResponse) => boolean;

export interface ModelServer {
  /** Address of the listing. */
  readonly endpoint: string;
  /** Requests so far: method, path, Range, Authorization; `cdn` before those at the other origin. */
  readonly requests: string[];
  mischief: Mischief | undefined;
  /** Token without which everything is refused. */
  token: string | undefined;
  close(): Promise<void>;
}

export const commit = 'c0ffee'.padEnd(40, '0');

/** Serves `files` as the repository `repo`. Files over 1,000 bytes are large ones with a SHA-256. */
export async function serveModel(repo: string, files: Readonly<Record<string, Buffer>>): Promise<ModelServer> {
  const counts = new Map<string, number>();
  const requests: string[] = [];
  const state: { mischief: Mischief | undefined; token: string | undefined } = { mischief: undefined, token: undefined };
  const log = (prefix: string, { method, url, headers }: IncomingMessage) => requests.push([prefix + method!, url, headers.range, headers.authorization].filter((part) => part !== undefined).join(' '));

  const cdn = createServer((request, response) => {
    log('cdn ', request);
    const name = decodeURIComponent(request.url!.slice(1));
    const content = files[name]!;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    if (state.mischief?.({ name, nth, from, content }, response) === true) return;
    answer(response, content, from);
  });
  const cdnAddress = await listen(cdn);
  const hub = createServer((request, response) => {
    log('', request);
    const { pathname } = new URL(request.url!, 'http://hub');
    const json = (value: unknown, status = 200) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (state.token !== undefined && request.headers.authorization !== `Bearer ${state.token}`) return void json({ error: 'restricted' }, 401);
    if (pathname === `/api/models/${repo}/tree/${commit}`) return void json(Object.entries(files).map(([name, content]) => entryOf(name, content)));
    if (pathname.startsWith(`/api/models/${repo}`)) return void json({ _id: '1', id: repo, modelId: repo, sha: commit, private: false, gated: false, downloads: 0, likes: 0, lastModified: '2025-05-20T00:00:00.000Z' });
    const name = decodeURIComponent(pathname.split(`/${repo}/resolve/${commit}/`)[1] ?? '');
    if (files[name] === undefined) return void json({ error: 'not found' }, 404);
    response.writeHead(302, { location: `${cdnAddress}/${encodeURIComponent(name)}` }).end();
  });
  const endpoint = await listen(hub);
  return Object.assign(state, { endpoint, requests, close: async () => { for (const server of [hub, cdn]) { server.closeAllConnections(); await new Promise((done) => server.close(done)); } } });
}

/** The rest of a file from a byte on, as a server with ranges gives it. */
export function answer(response: ServerResponse, content: Buffer, from: number, end = content.length): void {
  const range = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from, ...range });
  if (end === content.length) response.end(content.subarray(from));
  else response.write(content.subarray(from, end));
}

function entryOf(name: string, content: Buffer): Record<string, unknown> {
  const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const lfs = { oid: createHash('sha256').update(content).digest('hex'), size: content.length, pointerSize: 134 };
  return { type: 'file', path: name, size: content.length, oid, ...(content.length > 1000 ? { lfs } : {}) };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
