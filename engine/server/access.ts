// Who may talk to the server: pages of other origins may not, nor names that were bound to this machine from outside (DNS rebinding).
// ComfyUI's rule (comfy-contract §1.1) with its gaps closed. Pure; knows headers only.
import { isIPv4, isIPv6 } from 'node:net';

export interface AccessOptions {
  /** Host names under which this server is known, lower case, without port. */
  readonly hosts: readonly string[];
  /** Refuse host names that are neither known nor addresses. Right where the server listens on loopback alone. */
  readonly checksHost: boolean;
  /** Origin that may read answers (`*` = any); set, it replaces the origin check. */
  readonly cors?: string;
  /** Asked of every request, as `Authorization: Bearer` or `?token=`. */
  readonly token?: string;
}

export interface RequestHead {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Why a request is refused, or undefined. */
export function refusalOf({ method, url, headers }: RequestHead, { hosts, checksHost, cors, token }: AccessOptions): { readonly status: 401 | 403; readonly reason: string } | undefined {
  const refused = (reason: string) => ({ status: 403, reason } as const);
  const host = text(headers['host'])?.toLowerCase();
  const origin = text(headers['origin'])?.toLowerCase();
  if (checksHost && host !== undefined && !isKnownHost(nameOf(host), hosts)) return refused(`the host name ${JSON.stringify(nameOf(host))} is not known here; allow it with --allow-host`);
  if (method === 'OPTIONS') return undefined;
  if (cors === undefined) {
    if (origin === 'null') return refused('requests without an origin of their own are refused');
    const isNavigation = text(headers['sec-fetch-mode']) === 'navigate' && (method === 'GET' || method === 'HEAD');
    if (text(headers['sec-fetch-site']) === 'cross-site' && !isNavigation) return refused('requests from other sites are refused; allow them with --enable-cors-header');
    if (host !== undefined && origin !== undefined && isLoopback(nameOf(host)) && !isSameOrigin(host, origin)) return refused('requests from other origins are refused; allow them with --enable-cors-header');
  }
  if (token !== undefined && !isTokenGiven(url, text(headers['authorization']), token)) return { status: 401, reason: 'a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN' };
  return undefined;
}

/** True for `localhost` and addresses of the loopback interface. */
export function isLoopback(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || (isIPv4(name) && name.startsWith('127.')) || name === '::1' || name === '::ffff:127.0.0.1';
}

/** An address cannot be rebound; a name can. */
function isKnownHost(name: string, hosts: readonly string[]): boolean {
  return isLoopback(name) || isIPv4(name) || isIPv6(name) || hosts.includes(name);
}

/** Compares host and port; where one has no port, hosts alone. */
function isSameOrigin(host: string, origin: string): boolean {
  const from = origin.replace(/^[a-z][a-z\d+.-]*:\/\//, '').replace(/\/$/, '');
  if (portOf(from) === undefined || portOf(host) === undefined) return nameOf(from) === nameOf(host);
  return from === host;
}

function nameOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d+$/, '');
}

function portOf(host: string): string | undefined {
  return /(?:^\[[^\]]*\]|^[^:]*):(\d+)$/.exec(host)?.[1];
}

function isTokenGiven(url: string, authorization: string | undefined, token: string): boolean {
  if (authorization === `Bearer ${token}`) return true;
  const query = url.indexOf('?');
  return query >= 0 && new URLSearchParams(url.slice(query)).get('token') === token;
}

function text(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value;
}
