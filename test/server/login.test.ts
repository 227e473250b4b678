// Tokens and sessions over HTTP and on sockets, and what a guesser meets.
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { encodePng } from '../../engine/image/encode.ts';
import { Login } from '../../engine/server/login.ts';
import { serve, type TestServer } from './harness.ts';

const token = '0123456789abcdef0123456789abcdef';

interface Answered { readonly status: number; readonly headers: Record<string, string | string[] | undefined>; readonly body: string }

function ask({ port }: TestServer, method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answered> {
  return new Promise((resolve, reject) => {
    request({ port, path, method, headers: { Host: `127.0.0.1:${port}`, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode!, headers: response.headers as Answered['headers'], body: text }));
    }).on('error', reject).end(body);
  });
}

async function logIn(server: TestServer): Promise<string> {
  const { status, headers } = await ask(server, 'POST', '/api/login', {}, JSON.stringify({ token }));
  expect(status).toBe(200);
  return (headers['set-cookie'] as string[])[0]!.split(';')[0]!;
}

function open({ port }: TestServer, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers });
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
    socket.on('error', reject);
  });
}

test('every route but three asks for the token; only the header will do, never the address', async () => {
  const server = await serve({ token });
  const bearer = { Authorization: `Bearer ${token}` };
  for (const route of server.routes) {
    const path = route.path.replace(/:\w+/g, 'x');
    const isOpen = ['/healthz', '/readyz', '/login'].includes(path);
    for (const prefix of ['', '/api']) expect([path, (await ask(server, 'GET', `${prefix}${path}`)).status === 401]).toEqual([path, !isOpen]);
  }
  expect((await ask(server, 'POST', '/prompt', {}, '{}')).status).toBe(401);
  expect((await ask(server, 'GET', `/prompt?token=${token}`)).status).toBe(401);
  expect((await ask(server, 'GET', '/api/prompt', bearer)).status).toBe(200);
  expect((await ask(server, 'GET', '/api/prompt', { Authorization: `bearer  ${token}` })).status).toBe(200);
  expect((await ask(server, 'GET', '/prompt', { Authorization: `Bearer ${token}x` })).status).toBe(401);
  expect((await ask(server, 'GET', '/prompt', { Authorization: `Basic ${token}` })).status).toBe(401);
  expect((await ask(server, 'GET', '/nothing')).status).toBe(401); // also what is not there
  expect([await open(server, {}), await open(server, bearer), await open(server, { Authorization: 'Bearer wrong' })]).toEqual([401, 101, 401]);
});

