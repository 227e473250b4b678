// The one place that lets requests and sockets in: origin and host, rate, token. HTTP and WebSocket ask it alike.
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
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

  /** What the client is counted by: its IPv4 address, or the network of its IPv6 address, of which anyone has as many as he likes. */
  addressOf(request: IncomingMessage): string {
    const address = request.socket.remoteAddress ?? '';
    if (!this.#isFromProxy(address)) return networkOf(address);
    return networkOf(String(request.headers['x-forwarded-for'] ?? '').split(',').at(-1)!.trim() || address);
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

/** `2001:db8::1` → `2001:db8:0:0::/64`; IPv4, also written as IPv6, as it is. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const plain = address.replace(/%.*$/, '').toLowerCase();
  if (!isIPv6(plain) || plain === '::1') return address;
  const [front = '', back = ''] = plain.split('::', 2);
  const [before, after] = [front, back].map((side) => (side === '' ? [] : side.split(':'))) as [string[], string[]];
  const zeros = plain.includes('::') ? Math.max(0, 8 - before.length - after.length - (plain.includes('.') ? 1 : 0)) : 0;
  return `${[...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
