// Webhooks against a real receiver: what is sent, the signature, retries, and where they do not go.
import { createHmac } from 'node:crypto';
import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { isPublicAddress, lookupPublic } from '../../../engine/server/jobs/public-address.ts';
import { Logbook } from '../../../engine/server/logbook.ts';
import { nodes, serve, type Answer } from '../harness.ts';
import { work } from './workflows.ts';

interface Received { readonly headers: IncomingHttpHeaders; readonly body: string }

/** Answers with these statuses in turn, the last one for ever. */
async function receiver(...statuses: number[]): Promise<{ url: string; received: Received[]; next(count: number): Promise<void> }> {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0] ?? 200, { Location: '/elsewhere' }).end('thanks');
      for (const wake of waiting) wake();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received,
    async next(count) {
      while (received.length < count) await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };
}

const prompt = nodes({ 1: ['PreviewAny', { source: 'hi' }] });
const extra = (webhook: unknown) => ({ extra_data: { bagelgraph: { webhook } } });

test('a job that ended is told, signed, with what it made; other ways to end are told too', async () => {
  const { url, received, next } = await receiver(204);
  const server = await serve({ webhooks: { allowsPrivate: true, secret: 's3cret' } });
  await server.prompt(prompt, { prompt_id: 'a', ...extra(url) });
  await next(1);
  const { headers, body } = received[0]!;
  expect(JSON.parse(body)).toMatchObject({ event: 'job.ended', delivery: headers['x-bagelgraph-delivery'], job: { id: 'a', status: 'completed' }, outputs: [{ name: '1', texts: ['hi'] }] });
  const [, at, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['x-bagelgraph-signature'] as string)!;
  expect(mac).toBe(createHmac('sha256', 's3cret').update(`${at}.${body}`).digest('hex'));
  await fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify({ workflow: work, inputs: { steps: 5000 }, id: 'b', wait: false, webhook: { url, outputs: 'none' } }) });
  await server.post('/api/jobs/b/cancel', '');
  await next(2);
  expect(JSON.parse(received[1]!.body)).toEqual({ event: 'job.ended', delivery: expect.any(String), job: expect.objectContaining({ id: 'b', status: 'cancelled' }) });
});

test('tried again while it may help, as the same delivery', async () => {
  const { url, received, next } = await receiver(500, 429, 200);
  const server = await serve({ webhooks: { allowsPrivate: true, retryMs: [1, 1, 1] } });
  await server.prompt(prompt, extra(url));
  await next(3);
  expect(new Set(received.map(({ body }) => body)).size).toBe(1);
  expect(received[0]!.headers['x-bagelgraph-signature']).toBeUndefined();
});

test.each([[404, /not sent to 127\.0\.0\.1:\d+ after 1 attempt: it answered 404/], [302, /redirects are not followed/], [500, /after 3 attempts: it answered 500/]])('%d is given up and logged', async (status, line) => {
  const { url, received } = await receiver(status);
  let log = '';
  let found!: () => void;
  const logged = new Promise<void>((resolve) => { found = resolve; });
  const server = await serve({
    webhooks: { allowsPrivate: true, retryMs: [1, 1] }, logbook: new Logbook((text) => {
      log += text;
      if (log.includes('webhook')) found();
    }),
  });
  await server.prompt(prompt, extra(url));
  await logged;
  expect(log).toMatch(line);
  expect(received).toHaveLength(status === 500 ? 3 : 1);
});

test('without the flag this machine and private networks are not called, by number or by name', async () => {
  const { url, received } = await receiver(200);
  let log = '';
  const server = await serve({ logbook: new Logbook((text) => { log += text; }), webhooks: { retryMs: [] } });
  const targets = [url, url.replace('127.0.0.1', 'localhost'), url.replace('127.0.0.1', '0x7f.1'), 'http://169.254.169.254/latest', 'http://[::1]/', 'not a url'];
  for (const target of targets) await server.prompt(prompt, extra(target));
  while ((log.match(/webhook/g) ?? []).length < targets.length) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(received).toEqual([]);
  const refused = await fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify({ workflow: work, webhook: url }) });
  expect([refused.status, await refused.json() as Answer]).toMatchObject([400, { error: { type: 'webhook_refused' } }]);
});

test('which addresses are public', () => {
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8']) expect([address, isPublicAddress(address)]).toEqual([address, true]);
  for (const address of ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::', '::1', 'fc00::1', 'fe80::1', 'ff02::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1', 'nonsense']) {
    expect([address, isPublicAddress(address)]).toEqual([address, false]);
  }
});

test('a name that resolves to this machine is not connected to, whatever it was when it was checked', async () => {
  const { url, received } = await receiver(200);
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => request(url.replace('127.0.0.1', 'localhost'), { lookup: lookupPublic, agent: false }).on('error', resolve).end());
  expect([error.code, error.message]).toEqual(['EPRIVATE', 'localhost is in a private network']);
  expect(received).toEqual([]);
});
