// Origins and host names: each gap of ComfyUI's rule by itself, for requests and for sockets.
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { exposureOf, isFromOwnPage, refusalOf, type AccessOptions, type RequestHead } from '../../engine/server/access.ts';
import { networkOf } from '../../engine/server/gate.ts';
import { serve } from './harness.ts';

const loopback: AccessOptions = { hosts: ['box', 'box.local'], checksHost: true };
const get = (headers: Record<string, string>, more: Partial<RequestHead> = {}): RequestHead => ({ method: 'GET', url: '/prompt', headers, ...more });
const post = (headers: Record<string, string>) => get(headers, { method: 'POST' });
const status = (head: RequestHead, access = loopback) => refusalOf(head, access)?.status;

describe('who may ask', () => {
  test.each<[string, RequestHead]>([
    ['a program without an origin', post({ host: '127.0.0.1:8188' })],
    ['HTTP/1.0 without a host', get({})],
    ['our own page', post({ host: 'localhost:8188', origin: 'http://localhost:8188', 'sec-fetch-site': 'same-origin' })],
    ['our own page in capitals', post({ host: 'LOCALHOST:8188', origin: 'HTTP://LocalHost:8188' })],
    ['behind a proxy that drops ports', post({ host: 'localhost', origin: 'http://localhost:80' })],
    ['a name with the dot that ends it', get({ host: 'localhost.:8188' })],
    ['this machine by its name', get({ host: 'box.local:8188' })],
    ['an address', get({ host: '192.168.1.7:8188' })],
    ['IPv6', post({ host: '[::1]:8188', origin: 'http://[::1]:8188' })],
    ['a link on another site', get({ host: 'localhost:8188', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })],
    ['an address typed in', get({ host: 'localhost:8188', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })],
  ])('%s', (_what, head) => expect(status(head)).toBeUndefined());

  test.each<[string, RequestHead]>([
    ['another origin', get({ host: 'localhost:8188', origin: 'https://evil.example' })],
    ['another port', get({ host: 'localhost:8188', origin: 'http://localhost:3000' })],
    ['another name of this machine', get({ host: '127.0.0.1:8188', origin: 'http://localhost:8188' })],
    ['a sandboxed frame or a file', post({ host: 'localhost:8188', origin: 'null' })],
    ['a name bound to this machine', get({ host: 'evil.example:8188', origin: 'http://evil.example:8188' })],
    ['a name that ends like ours', get({ host: 'evil-localhost:8188' })],
    ['a name with ours in front', get({ host: '127.0.0.1.evil.example:8188' })],
    ['nothing but an empty host', get({ host: '' })],
    ['a fetch from elsewhere without an origin', get({ host: 'localhost:8188', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })],
    ['a form from elsewhere', post({ host: 'localhost:8188', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })],
    ['a frame from elsewhere', get({ host: 'localhost:8188', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' })],
    ['two answers to where it comes from', get({ host: 'localhost:8188', 'sec-fetch-site': 'same-origin, cross-site' })],
    ['a page without a port on this machine', post({ host: 'localhost:8188', origin: 'http://localhost', 'sec-fetch-site': 'same-site' })],
    ['a socket of a page on another port', get({ host: 'localhost', origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }, { isUpgrade: true })],
    ['a page elsewhere, over the network', post({ host: '192.168.1.7:8188', origin: 'https://evil.example' })],
    ['an origin with ours as its user', get({ host: 'localhost:8188', origin: 'http://localhost:8188@evil.example' })],
  ])('not %s', (_what, head) => expect(status(head)).toBe(403));

  test('CORS replaces the origin check but not the names; allowed names may be origins behind a proxy', () => {
    expect(status(get({ host: 'localhost:8188', origin: 'https://app.example' }), { ...loopback, cors: '*' })).toBeUndefined();
    expect(status(get({ host: 'evil.example' }), { ...loopback, cors: '*' })).toBe(403);
    expect(status(get({ host: '127.0.0.1:8188', origin: 'https://draw.example' }), { ...loopback, origins: ['draw.example'] })).toBeUndefined();
    expect(status(get({ host: 'evil.example' }), { ...loopback, checksHost: false })).toBeUndefined();
  });

  test('a cookie needs the page of the same origin', () => {
    const host = 'localhost:8188';
    expect(isFromOwnPage(post({ host, origin: `http://${host}` }))).toBe(true);
    expect(isFromOwnPage(post({ host, 'sec-fetch-site': 'same-origin' }))).toBe(true);
    expect(isFromOwnPage(post({ host }))).toBe(false);
    expect(isFromOwnPage(post({ host, origin: `http://${host}`, 'sec-fetch-site': 'same-site' }))).toBe(false);
    expect(isFromOwnPage(post({ host, origin: 'http://localhost:3000' }))).toBe(false);
  });

  test('beyond loopback a token is needed, or someone who means it', () => {
    expect(exposureOf(['127.0.0.1', '::1', 'localhost', '127.8.9.1'], undefined, false)).toBeUndefined();
    expect(exposureOf(['127.0.0.1', '0.0.0.0'], undefined, false)).toMatch(/0\.0\.0\.0 lets everyone.*--auth-token-file.*--insecure/);
    expect(exposureOf(['::'], 'x', false)).toBeUndefined();
    expect(exposureOf(['192.168.1.7'], undefined, true)).toBeUndefined();
  });
});

test('clients are counted by what is theirs alone', () => {
  for (const [address, network] of [
    ['1.2.3.4', '1.2.3.4'], ['::ffff:1.2.3.4', '1.2.3.4'], ['::1', '::1'], ['2001:db8::1', '2001:db8:0:0::/64'], ['2001:0db8:0:0:ffff::2', '2001:db8:0:0::/64'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64'], ['::2', '0:0:0:0::/64'], ['no address', 'no address'],
  ]) expect([address, networkOf(address!)]).toEqual([address, network]);
});

test('a server beyond loopback does not start without a token, and checks names where anyone may come', async () => {
  await expect(serve({ addresses: ['0.0.0.0'] })).rejects.toThrow('--auth-token-file');
  const server = await serve({ addresses: ['0.0.0.0'], isInsecure: true });
  const asked = (host: string) => new Promise<number>((resolve, reject) => {
    request({ port: server.port, path: '/prompt', headers: { Host: host } }, (response) => resolve(response.resume().statusCode!)).on('error', reject).end();
  });
  expect([await asked('192.168.1.7:8188'), await asked('evil.example')]).toEqual([200, 403]);
});

test('sockets are let in by the same rules', async () => {
  const server = await serve();
  const open = (headers: Record<string, string>, route = '/ws') => new Promise<number>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${route}`, { headers });
    socket.on('open', () => {
      socket.close();
      resolve(101);
    });
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
    socket.on('error', reject);
  });
  const host = `127.0.0.1:${server.port}`;
  expect(await open({})).toBe(101);
  expect(await open({ Origin: `http://${host}` }, '/api/ws')).toBe(101);
  expect(await open({ Origin: 'https://evil.example' })).toBe(403);
  expect(await open({ Origin: 'null' })).toBe(403);
  expect(await open({ Origin: 'http://127.0.0.1:1' })).toBe(403);
  expect(await open({ Host: 'evil.example', Origin: 'http://evil.example' })).toBe(403);
  expect(await open({ 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
  expect(await open({}, '/api/nowhere')).toBe(404);
  expect(await open({}, `/ws?clientId=${'x'.repeat(300)}`)).toBe(400);
});
