// Flags of `serve` about who may use the server and how much: token, names, TLS, limits, logs.
import { readFileSync } from 'node:fs';
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import { exposureOf } from '../server/access.ts';
import { leastTokenCharacters } from '../server/login.ts';
import type { LogFormat } from '../server/logbook.ts';
import type { ServerOptions } from '../server/server.ts';
import { UsageError } from './arguments.ts';

const text = (value: string, description: string): CommandOption => ({ type: 'string', value, description });
const flag = (description: string): CommandOption => ({ type: 'boolean', description });

export const accessOptions: Record<string, CommandOption> = {
  listen: { ...text('IP,IP', 'addresses to listen on (default 127.0.0.1; without a value all)'), bare: '0.0.0.0,::' },
  port: text('N', 'port (default 8188)'),
  'auth-token-file': text('FILE', 'ask every client for the token in this file; needed beyond this machine'),
  insecure: flag('listen beyond this machine without a token'),
  'allow-host': { ...text('NAME', 'also answer to this host name'), multiple: true },
  'enable-cors-header': { ...text('ORIGIN', 'let pages of this origin in (default any), in place of the origin check'), bare: '*' },
  'tls-keyfile': text('FILE', 'private key (PEM): serve HTTPS'),
  'tls-certfile': text('FILE', 'certificate (PEM): serve HTTPS'),
  'trust-proxy': flag('a proxy on this machine tells the client in X-Forwarded-For'),
  'rate-limit': text('N', 'requests a second of one client, ten times as many at once (default 500; 0 = any number)'),
  'max-sockets': text('N', 'WebSockets at once, a quarter of them for one client (default 4096)'),
  'max-queue': text('N', 'prompts that may wait (default 10000)'),
  'max-upload-size': text('MB', 'largest body (default 100)'),
  'log-format': text('FORMAT', 'text (default), or json: a line for each event and request, with their ids'),
};

type AccessOptions = Pick<ServerOptions, 'addresses' | 'port' | 'token' | 'isInsecure' | 'allowedHosts' | 'cors' | 'tls' | 'trustsProxy' | 'requestsPerSecond' | 'mostSockets' | 'mostWaiting' | 'maxUploadBytes'>;

/** Throws a UsageError for flags that cannot be, and where everyone on the network could use the server. */
export function accessOf({ options: given }: CommandArguments): AccessOptions & { readonly logFormat: LogFormat } {
  const one = (name: string) => (typeof given[name] === 'string' ? (given[name] as string) : undefined);
  const number = (name: string, initial: number, most = Number.MAX_SAFE_INTEGER, least = 0) => {
    const value = Number(one(name) ?? initial);
    if (one(name)?.trim() === '' || !(value >= least && value <= most)) throw new UsageError(`--${name} is ${JSON.stringify(one(name))}: give a number from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}`);
    return value;
  };
  const whole = (name: string, initial: number, least: number, most?: number) => {
    const value = number(name, initial, most, least);
    if (!Number.isInteger(value)) throw new UsageError(`--${name} is ${JSON.stringify(one(name))}: give a whole number`);
    return value;
  };
  const format = one('log-format') ?? 'text';
  if (format !== 'text' && format !== 'json') throw new UsageError(`--log-format is ${JSON.stringify(format)}: give text or json`);
  const token = one('auth-token-file') === undefined ? undefined : readToken(one('auth-token-file')!);
  const addresses = (one('listen') ?? '127.0.0.1').split(',').map((word) => word.trim()).filter((word) => word !== '');
  if (addresses.length === 0) throw new UsageError('--listen names no address');
  const exposure = exposureOf(addresses, token, given['insecure'] === true);
  if (exposure !== undefined) throw new UsageError(exposure);
  return {
    addresses, port: whole('port', 8188, 0, 65_535), token, isInsecure: given['insecure'] === true, cors: one('enable-cors-header'), tls: tlsOf(one('tls-keyfile'), one('tls-certfile')),
    allowedHosts: Array.isArray(given['allow-host']) ? (given['allow-host'] as readonly string[]) : [], trustsProxy: given['trust-proxy'] === true,
    requestsPerSecond: number('rate-limit', 500), mostSockets: whole('max-sockets', 4096, 1), mostWaiting: whole('max-queue', 10_000, 1), maxUploadBytes: Math.round(number('max-upload-size', 100) * 2 ** 20), logFormat: format,
  };
}

function readToken(file: string): string {
  const token = read('auth-token-file', file).toString('utf8').trim();
  const make = `make one with: openssl rand -hex 32 > ${file}`;
  if (token.length < leastTokenCharacters) throw new UsageError(`--auth-token-file ${file} holds ${token === '' ? 'no token' : `a token of ${token.length} characters, and one of fewer than ${leastTokenCharacters} could be guessed`}; ${make}`);
  if (!/^[\x21-\x7e]+$/.test(token)) throw new UsageError(`--auth-token-file ${file} holds spaces, lines or characters beyond ASCII, which a header cannot carry; ${make}`);
  return token;
}

function tlsOf(key: string | undefined, cert: string | undefined): ServerOptions['tls'] {
  if (key === undefined && cert === undefined) return undefined;
  if (key === undefined || cert === undefined) throw new UsageError('--tls-keyfile and --tls-certfile go together: give both');
  return { key: read('tls-keyfile', key), cert: read('tls-certfile', cert) };
}

function read(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`--${option} ${file} cannot be read: ${(error as Error).message}`);
  }
}