test('a browser logs in and out: the cookie opens pages, sockets and pictures, and ends', async () => {
  const server = await serve({ token });
  const cookie = await logIn(server);
  const own = `http://127.0.0.1:${server.port}`;
  const { headers } = await ask(server, 'POST', '/api/login', {}, JSON.stringify({ token }));
  expect((headers['set-cookie'] as string[])[0]).toMatch(/^bagelgraph_session=[\w-]+\.[\w-]+\.[\w-]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/);
  const form = new FormData();
  form.set('image', new File([Buffer.from(await encodePng({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) }))], 'a.png'));
  expect((await fetch(`${server.url}/upload/image`, { method: 'POST', body: form, headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);
  expect((await ask(server, 'GET', '/view?filename=a.png&type=input', { Cookie: cookie })).status).toBe(200);
  expect((await ask(server, 'GET', '/view?filename=a.png&type=input')).status).toBe(401);
  expect((await ask(server, 'GET', '/prompt', { Cookie: `a=b; ${cookie}; c=d` })).status).toBe(200);
  expect((await ask(server, 'POST', '/queue', { Cookie: cookie, Origin: own }, '{}')).status).toBe(200);
  expect((await ask(server, 'POST', '/queue', { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' }, '{}')).status).toBe(200);
  expect((await ask(server, 'POST', '/queue', { Cookie: cookie }, '{}')).status).toBe(403);
  expect((await ask(server, 'POST', '/queue', { Cookie: cookie, Origin: 'http://127.0.0.1:3000' }, '{}')).status).toBe(403);
  expect([await open(server, { Cookie: cookie, Origin: own }), await open(server, { Cookie: cookie }), await open(server, { Cookie: `${cookie}x`, Origin: own })]).toEqual([101, 403, 401]);
  expect((await ask(server, 'POST', '/api/logout', { Cookie: cookie, Origin: own })).headers['set-cookie']).toEqual(['bagelgraph_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
  expect((await ask(server, 'GET', '/prompt', { Cookie: cookie })).status).toBe(401);
});

test('CORS lets other pages in with the token, not with the cookie', async () => {
  const server = await serve({ token, cors: '*' });
  const cookie = await logIn(server);
  const Origin = 'http://127.0.0.1:3000'; // another port is the same site: the browser sends the cookie
  expect((await ask(server, 'POST', '/queue', { Cookie: cookie, Origin, 'Sec-Fetch-Site': 'same-site' }, '{}')).status).toBe(403);
  expect((await ask(server, 'POST', '/queue', { Authorization: `Bearer ${token}`, Origin }, '{}')).status).toBe(200);
  expect((await ask(server, 'OPTIONS', '/queue', { Origin })).status).toBe(200);
});

test('the login page: a form without scripts, for browsers alone', async () => {
  const server = await serve({ token });
  const visit = { Accept: 'text/html,application/xhtml+xml', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' };
  const page = await ask(server, 'GET', '/', visit);
  expect([page.status, page.headers['content-type'], page.headers['cache-control']]).toEqual([401, 'text/html; charset=utf-8', 'no-store']);
  expect(page.headers['content-security-policy']).toMatch(/default-src 'none'; style-src 'sha256-[^']+'; .*form-action 'self'; frame-ancestors 'none'/);
  expect(page.body).toContain('<form method="post" action="/api/login">');
  expect(page.body).not.toMatch(/<script|style=|onclick/);
  expect((await ask(server, 'GET', '/', { Accept: '*/*' })).headers['content-type']).toContain('text/plain');
  const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: `http://127.0.0.1:${server.port}` };
  const wrong = await ask(server, 'POST', '/api/login', urlencoded, 'token=nope');
  expect([wrong.status, wrong.body.includes('That is not the token.'), wrong.headers['set-cookie']]).toEqual([401, true, undefined]);
  const right = await ask(server, 'POST', '/api/login', urlencoded, `token=${token}`);
  expect([right.status, right.headers['location'], right.headers['set-cookie']?.length]).toEqual([303, '/', 1]);
  expect((await ask(server, 'POST', '/api/login', { ...urlencoded, Origin: 'https://evil.example' }, `token=${token}`)).status).toBe(403);
  expect((await ask(await serve(), 'GET', '/login')).status).toBe(404);
});

test('behind a proxy with TLS the cookie is Secure, and clients are told apart', async () => {
  const server = await serve({ token, trustsProxy: true });
  const secure = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '6.6.6.6, 1.2.3.4' };
  expect((await ask(server, 'POST', '/api/login', secure, JSON.stringify({ token }))).headers['set-cookie']).toEqual([expect.stringMatching(/; Secure$/)]);
  for (let i = 0; i < 12; i++) await ask(server, 'POST', '/api/login', secure, '{"token":"no"}');
  expect((await ask(server, 'POST', '/api/login', secure, '{"token":"no"}')).status).toBe(429);
  expect((await ask(server, 'POST', '/api/login', { 'X-Forwarded-For': '1.2.3.4, 4.3.2.1' }, '{"token":"no"}')).status).toBe(401);
});

test('wrong tokens are slowed down, and then even the right one is not looked at; sessions go on', async () => {
  const server = await serve({ token });
  const cookie = await logIn(server);
  const bearer = (text: string) => ask(server, 'GET', '/prompt', { Authorization: `Bearer ${text}` });
  const statuses: number[] = [];
  for (let i = 0; i < 12; i++) statuses.push((await bearer(`wrong ${i}`)).status);
  expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401));
  const { status, headers } = await bearer(token);
  expect([status, Number(headers['retry-after']) >= 1]).toEqual([429, true]);
  expect((await ask(server, 'POST', '/api/login', {}, JSON.stringify({ token }))).status).toBe(429);
  expect(await open(server, { Authorization: `Bearer ${token}` })).toBe(429);
  expect((await ask(server, 'GET', '/prompt', { Cookie: cookie })).status).toBe(200);
});

test('sessions end after thirty days, with another token, and when a letter is changed', () => {
  let now = 1e12;
  const login = new Login(token, () => now);
  const cookie = login.openCookie(false).split(';')[0]!;
  const head = (text: string) => ({ method: 'GET', url: '/', headers: { cookie: text } });
  expect(login.sessionOf(head(cookie))).toBeDefined();
  expect(new Login(token, () => now).sessionOf(head(cookie))).toBeDefined(); // a restart
  expect(new Login(`${token}2`, () => now).sessionOf(head(cookie))).toBeUndefined();
  for (let i = 'bagelgraph_session='.length; i < cookie.length - 1; i++) { // the last character holds spare bits
    const changed = `${cookie.slice(0, i)}${cookie[i] === 'A' ? 'B' : 'A'}${cookie.slice(i + 1)}`;
    expect([i, login.sessionOf(head(changed))]).toEqual([i, undefined]);
  }
  const [end, id] = cookie.split('=')[1]!.split('.');
  expect(login.sessionOf(head(`bagelgraph_session=${end}.${id}.`))).toBeUndefined();
  expect(login.sessionOf(head(`not_bagelgraph_session=${cookie.split('=')[1]}`))).toBeUndefined();
  now += 31 * 86_400_000;
  expect(login.sessionOf(head(cookie))).toBeUndefined();
});
