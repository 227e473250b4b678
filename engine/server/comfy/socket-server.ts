// The WebSocket /ws: greets clients, reads the one message they send, and keeps the list of who is there (comfy-contract §2).
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import type { Gate } from '../gate.ts';
import type { LogFields } from '../logbook.ts';
import type { PromptRunner } from './runner.ts';
import { Client, type Clients } from './sockets.ts';

export interface SocketServerOptions {
  readonly gate: Gate;
  readonly clients: Clients;
  readonly runner: PromptRunner;
  /** Sockets at once; one address may have a quarter of them. */
  readonly most: number;
  readonly features: Readonly<Record<string, boolean | number>>;
  readonly log: (line: string, fields?: LogFields) => void;
  readonly times?: SocketTimes;
}

export interface SocketTimes {
  /** How often clients are asked whether they live; it also keeps proxies from closing idle sockets. */
  readonly pingMs: number;
  /** A client of which nothing is heard for so long is dropped. Long, for scripts that read only now and then; dead machines are found by TCP. */
  readonly silentMs: number;
}

/** Larger messages than feature flags have no meaning here. */
const mostMessageBytes = 2 ** 20;
const mostIdCharacters = 256;
const defaultTimes: SocketTimes = { pingMs: 30_000, silentMs: 600_000 };

export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #times: SocketTimes;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: mostMessageBytes });
  readonly #perAddress = new Map<string, number>();
  readonly #heardAt = new Map<WebSocket, number>();
  readonly #heart: NodeJS.Timeout;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    this.#times = options.times ?? defaultTimes;
    this.#heart = setInterval(() => this.#beat(), this.#times.pingMs).unref();
  }

  /** For the `upgrade` event of an HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy()); // until the WebSocket listens itself, nobody else does
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const { gate, most } = this.#options;
    const address = gate.addressOf(request);
    const refusal = gate.refusalOf({ method: 'GET', url: request.url ?? '/', headers: request.headers, isUpgrade: true }, path, address);
    if (refusal !== undefined) return refuse(socket, refusal.status, refusal.reason, refusal.retryAfterSeconds);
    if (path !== '/ws' && path !== '/api/ws') return refuse(socket, 404, 'there is no socket here; it is at /ws');
    const id = new URLSearchParams(query).get('clientId') ?? '';
    if (id.length > mostIdCharacters) return refuse(socket, 400, `clientId has ${id.length} characters; at most ${mostIdCharacters} are taken`);
    const own = this.#perAddress.get(address) ?? 0;
    if (this.#server.clients.size >= most || own >= Math.max(1, Math.floor(most / 4))) return refuse(socket, 503, 'too many sockets are open; close some, or raise --max-sockets', 5);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
      webSocket.on('close', () => this.#left(address));
      this.#greet(webSocket, socket, id);
    });
  }

  close(): void {
    clearInterval(this.#heart);
    for (const socket of this.#server.clients) {
      socket.close(1001, 'the server stops');
      setTimeout(() => socket.terminate(), 500).unref();
    }
    this.#server.close();
  }

  #left(address: string): void {
    const left = this.#perAddress.get(address)! - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }

  #beat(): void {
    for (const socket of this.#server.clients) {
      if (performance.now() - (this.#heardAt.get(socket) ?? 0) > this.#times.silentMs) socket.terminate();
      else if (socket.readyState === socket.OPEN) socket.ping();
    }
  }

  #greet(socket: WebSocket, stream: Duplex, id: string): void {
    const { clients, runner, log } = this.#options;
    const client = new Client(id === '' ? randomUUID().replaceAll('-', '') : id, socket, stream);
    clients.add(client);
    const heard = () => this.#heardAt.set(socket, performance.now());
    heard();
    socket.on('pong', heard);
    socket.on('close', () => {
      clients.remove(client);
      this.#heardAt.delete(socket);
    });
    socket.on('error', (error) => log(`socket ${JSON.stringify(client.id)}: ${error.message}`));
    let isFirst = true;
    socket.on('message', (data, isBinary) => {
      heard();
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
      this.#options.log(`socket ${JSON.stringify(client.id)}: the first message is no JSON`);
      return;
    }
    const { type, data: flags } = (message ?? {}) as { type?: unknown; data?: Record<string, unknown> };
    if (type !== 'feature_flags') return;
    client.takesPreviewMetadata = flags?.['supports_preview_metadata'] === true;
    client.takesRunEvents = flags?.['run_events'] === true;
    client.send(JSON.stringify({ type: 'feature_flags', data: this.#options.features }));
  }
}

const closeMs = 2000;
const reasons: Readonly<Record<number, string>> = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 429: 'Too Many Requests', 503: 'Service Unavailable' };

function refuse(socket: Duplex, status: number, reason: string, retryAfterSeconds?: number): void {
  const retry = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`;
  socket.end(`HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\n${retry}Connection: close\r\nContent-Length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`);
  setTimeout(() => socket.destroy(), closeMs).unref(); // a client that does not close its end must not keep ours
}
