// The HTTP side that all routes share: who is let in, limits, JSON answers, headers, static folders. Knows no route.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { readBody, type BodyLimits } from './body.ts';
import type { Gate } from './gate.ts';
import type { LogFields } from './logbook.ts';
import { isPageVisit, sendLoginPage } from './login-page.ts';
import { HttpError } from './http-error.ts';
import { answerPolicy } from './policies.ts';

export type Handler = (request: Request, response: Response) => void | Promise<void>;
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
export type Methods = Partial<Readonly<Record<Method, Handler>>>;

export interface WebOptions {
  readonly gate: Gate;
  readonly limits: BodyLimits;
  /** Gzips JSON and texts where the client takes it. */
  readonly compresses: boolean;
  readonly log: (line: string, fields?: LogFields) => void;
  /** Told of every answer once it is out, or its client gone. */
  readonly onAnswered?: (answered: Answered) => void;
}

/** A request and how it went. */
export interface Answered {
  /** As in the answer's X-Request-Id. */
  readonly id: string;
  readonly method: string;
  /** The route's pattern, such as `/history/:id`; absent where there was none. */
  readonly route?: string;
  /** Without the query, which may hold names of files. */
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly client: string;
  /** The client went before its answer was out. */
  readonly isBroken: boolean;
}

export interface Route {
  /** With `:name` for parts that vary; without /api. */
  readonly path: string;
  readonly methods: readonly Method[];
}

export class Web {
  readonly app: Express = express();
  /** All there are, in the order in which they were added. */
  readonly routes: Route[] = [];
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
    this.routes.push({ path, methods: Object.keys(methods) as Method[] });
    route.all((_request, response, next) => {
      response.locals['route'] = path;
      next();
    });
    for (const [method, handler] of Object.entries(methods) as [Method, Handler][]) route[method](handler);
    const allowed = Object.keys(methods).map((method) => method.toUpperCase()).join(', ');
    route.all((_request, response) => {
      response.setHeader('Allow', allowed);
      sendText(response, 405, '405: Method Not Allowed');
    });
  }

  /** Files below a folder; what is not there is left to later routes. `policy` is the Content-Security-Policy of pages among them. */
  files(path: string, folder: string, policy?: string): void {
    const send = express.static(folder, { cacheControl: false, index: false, redirect: false, dotfiles: 'ignore' });
    this.app.use(path, (request, response, next) => {
      const before = response.getHeader('Content-Security-Policy');
      if (policy !== undefined) response.setHeader('Content-Security-Policy', policy);
      send(request, response, (error?: unknown) => {
        if (before !== undefined) response.setHeader('Content-Security-Policy', before);
        next(error);
      });
    });
  }

  /** Call it when all routes are there. */
  end(): void {
    this.app.use((_request: Request, response: Response) => sendText(response, 404, '404: Not Found'));
    this.app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => this.#fail(error, response));
  }

  /** The whole body. Throws 413 above the limit, 415 where it is compressed, 408 where it does not come, 503 where all bodies together are too many. */
  async body(request: Request): Promise<Buffer> {
    const { bytes, free } = await readBody(request, this.#options.limits);
    (request.res as Response | undefined)?.once('close', free);
    if (request.res?.closed === true) free();
    if (request.res !== undefined) (request.res as Response).locals['receivedBytes'] = bytes.length;
    return bytes;
  }

  /** The whole body as text. Throws 400 for what is not UTF-8, else as `body`. */
  async text(request: Request): Promise<string> {
    const bytes = await this.body(request);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new HttpError(400, 'the body is no UTF-8 text');
    }
  }

  #begin(request: Request, response: Response, next: NextFunction): void {
    const { gate, compresses } = this.#options;
    const address = gate.addressOf(request);
    this.#observe(request, response, address);
    addSafeHeaders(response, gate.cors);
    const isPrefixed = request.url.startsWith('/api/');
    const refusal = gate.refusalOf(request, isPrefixed ? request.path.slice(4) : request.path, address);
    if (refusal !== undefined) {
      if (refusal.retryAfterSeconds !== undefined) response.setHeader('Retry-After', refusal.retryAfterSeconds);
      if (refusal.status === 401 && isPageVisit(request)) return sendLoginPage(response, 401);
      if (refusal.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
      return sendText(response, refusal.status, refusal.reason);
    }
    if (request.method === 'OPTIONS') return sendText(response, 200, '');
    const path = request.path;
    if (cachedPath.test(path)) addCacheHeader(path, response);
    if (compresses && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) response.locals['gzip'] = true;
    if (isPrefixed) request.url = request.url.slice(4);
    next();
  }

  /** Gives the request an id, and tells when it is over. */
  #observe(request: Request, response: Response, client: string): void {
    const { onAnswered } = this.#options;
    const sent = request.headers['x-request-id'];
    const id = typeof sent === 'string' && /^[\w.:-]{1,100}$/.test(sent) ? sent : randomBytes(8).toString('hex');
    response.locals['requestId'] = id;
    response.setHeader('X-Request-Id', id);
    if (onAnswered === undefined) return;
    const { method, path, socket } = request;
    const [startedAt, bytesBefore] = [performance.now(), socket.bytesWritten];
    response.once('close', () => onAnswered({
      id, method, path, client, status: response.statusCode, ms: performance.now() - startedAt, isBroken: !response.writableFinished,
      receivedBytes: (response.locals['receivedBytes'] as number | undefined) ?? 0, sentBytes: Math.max(0, socket.bytesWritten - bytesBefore),
      ...(response.locals['route'] === undefined ? {} : { route: response.locals['route'] as string }),
    }));
  }

  #fail(error: unknown, response: Response): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const status = (error as { status?: unknown }).status;
    if (typeof status === 'number' && status >= 400 && (status < 500 || error instanceof HttpError)) {
      if (status === 429 || status === 503) response.setHeader('Retry-After', '5');
      if (status === 408 || status === 413) response.setHeader('Connection', 'close');
      return error instanceof HttpError && error.isJson ? sendJson(response, error.message, status) : sendText(response, status, (error as Error).message);
    }
    this.#options.log(error instanceof Error ? error.stack ?? error.message : String(error), { level: 'error', request: response.locals['requestId'] as string });
    sendText(response, 500, '500 Internal Server Error\n\nServer got itself in trouble');
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Whatever the route: no guessing of types, no scripts, no frames elsewhere, no use by pages of other origins unless they are let in. */
function addSafeHeaders(response: Response, cors: string | undefined): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'SAMEORIGIN');
  response.setHeader('Referrer-Policy', 'same-origin');
  response.setHeader('Content-Security-Policy', answerPolicy);
  response.setHeader('Cross-Origin-Resource-Policy', cors === undefined ? 'same-origin' : 'cross-origin');
  if (cors === undefined) return;
  response.setHeader('Access-Control-Allow-Origin', cors);
  response.setHeader('Access-Control-Allow-Methods', 'POST, GET, DELETE, PUT, OPTIONS');
  response.setHeader('Access-Control-Allow-Headers', 'Content-Type, Authorization');
  response.setHeader('Access-Control-Allow-Credentials', 'true');
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
