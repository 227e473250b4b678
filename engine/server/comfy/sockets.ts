// The connected clients: who gets a frame. A client is a WebSocket with an id; prompts name the id of the client that sent them.
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Above this many bytes not yet sent, frames that a later one replaces are left out. */
const slowBytes = 4 * 2 ** 20;
/** A client that reads nothing while this much piles up is dropped. */
const deadBytes = 64 * 2 ** 20;

export class Client {
  readonly id: string;
  readonly #socket: WebSocket;
  /** What the socket writes to. */
  readonly #stream: Duplex;
  #isHeldBack = false;
  takesPreviewMetadata = false;
  takesRunEvents = false;
  /** Called when a frame is left out. */
  onDropped: (() => void) | undefined;

  constructor(id: string, socket: WebSocket, stream: Duplex) {
    this.id = id;
    this.#socket = socket;
    this.#stream = stream;
  }

  /** A string goes as a text frame, bytes as a binary one. `isReplaceable`: a later frame tells the same anew. */
  send(frame: string | Uint8Array, isReplaceable = false): void {
    const waiting = this.#socket.bufferedAmount;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (isReplaceable && waiting > slowBytes) return this.onDropped?.();
    if (waiting > deadBytes) return this.#socket.terminate();
    this.#holdBack();
    this.#socket.send(frame);
  }

  /** Frames of one turn of the event loop go out in one write: a system call for each would cost more than most nodes. */
  #holdBack(): void {
    if (this.#isHeldBack) return;
    this.#isHeldBack = true;
    this.#stream.cork();
    setImmediate(() => {
      this.#isHeldBack = false;
      this.#stream.uncork();
    });
  }
}

export class Clients {
  readonly #clients = new Map<string, Client>();
  #droppedFrames = 0;

  /** Frames that were left out because their clients read too slowly. */
  get droppedFrames(): number {
    return this.#droppedFrames;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** A newer socket takes the place of an older one with the same id. */
  add(client: Client): void {
    client.onDropped = () => { this.#droppedFrames++; };
    this.#clients.set(client.id, client);
  }

  remove(client: Client): void {
    if (this.#clients.get(client.id) === client) this.#clients.delete(client.id);
  }

  get(id: string): Client | undefined {
    return this.#clients.get(id);
  }

  all(): Iterable<Client> {
    return this.#clients.values();
  }

  /** Who follows a prompt: the client that sent it; where it named none, our own page, which asked for run events. */
  audience(clientId: string | undefined): readonly Client[] {
    if (this.#clients.size === 0) return nobody;
    if (clientId === undefined) {
      const pages: Client[] = [];
      for (const client of this.#clients.values()) if (client.takesRunEvents) pages.push(client);
      return pages;
    }
    const client = this.#clients.get(clientId);
    return client === undefined ? nobody : [client];
  }

  broadcast(frame: string): void {
    for (const client of this.#clients.values()) client.send(frame);
  }
}

const nobody: readonly Client[] = [];
