// Each route, as the server itself lists them, against methods, types, sizes and encodings it was not made for: a clear refusal, never a
// failure of ours, and the server goes on. New routes are in by themselves.
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Logbook } from '../../engine/server/logbook.ts';
import type { Method } from '../../engine/server/web.ts';
import { serve, type TestServer } from './harness.ts';

interface Answered { readonly status: number; readonly headers: Readonly<Record<string, string | string[] | undefined>>; readonly body: string }

function ask({ port }: TestServer, method: string, path: string, headers: Record<string, string | number> = {}, body: string | Buffer = ''): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, path, method, headers: { ...(body.length > 0 && headers['Transfer-Encoding'] === undefined ? { 'Content-Length': Buffer.byteLength(body) } : {}), ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text })).on('error', reject);
      if (String(response.headers['content-type']).startsWith('text/event-stream')) response.destroy();
    });
    sent.on('error', reject).end(body);
  });
}

const methods: readonly Method[] = ['get', 'post', 'put', 'patch', 'delete'];
const filled = (path: string, word = 'x') => path.replace(/:\w+/g, encodeURIComponent(word));
/** They answer without reading a body. */
const bodiless = /^\/(?:jobs\/:id\/cancel|users|logout|queue\/(?:pause|resume)|userdata\/:file\/move\/:target)$/;

function listening(): { readonly logbook: Logbook; readonly failures: string[] } {
  const failures: string[] = [];
  return { failures, logbook: new Logbook((line) => { if (line.includes('"level":"error"')) failures.push(line); }, 'json') };
}

test('methods that a route does not take get 405 and are told which it does', async () => {
  const { logbook, failures } = listening();
  const server = await serve({ logbook });
  expect(server.routes.length).toBeGreaterThan(45);
  for (const { path, methods: taken } of server.routes) {
    for (const prefix of ['', '/api']) {
      for (const method of [...methods.filter((one) => !taken.includes(one)).map((one) => one.toUpperCase()), 'PROPFIND', 'TRACE']) {
        const { status, headers } = await ask(server, method, `${prefix}${filled(path)}`);
        expect([method, path, status, headers['allow']]).toEqual([method, path, 405, taken.map((one) => one.toUpperCase()).join(', ')]);
      }
    }
  }
  expect(failures).toEqual([]);
});

test('every answer, also a refusal, forbids guessing, scripts and frames', async () => {
  const server = await serve({ token: 'a token of many letters' });
  for (const { path } of server.routes) {
    const { headers } = await ask(server, 'GET', filled(path), { Authorization: 'Bearer a token of many letters' });
    expect([path, headers['x-content-type-options'], headers['x-frame-options'], headers['cross-origin-resource-policy'], /default-src 'none'/.test(String(headers['content-security-policy'])), /^[\da-f]{16}$/.test(String(headers['x-request-id']))]).toEqual([path, 'nosniff', 'SAMEORIGIN', 'same-origin', true, true]);
  }
});

const bodies: readonly (readonly [string, string | Buffer])[] = [
  ['nothing', ''], ['no JSON', '{'], ['null', 'null'], ['a number', '1e999'], ['a text', '"x"'], ['a list', '[]'], ['an empty object', '{}'], ['all wrong types', '{"prompt":1,"delete":1,"clear":"yes","prompt_ids":{},"workflow":[],"inputs":3,"messages":{},"model":[],"token":{}}'],
  ['a prototype', '{"__proto__":{"x":1},"constructor":{"prototype":{}},"prompt":{"__proto__":{"class_type":"Numbers","inputs":{}}}}'],
  ['depth', `${'['.repeat(20_000)}${']'.repeat(20_000)}`], ['objects in depth', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])], ['UTF-16', Buffer.from('{"prompt":{}}', 'utf16le')], ['a mark and JSON', '\ufeff{}'],
  ['half a surrogate', '{"prompt":{"\\ud800":{"class_type":"\\udfff"}},"prompt_id":"\\ud800"}'], ['zero characters', '{"prompt":{"\\u0000":{"class_type":"\\u0000"}}}'], ['XML', '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'],
];
const types = ['application/json', 'application/x-www-form-urlencoded', 'text/xml', 'multipart/form-data', 'multipart/form-data; boundary=""', 'multipart/form-data; boundary=x', 'application/json; charset=utf-16'];

