// From which pages and under which names the server may be called: not by pages of other origins, nor under names that were bound to this
// machine from outside (DNS rebinding). ComfyUI's rule (comfy-contract §1.1) with its gaps closed. Pure; knows headers only, no tokens.
import { isIPv4, isIPv6 } from 'node:net';

export interface AccessOptions {
  /** Host names under which this server is known, lower case, without port. */
  readonly hosts: readonly string[];
  /** Refuse host names that are neither known nor addresses. Right wherever nothing else proves who asks. */
  readonly checksHost: boolean;
  /** Names whose pages may call it although the Host differs, as behind a proxy that rewrites it. */
  readonly origins?: readonly string[];
  /** Origin that may read answers (`*` = any); set, it replaces the origin check. */
  readonly cors?: string;
}

export interface RequestHead {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** A WebSocket handshake: a GET, yet it opens the door to all that is told. */
  readonly isUpgrade?: boolean;
}

export interface Refusal {
  readonly status: 401 | 403 | 429;
  readonly reason: string;
  readonly retryAfterSeconds?: number;
}

const refused = (reason: string): Refusal => ({ status: 403, reason });

/** Why a request is refused, or undefined. */
export function refusalOf(head: RequestHead, { hosts, checksHost, origins = [], cors }: AccessOptions): Refusal | undefined {
  const host = headerOf(head, 'host')?.toLowerCase();
  if (checksHost && host !== undefined && !isKnownHost(nameOf(host), hosts)) return refused(`the host name ${JSON.stringify(nameOf(host))} is not known here; allow it with --allow-host`);
  if (head.method === 'OPTIONS' || cors !== undefined) return undefined;
  const origin = headerOf(head, 'origin')?.toLowerCase();
  if (origin === 'null') return refused('requests without an origin of their own are refused');
  const site = sitesOf(head);
  if (site.has('cross-site') && !isVisit(head)) return refused('requests from other sites are refused; allow them with --enable-cors-header');
  if (site.has('same-site') && changesState(head)) return refused('requests from other origins of this site are refused; allow them with --enable-cors-header');
  if (host !== undefined && origin !== undefined && !isSameOrigin(host, origin) && !origins.includes(nameOf(placeOf(origin)))) {
    return refused('requests from other origins are refused; allow them with --enable-cors-header, or the name behind a proxy with --allow-host');
  }
  return undefined;
}

/** True when the browser itself says that a page of this server asks: what a cookie needs before it may change anything. */
export function isFromOwnPage(head: RequestHead): boolean {
  const [site] = sitesOf(head);
  if (site !== undefined) return site === 'same-origin' || (site === 'none' && !head.isUpgrade);
  const [host, origin] = [headerOf(head, 'host')?.toLowerCase(), headerOf(head, 'origin')?.toLowerCase()];
  return host !== undefined && origin !== undefined && isSameOrigin(host, origin);
}

/** False for what only reads. */
export function changesState({ method, isUpgrade = false }: RequestHead): boolean {
  return isUpgrade || (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS');
}

/** True for `localhost` and addresses of the loopback interface. */
export function isLoopback(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || (isIPv4(name) && name.startsWith('127.')) || name === '::1' || name === '::ffff:127.0.0.1';
}

/** Why a server must not start like this: beyond loopback, without a token, and nobody has said that this is meant. Undefined when it may. */
export function exposureOf(addresses: readonly string[], token: string | undefined, isInsecure: boolean): string | undefined {
  const beyond = addresses.filter((address) => !isLoopback(address));
  if (token !== undefined || isInsecure || beyond.length === 0) return undefined;
  return `listening on ${beyond.join(', ')} lets everyone on the network use this machine: give --auth-token-file FILE with a token (openssl rand -hex 32 > FILE), or --insecure where something else guards it`;
}

export function headerOf({ headers }: RequestHead, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value[0] : value;
}

/** Several where a header was sent twice. */
function sitesOf(head: RequestHead): ReadonlySet<string> {
  return new Set(headerOf(head, 'sec-fetch-site')?.split(',').map((site) => site.trim()) ?? []);
}

/** Someone follows a link to here, into a window of its own: the page that links sees nothing of the answer. */
function isVisit(head: RequestHead): boolean {
  const into = headerOf(head, 'sec-fetch-dest') ?? 'document';
  return headerOf(head, 'sec-fetch-mode') === 'navigate' && into === 'document' && !changesState(head);
}

/** An address cannot be rebound; a name can. */
function isKnownHost(name: string, hosts: readonly string[]): boolean {
  return isLoopback(name) || isIPv4(name) || isIPv6(name) || hosts.includes(name);
}

/** Compares host and port; where one has no port, hosts alone (ComfyUI's rule: proxies drop ports). */
function isSameOrigin(host: string, origin: string): boolean {
  const from = placeOf(origin);
  if (portOf(from) === undefined || portOf(host) === undefined) return nameOf(from) === nameOf(host);
  return from === host;
}

function placeOf(origin: string): string {
  return origin.replace(/^[a-z][a-z\d+.-]*:\/\//, '').replace(/\/$/, '');
}

/** Without the port, and without the dot that may end a full name. */
function nameOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '').replace(/\.$/, '');
}

function portOf(host: string): string | undefined {
  return /(?:^\[[^\]]*\]|^[^:]*):(\d+)$/.exec(host)?.[1];
}
