// The one place that lets requests and sockets in: origin and host, rate, token. HTTP and WebSocket ask it alike.
import type { IncomingMessage } from 'node:http';
import { isLoopback, refusalOf, type AccessOptions, type Refusal, type RequestHead } from './access.ts';
import { Buckets, type Rate } from './limits.ts';
import type { Login } from './login.ts';

export interface GateOptions {
  readonly access: AccessOptions;
  /** Absent: whoever passes the origin rules may do all. */
  readonly login?: Login | undefined;
  /** Requests of one client; absent: any number. */
  readonly rate?: Rate | undefined;
  /** Requests from this machine come through a proxy that says for whom (X-Forwarded-For, X-Forwarded-Proto). */
  readonly trustsProxy?: boolean;
  /** Told of everyone who is refused. */
  readonly onRefused?: (why: 'origin' | 'rate' | 'token') => void;
}

/** They say whether the server lives and how to log in, so no token is asked for. Without /api. */
const openPaths = new Set(['/healthz', '/readyz', '/login']);

export class Gate {
  readonly login: Login | undefined;
  readonly cors: string | undefined;
  readonly #options: GateOptions;
  readonly #buckets: Buckets | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.login = options.login;
    this.cors = options.access.cors;
    this.#buckets = options.rate === undefined ? undefined : new Buckets(options.rate);
  }

  /** Why a request is refused, or undefined. `path` is without /api and query. */
  refusalOf(head: RequestHead, path: string, address: string): Refusal | undefined {
    const refused = (why: 'origin' | 'rate' | 'token', refusal: Refusal | undefined) => {
      if (refusal !== undefined) this.#options.onRefused?.(why);
      return refusal;
    };
    if (this.#buckets?.take(address) === false) return refused('rate', { status: 429, reason: 'too many requests came from this address; wait a moment, or raise --rate-limit', retryAfterSeconds: this.#buckets.waitSeconds(address) });
    const foreign = refusalOf(head, this.#options.access);
    if (foreign !== undefined) return refused('origin', foreign);
    if (this.login === undefined || head.method === 'OPTIONS' || (openPaths.has(path) && head.isUpgrade !== true)) return undefined;
    return refused('token', this.login.refusalOf(head, address));
  }

  /** The client's address, for counting. */
  addressOf(request: IncomingMessage): string {
    const address = request.socket.remoteAddress ?? '';
    if (!this.#isFromProxy(address)) return address;
    return String(request.headers['x-forwarded-for'] ?? '').split(',').at(-1)!.trim() || address;
  }

  /** True when the client's own connection is encrypted. */
  isSecure(request: IncomingMessage): boolean {
    if ('encrypted' in request.socket) return true;
    return this.#isFromProxy(request.socket.remoteAddress ?? '') && String(request.headers['x-forwarded-proto'] ?? '').split(',').at(-1)!.trim().toLowerCase() === 'https';
  }

  #isFromProxy(address: string): boolean {
    return this.#options.trustsProxy === true && isLoopback(address);
  }
}
