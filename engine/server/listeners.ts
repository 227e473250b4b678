// Opens the ports: one HTTP or HTTPS server an address, with limits on how long heads and requests may take.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { isIPv6, type AddressInfo } from 'node:net';
import type { SocketServer } from './comfy/socket-server.ts';

export interface Tls {
  /** PEM. */
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

export interface ListenOptions {
  readonly app: RequestListener;
  readonly sockets: SocketServer;
  readonly addresses: readonly string[];
  /** 0 = any free port, the same for all addresses. */
  readonly port: number;
  readonly tls?: Tls | undefined;
}

const limits = {
  /** For the head of a request: its lines come at once or not at all. */
  headersTimeout: 30_000,
  /** For a whole request, its body included: 100 MB over a slow line take minutes. */
  requestTimeout: 900_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5000,
  maxHeaderSize: 32 * 2 ** 10,
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
} as const;
/** Of all addresses' servers each; above it connections are closed at once. */
const mostConnections = 10_000;

/** A server that was just killed may hold its port for a moment. */
const portRetries = 20;
const portRetryMs = 150;

/** Rejects when the port is taken, and has then opened none. */
export async function openListeners({ app, sockets, addresses, port, tls }: ListenOptions): Promise<{ readonly servers: readonly Server[]; readonly port: number }> {
  const servers: Server[] = [];
  let found = port;
  try {
    for (const address of addresses) {
      const server = tls === undefined ? createServer(limits, app) : createSecureServer({ ...limits, key: tls.key, cert: tls.cert }, app);
      server.maxConnections = mostConnections;
      server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));
      await listen(server, address, found);
      servers.push(server);
      found = (server.address() as AddressInfo).port;
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return { servers, port: found };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      server.listen({ host, port, ipv6Only: isIPv6(host) });
      await once(server, 'listening'); // rejects on 'error', and leaves no listener behind either way
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE' || attempt >= portRetries) throw Object.assign(new Error(`cannot listen on ${host}, port ${port}: ${reasons[code ?? ''] ?? (error as Error).message}`, { cause: error }), { code });
      await new Promise((resolve) => setTimeout(resolve, portRetryMs));
    }
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has it; stop that one, or give another --port',
  EACCES: 'this user may not; give a --port from 1024',
  EADDRNOTAVAIL: 'this machine has no such address; give one of its own with --listen',
  ENOTFOUND: 'this name has no address; give an IP address with --listen',
};
