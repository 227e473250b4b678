// The WebSocket /ws: greets clients, reads the one message they send, and keeps the list of who is there (comfy-contract §2).
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { refusalOf, type AccessOptions } from '../access.ts';
import type { PromptRunner } from './runner.ts';
import { Client, type Clients } from './sockets.ts';

export interface SocketServerOptions {
  readonly access: AccessOptions;
  readonly clients: Clients;
  readonly runner: PromptRunner;
  readonly features: Readonly<Record<string, boolean | number>>;
  readonly log: (line: string) => void;
}

/** Larger messages than feature flags have no meaning here. */
const mostMessageBytes = 2 ** 20;

export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: mostMessageBytes });

  constructor(options: SocketServerOptions) {
    this.#options = options;
  }

  /** For the `upgrade` event of an HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const refusal = refusalOf({ method: 'GET', url: request.url ?? '/', headers: request.headers }, this.#options.access);
    if (refusal !== undefined) return refuse(socket, refusal.status, refusal.reason);
    if (url.pathname !== '/ws' && url.pathname !== '/api/ws') return refuse(socket, 404, 'Not Found');
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#greet(webSocket, socket, url.searchParams.get('clientId') ?? ''));
  }

  close(): void {
    for (const socket of this.#server.clients) {
      socket.close(1001, 'the server stops');
      setTimeout(() => socket.terminate(), 500).unref();
    }
    this.#server.close();
  }

  #greet(socket: WebSocket, stream: Duplex, id: string): void {
    const { clients, runner, log } = this.#options;
    const client = new Client(id === '' ? randomUUID().replaceAll('-', '') : id, socket, stream);
    clients.add(client);
    socket.on('close', () => clients.remove(client));
    socket.on('error', (error) => log(`socket ${client.id}: ${error.message}`));
    let isFirst = true;
    socket.on('message', (data, isBinary) => {
      if (!isFirst || isBinary) return;
      isFirst = false;
      this.#negotiate(client, data);
    });
    client.send(runner.statusFrame(client.id));
    const running = runner.runningFor(client.id);
    if (running !== undefined) client.send(JSON.stringify({ type: 'executing', data: { node: running.node, display_node: running.node, prompt_id: running.promptId } }));
  }

  /** The first message may say what the client understands; a flag counts only when it is exactly true. */
  #negotiate(client: Client, data: RawData): void {
    let message: unknown;
    try {
      message = JSON.parse(String(data));
    } catch {
      this.#options.log(`socket ${client.id}: the first message is no JSON`);
      return;
    }
    const { type, data: flags } = (message ?? {}) as { type?: unknown; data?: Record<string, unknown> };
    if (type !== 'feature_flags') return;
    client.takesPreviewMetadata = flags?.['supports_preview_metadata'] === true;
    client.takesRunEvents = flags?.['run_events'] === true;
    client.send(JSON.stringify({ type: 'feature_flags', data: this.#options.features }));
  }
}

function refuse(socket: Duplex, status: number, reason: string): void {
  socket.end(`HTTP/1.1 ${status} ${status === 404 ? 'Not Found' : status === 401 ? 'Unauthorized' : 'Forbidden'}\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`);
}