test('bodies of any shape and type are answered, and never with a failure of ours', async () => {
  const { logbook, failures } = listening();
  const server = await serve({ logbook });
  for (const { path, methods: taken } of server.routes) {
    for (const method of taken.filter((one) => one !== 'get')) {
      for (const [what, body] of bodies) {
        for (const type of types) {
          const { status } = await ask(server, method.toUpperCase(), filled(path), { 'Content-Type': type }, body);
          expect([method, path, what, type, status < 500]).toEqual([method, path, what, type, true]);
        }
      }
    }
  }
  expect(failures).toEqual([]);
  expect((await server.get('/healthz')).status).toBe(200);
});

test('bodies above the limit, compressed ones, and ones that break off', async () => {
  const { logbook, failures } = listening();
  const server = await serve({ logbook, maxUploadBytes: 10_000 });
  const large = Buffer.alloc(20_000, 'x');
  for (const { path, methods: taken } of server.routes) {
    for (const method of taken.filter((one) => one !== 'get').map((one) => one.toUpperCase())) {
      if (bodiless.test(path) || method === 'DELETE') continue;
      const statusOf = async (headers: Record<string, string | number>, body: string | Buffer) => (await ask(server, method, filled(path), headers, body)).status;
      const target = [method, path];
      expect([...target, await statusOf({}, large)]).toEqual([...target, 413]);
      expect([...target, await statusOf({ 'Transfer-Encoding': 'chunked' }, large)]).toEqual([...target, 413]);
      expect([...target, await statusOf({ 'Content-Length': 1e15 }, '')]).toEqual([...target, 413]);
      expect([...target, await statusOf({ 'Content-Encoding': 'gzip' }, gzipSync('{}'))]).toEqual([...target, 415]);
      expect([...target, await statusOf({ 'Content-Encoding': 'br, gzip' }, '{}')]).toEqual([...target, 415]);
      await new Promise<void>((resolve) => {
        const sent = request({ port: server.port, path: filled(path), method, headers: { 'Content-Length': 1000 } }).on('error', () => resolve());
        sent.write('{"a":', () => sent.destroy());
        sent.on('close', resolve);
      });
    }
  }
  expect(failures).toEqual([]);
  expect((await server.get('/healthz')).status).toBe(200);
});

test('addresses that are none, names that lead elsewhere, and queries of any kind', async () => {
  const { logbook, failures } = listening();
  const server = await serve({ logbook });
  const words = ['..', '../..', '..%2f..', '%2e%2e', '\\..\\..', '/etc/passwd', 'C:\\x', '\0', 'a\0.png', 'x'.repeat(3000), '\u202e', '😀', '__proto__', 'constructor', 'CON', 'a.', '[output]', 'x [output]', 'x [models]', '-1', 'NaN'];
  for (const { path, methods: taken } of server.routes) {
    for (const word of words) {
      const query = ['filename', 'subfolder', 'type', 'dir', 'path', 'preview', 'channel', 'max_items', 'offset', 'status', 'limit', 'wait_seconds', 'after', 'overwrite'].map((name) => `${name}=${encodeURIComponent(word)}`).join('&');
      for (const target of [`${filled(path, word)}?${query.slice(0, 12_000)}`, `${filled(path)}?filename[]=${encodeURIComponent(word)}&filename=x&dir[a][b]=c`]) {
        const { status } = await ask(server, taken[0]!.toUpperCase(), target);
        expect([path, target.slice(0, 60), status < 500]).toEqual([path, target.slice(0, 60), true]);
      }
    }
  }
  for (const raw of ['//', '///x', '/%', '/%c0%af', '/api/%zz', '/api/', '/api//prompt', '/view?%', '/view?filename=%ff', '/history/%', '/%2e%2e/%2e%2e/etc/passwd', '/userdata/%c0%ae%c0%ae%2fx', '/extensions/../../package.json', '/workflow_templates/..%2f..%2fpackage.json', 'http://evil.example/prompt', '*']) {
    const { status } = await ask(server, 'GET', raw);
    expect([raw, [200, 400, 403, 404].includes(status)]).toEqual([raw, true]);
  }
  expect(failures).toEqual([]);
});
