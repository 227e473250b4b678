// The HTTP side that all routes share: access, limits, JSON answers, cache headers, static folders. Knows no route.
import { gzipSync } from 'node:zlib';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { refusalOf, type AccessOptions } from './access.ts';

export type Handler = (request: Request, response: Response) => void | Promise<void>;
export type Methods = Partial<Readonly<Record<'get' | 'post' | 'put' | 'patch' | 'delete', Handler>>>;

export interface WebOptions {
  readonly access: AccessOptions;
  readonly maxUploadBytes: number;
  /** Gzips JSON and texts where the client takes it. */
  readonly compresses: boolean;
  readonly log: (line: string) => void;
}

/** An answer that a route gives by throwing. */
export class HttpError extends Error {
  readonly status: number;
  /** The message is JSON. */
  readonly isJson: boolean;

  constructor(status: number, message: string, isJson = false) {
    super(message);
    this.status = status;
    this.isJson = isJson;
  }
}

export class Web {
  readonly app: Express = express();
  readonly #options: WebOptions;

  constructor(options: WebOptions) {
    this.#options = options;
    this.app.disable('x-powered-by');
    this.app.disable('etag');
    this.app.use((request, response, next) => this.#begin(request, response, next));
  }

  /** A path with what it answers to; other methods get 405. It also exists below /api. */
  on(path: string, methods: Methods): void {
    const route = this.app.route(path);
    for (const [method, handler] of Object.entries(methods) as [keyof Methods, Handler][]) route[method!](handler);
    const allowed = Object.keys(methods).map((method) => method.toUpperCase()).join(', ');
    route.all((_request, response) => {
      response.setHeader('Allow', allowed);
      sendText(response, 405, '405: Method Not Allowed');
    });
  }

  /** Files below a folder; what is not there is left to later routes. */
  files(path: string, folder: string): void {
    this.app.use(path, express.static(folder, { cacheControl: false, index: false, redirect: false, dotfiles: 'ignore' }));
  }

  /** Call it when all routes are there. */
  end(): void {
    this.app.use((_request: Request, response: Response) => sendText(response, 404, '404: Not Found'));
    this.app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => this.#fail(error, response));
  }

  /** The whole body. Throws 413 above the limit. */
  body(request: Request): Promise<Buffer> {
    const { maxUploadBytes } = this.#options;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const refuse = () => {
        request.removeAllListeners('data').resume();
        reject(new HttpError(413, `the body is larger than ${maxUploadBytes} bytes; raise --max-upload-size`));
      };
      if (Number(request.headers['content-length'] ?? 0) > maxUploadBytes) return refuse();
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxUploadBytes) refuse();
        else chunks.push(chunk);
      });
      request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
      request.on('error', reject);
      request.on('aborted', () => reject(new HttpError(400, 'the body broke off')));
    });
  }

  #begin(request: Request, response: Response, next: NextFunction): void {
    const { access, compresses } = this.#options;
    const refusal = refusalOf({ method: request.method, url: request.url, headers: request.headers }, access);
    if (access.cors !== undefined) {
      response.setHeader('Access-Control-Allow-Origin', access.cors);
      response.setHeader('Access-Control-Allow-Methods', 'POST, GET, DELETE, PUT, OPTIONS');
      response.setHeader('Access-Control-Allow-Headers', 'Content-Type, Authorization');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
    }
    if (refusal !== undefined) return sendText(response, refusal.status, refusal.reason);
    if (request.method === 'OPTIONS') return sendText(response, 200, '');
    const path = request.path;
    if (cachedPath.test(path)) addCacheHeader(path, response);
    if (compresses && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) response.locals['gzip'] = true;
    if (request.url.startsWith('/api/')) request.url = request.url.slice(4);
    next();
  }

  #fail(error: unknown, response: Response): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const status = (error as { status?: unknown }).status;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      if (status === 413) response.setHeader('Connection', 'close');
      return error instanceof HttpError && error.isJson ? sendJson(response, error.message, status) : sendText(response, status, (error as Error).message);
    }
    this.#options.log(error instanceof Error ? error.stack ?? error.message : String(error));
    sendText(response, 500, '500 Internal Server Error\n\nServer got itself in trouble');
  }
}

const cachedPath = /\.(?:js|css|json|jpe?g|png|ppm|bmp|pgm|tiff?|webp)$/i;

/** ComfyUI's rule: code and indexes are asked for anew, pictures keep for a day, missing ones for an hour. */
function addCacheHeader(path: string, response: Response): void {
  const isPicture = !/\.(?:js|css|json)$/i.test(path);
  if (!isPicture && /\.json$/i.test(path) && !/\/index[^/]*\.json$/i.test(path)) return;
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => Response;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    const value = isPicture ? pictureCaching(status) : 'no-cache';
    if (value !== undefined && !response.hasHeader('Cache-Control')) response.setHeader('Cache-Control', value);
    return writeHead(status, ...rest);
  }) as typeof response.writeHead;
}

function pictureCaching(status: number): string | undefined {
  if (status === 404) return 'public, max-age=3600';
  if ((status >= 200 && status <= 206) || status === 301 || status === 308) return 'public, max-age=86400';
  return status === 302 || status === 303 || status === 307 ? 'no-cache' : undefined;
}

export function sendJson(response: Response, json: string, status = 200): void {
  send(response, status, 'application/json; charset=utf-8', json);
}

export function sendText(response: Response, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text);
}

/** Status 200 without a body. */
export function sendEmpty(response: Response, status = 200): void {
  response.writeHead(status, status === 204 ? {} : { 'Content-Length': 0 }).end();
}

const leastGzipped = 1024;

function send(response: Response, status: number, type: string, text: string): void {
  let bytes = Buffer.from(text);
  if (response.locals['gzip'] === true && bytes.length >= leastGzipped) {
    bytes = gzipSync(bytes);
    response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Vary', 'Accept-Encoding');
  }
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length }).end(bytes);
}

/** One value of the query. */
export function queryText(request: Request, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === 'string' ? value : Array.isArray(value) && typeof value[0] === 'string' ? value[0] : undefined;
}

/** A whole number of the query; throws 400 for anything else. */
export function queryNumber(request: Request, name: string): number | undefined {
  const text = queryText(request, name);
  if (text === undefined) return undefined;
  if (!/^\s*[+-]?\d{1,15}\s*$/.test(text)) throw new HttpError(400, `${name} is ${JSON.stringify(text)}: give a whole number`);
  return Number(text);
}
