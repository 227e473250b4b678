// Bodies that do not come or are too many at once, heads that are too large, and TLS.
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readBody } from '../../engine/server/body.ts';
import { Gate } from '../../engine/server/gate.ts';
import type { HttpError } from '../../engine/server/http-error.ts';
import { ByteBudget, Buckets, Slots } from '../../engine/server/limits.ts';
import { sendText, Web } from '../../engine/server/web.ts';
import { serve } from './harness.ts';

async function reader(limits: Parameters<typeof readBody>[1]): Promise<{ readonly port: number; readonly frees: (() => void)[] }> {
  const frees: (() => void)[] = [];
  const server = createServer((incoming, response) => {
    readBody(incoming, limits).then(({ bytes, free }) => {
      frees.push(free);
      response.end(String(bytes.length));
    }, (error: HttpError) => response.writeHead(error.status).end(error.message));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, frees };
}

function send(port: number, body: Buffer, promised = body.length): Promise<readonly [number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, method: 'POST', headers: { 'Content-Length': promised } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve([response.statusCode!, text]));
    }).on('error', reject);
    sent.write(body);
    if (promised === body.length) sent.end();
  });
}

test('a body that stops coming is given up, and what all bodies hold is given back', async () => {
  const budget = new ByteBudget(2000);
  const { port, frees } = await reader({ bytes: 1500, idleMs: 50, budget });
  expect(await send(port, Buffer.alloc(10), 100)).toEqual([408, 'nothing of the body came for 0.05 s']);
  expect(budget.bytes).toBe(0);
  expect(await send(port, Buffer.alloc(1200))).toEqual([200, '1200']);
  expect(await send(port, Buffer.alloc(1200))).toEqual([503, 'too many large bodies are being read; send it again in a moment']);
  for (const free of [...frees, ...frees]) free();
  expect(budget.bytes).toBe(0);
  expect(await send(port, Buffer.alloc(1200))).toEqual([200, '1200']);
  expect(await send(port, Buffer.alloc(1501))).toEqual([413, 'the body is larger than 1500 bytes; raise --max-upload-size']);
});

test('once an answer is out, or its client gone, its body counts no more', async () => {
  const budget = new ByteBudget(1e9);
  const web = new Web({ gate: new Gate({ access: { hosts: [], checksHost: true } }), limits: { bytes: 1e6, idleMs: 1000, budget }, compresses: false, log: () => undefined });
  let held = 0;
  web.on('/x', { post: async (incoming, response) => {
    await web.body(incoming);
    held = Math.max(held, budget.bytes);
    if (incoming.headers['x-leave'] === undefined) sendText(response, 200, 'ok');
    else incoming.socket.destroy();
  } });
  const server = createServer(web.app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  for (let i = 0; i < 3; i++) expect((await fetch(url, { method: 'POST', body: 'x'.repeat(1000) })).status).toBe(200);
  await expect(fetch(url, { method: 'POST', body: 'x'.repeat(5000), headers: { 'X-Leave': '1' } })).rejects.toThrow();
  await expect.poll(() => budget.bytes).toBe(0);
  expect(held).toBe(5000);
});

test('heads that are too large are refused', async () => {
  const server = await serve();
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(`GET /prompt HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`));
    socket.on('data', (data) => resolve(String(data).split('\r\n')[0]!)).on('error', () => undefined);
  });
  expect(answer).toBe('HTTP/1.1 431 Request Header Fields Too Large');
  expect((await server.get('/healthz')).status).toBe(200);
});

test('a port that another program has is tried for a while, then told with what to do', async () => {
  const warnings: string[] = [];
  const keep = ({ name }: Error) => void warnings.push(name);
  process.on('warning', keep);
  onTestFinished(() => void process.off('warning', keep));
  const { port } = await serve();
  await expect(serve({ port })).rejects.toThrow(`cannot listen on 127.0.0.1, port ${port}: another program has it; stop that one, or give another --port`);
  await expect(serve({ addresses: ['192.0.2.1'], isInsecure: true })).rejects.toThrow('this machine has no such address');
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]); // no listener is left behind by an attempt
});

test('TLS: HTTPS, and cookies that are Secure', async () => {
  const pem = (name: string) => readFileSync(new URL(`../golden/tls/${name}.pem`, import.meta.url));
  const token = '0123456789abcdef0123456789abcdef';
  const server = await serve({ token, tls: { key: pem('key'), cert: pem('cert') } });
  const cookies = await new Promise<readonly string[] | undefined>((resolve, reject) => {
    secureRequest({ port: server.port, path: '/api/login', method: 'POST', ca: pem('cert') }, (response) => {
      response.resume();
      resolve(response.headers['set-cookie']);
    }).on('error', reject).end(JSON.stringify({ token }));
  });
  expect(cookies).toEqual([expect.stringMatching(/; Secure$/)]);
});

test('buckets fill again, forget those that stay away, and slots let in as many as they have', async () => {
  let now = 0;
  const buckets = new Buckets({ burst: 2, perSecond: 0.5 }, () => now);
  expect([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('b'), buckets.waitSeconds('a')]).toEqual([true, true, false, true, 2]);
  now = 2000;
  expect([buckets.take('a'), buckets.take('a')]).toEqual([true, false]);
  for (let i = 0; i < 20_000; i++) buckets.take(`client ${i}`);
  expect(buckets.take('a')).toBe(true);
  const slots = new Slots(2);
  let [at, most] = [0, 0];
  await Promise.allSettled(Array.from({ length: 9 }, (_, i) => slots.run(async () => {
    most = Math.max(most, ++at);
    await new Promise((resolve) => setImmediate(resolve));
    at--;
    if (i % 2 === 0) throw new Error('whatever it does');
  })));
  expect([at, most]).toEqual([0, 2]);
});
