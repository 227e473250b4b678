// Sockets that misbehave: half-open ones, slow readers, too many, two with one id, and handshakes that break off.
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { SocketServer, type SocketServerOptions } from '../../engine/server/comfy/socket-server.ts';
import { Client, Clients } from '../../engine/server/comfy/sockets.ts';
import { Gate } from '../../engine/server/gate.ts';
import { nodes, serve, TestClient, type TestServer } from './harness.ts';

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const socketsOf = async (server: TestServer) => Number(/^bagelgraph_sockets (\d+)$/m.exec(await (await server.get('/metrics')).text())![1]);

/** A socket whose bytes are ours to write: a client that does not behave. */
async function handshake(port: number, id: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(`GET /ws?clientId=${id} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  await new Promise<void>((resolve) => socket.once('data', () => resolve()));
  return socket;
}

test('a thousand sockets: each gets what is for all, one gets what is its own, and all leave', async () => {
  const server = await serve();
  const opened = await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws?clientId=client-${i}`);
    const frames: string[] = [];
    socket.on('message', (data) => frames.push(String(data)));
    onTestFinished(() => socket.terminate());
    await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
    return { socket, frames };
  }));
  expect(await socketsOf(server)).toBe(1000);
  await server.prompt(nodes({ 1: ['PreviewAny', { source: 7 }] }), { client_id: 'client-500' });
  await until(() => opened[500]!.frames.some((frame) => frame.includes('"node":null')));
  await until(() => opened.every(({ frames }) => ['"queue_remaining":1', '"queue_remaining":0'].every((status) => frames.slice(1).some((frame) => frame.includes(status)))));
  expect(opened.filter(({ frames }) => frames.some((frame) => frame.includes('execution_start'))).length).toBe(1);
  for (const { socket } of opened) socket.terminate();
  await until(async () => (await socketsOf(server)) === 0);
});

test('above the limit, and above a client\'s share of it, sockets are refused until others leave', async () => {
  const server = await serve({ mostSockets: 8 });
  const open = () => new Promise<WebSocket | number>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
    onTestFinished(() => socket.terminate());
    socket.on('open', () => resolve(socket)).on('unexpected-response', (_request, response) => resolve(response.statusCode!)).on('error', reject);
  });
  const first = await open();
  await open();
  expect([await open(), await open()]).toEqual([503, 503]);
  (first as WebSocket).close();
  await until(async () => (await socketsOf(server)) === 1);
  expect(await open()).toBeInstanceOf(WebSocket);
});

test('the same id twice: the newer gets the frames, and the older may leave without taking them along', async () => {
  const server = await serve();
  const older = await TestClient.open(server.port, 'twin');
  const newer = await TestClient.open(server.port, 'twin');
  const run = async () => newer.end((await server.prompt(nodes({ 1: ['Numbers', { count: Math.ceil(Math.random() * 5000) }], 2: ['PreviewAny', { source: ['1', 0] }] }), { client_id: 'twin' })).body.prompt_id as string);
  await run();
  expect(older.frames).toEqual([]);
  older.socket.close();
  await new Promise((resolve) => older.socket.once('close', resolve));
  await run();
  expect(newer.frames.filter(({ type }) => type === 'execution_success')).toHaveLength(2);
  expect(await socketsOf(server)).toBe(1);
});

test('handshakes that break off, are no handshakes or come in pieces do no harm', async () => {
  const server = await serve();
  for (const text of [
    'GET /ws HTTP/1.1\r\nHost: x', 'GET // HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 'GET http://[ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 'GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'GET /ws?clientId=%ff%00 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n', '\x16\x03\x01\x02\0', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]) {
    for (const end of ['reset', 'destroy'] as const) {
      const socket = connect(server.port, '127.0.0.1');
      await new Promise<void>((resolve) => {
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.write(text, () => (end === 'reset' ? socket.resetAndDestroy() : socket.destroy()));
      });
    }
  }
  const raw = await handshake(server.port, 'raw');
  raw.write(Buffer.from([0x81, 0x05, 1, 2])); // unmasked and short: against the protocol
  await new Promise((resolve) => raw.once('close', resolve));
  const large = await handshake(server.port, 'large');
  const head = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]); // a gigabyte is to come
  large.write(head);
  await new Promise((resolve) => large.once('close', resolve));
  expect((await server.get('/healthz')).status).toBe(200);
  await until(async () => (await socketsOf(server)) === 0);
});

describe('with short times', () => {
  /** The socket server alone, so that its times can be set. */
  async function sockets(times: SocketServerOptions['times']): Promise<{ readonly port: number; readonly clients: Clients }> {
    const clients = new Clients();
    const runner = { statusFrame: () => '{"type":"status"}', runningFor: () => undefined } as unknown as SocketServerOptions['runner'];
    const gate = new Gate({ access: { hosts: [], checksHost: true } });
    const server = new SocketServer({ gate, clients, runner, most: 100, features: {}, log: () => undefined, ...(times === undefined ? {} : { times }) });
    const http = createServer().on('upgrade', (request, socket, head) => server.upgrade(request, socket, head));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
      http.close();
      http.closeAllConnections();
    });
    return { port: (http.address() as AddressInfo).port, clients };
  }

  test('a half-open socket is dropped; one that answers pings, or only speaks, stays', async () => {
    const { port, clients } = await sockets({ pingMs: 10, silentMs: 300 });
    const dead = await handshake(port, 'dead'); // reads, and never answers
    const alive = new WebSocket(`ws://127.0.0.1:${port}/ws?clientId=alive`);
    onTestFinished(() => alive.terminate());
    await new Promise((resolve) => alive.once('message', resolve));
    expect(clients.size).toBe(2);
    await new Promise((resolve) => dead.once('close', resolve));
    await until(() => clients.get('dead') === undefined);
    expect(clients.get('alive')).toBeInstanceOf(Client);
  });

  test('a slow reader loses previews and keeps the rest; one that never reads is dropped', async () => {
    const { port, clients } = await sockets(undefined);
    const slow = await handshake(port, 'slow');
    slow.pause();
    const client = clients.get('slow')!;
    const preview = new Uint8Array(2 ** 18);
    for (let i = 0; i < 400; i++) {
      client.send(preview, true); // 100 MB of them
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(clients.droppedFrames).toBeGreaterThan(300);
    client.send('{"type":"kept"}');
    let bytes = 0;
    let tail = '';
    slow.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-100);
    });
    slow.resume();
    await until(() => tail.includes('{"type":"kept"}'));
    expect(bytes).toBeLessThan(20 * 2 ** 20);
    slow.pause();
    for (let i = 0; i < 80 && clients.get('slow') !== undefined; i++) {
      client.send('x'.repeat(2 ** 20));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => clients.get('slow') === undefined);
  });
});
