// The server: HTTP and WebSocket before one engine. Puts routes and sockets together, listens, and stops in order.
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { isIPv6, type AddressInfo } from 'node:net';
import type { Engine } from '../exec/engine.ts';
import type { RunEvent } from '../exec/events.ts';
import type { Environment } from '../graph/node.ts';
import type { NodeRegistry } from '../graph/registry.ts';
import { memoryStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { isLoopback, type AccessOptions } from './access.ts';
import { addExtensionRoutes, addPage } from './comfy/extensions.ts';
import { History } from './comfy/history.ts';
import { Prompts } from './comfy/prompt.ts';
import { addQueueRoutes } from './comfy/queue-routes.ts';
import { PromptRunner } from './comfy/runner.ts';
import { featuresOf, type Site, type SiteFolders, type SitePack } from './comfy/site.ts';
import { SocketServer } from './comfy/socket-server.ts';
import { Clients } from './comfy/sockets.ts';
import { addSystemRoutes } from './comfy/system.ts';
import { addUserRoutes } from './comfy/userdata.ts';
import { addViewRoutes } from './comfy/views.ts';
import { EventLog } from './jobs/event-log.ts';
import { addJobRoutes } from './jobs/routes.ts';
import { FormRuns } from './jobs/run-form.ts';
import { Webhooks, type WebhookOptions } from './jobs/webhooks.ts';
import { addOpenAiRoutes } from './openai/routes.ts';
import type { OpenAiOptions } from './openai/workflows.ts';
import { Logbook } from './logbook.ts';
import { comfyOperations } from './openapi/comfy-operations.ts';
import { addOpenApi } from './openapi/document.ts';
import { jobOperations } from './openapi/job-operations.ts';
import { openAiOperations } from './openapi/openai-operations.ts';
import { Web } from './web.ts';

export interface ServerOptions {
  readonly engine: Engine;
  readonly registry: NodeRegistry;
  readonly environment: Environment;
  readonly folders: SiteFolders;
  /** Where queue and history are kept; it is the caller's to close. Default: in memory. */
  readonly store?: Store;
  readonly packs?: readonly SitePack[];
  /** Ready workflows: folder by name of the group. */
  readonly templates?: ReadonlyMap<string, string>;
  /** Default 127.0.0.1. */
  readonly addresses?: readonly string[];
  /** 0 = any free port. Default 8188. */
  readonly port?: number;
  /** Names under which clients may reach a server that listens on loopback alone. */
  readonly allowedHosts?: readonly string[];
  readonly cors?: string | undefined;
  readonly token?: string | undefined;
  readonly maxUploadBytes?: number;
  readonly compresses?: boolean;
  readonly frontEndRoot?: string | undefined;
  /** Prompts of different clients that run at once. Default 1. */
  readonly concurrency?: number;
  /** Longest side of previews; 0 = none. Default 512. */
  readonly previewSide?: number;
  readonly hidesMetadata?: boolean;
  readonly argv?: readonly string[];
  /** Who is told when a job has ended. */
  readonly webhooks?: WebhookOptions;
  readonly openAi?: OpenAiOptions;
  readonly onEvent?: (event: RunEvent) => void;
  readonly write?: (text: string) => void;
}

export interface RunningServer {
  readonly port: number;
  /** One for each address. */
  readonly urls: readonly string[];
  /**
   * Accepts nothing more, gives what runs `graceMs` (default 0) to end, then interrupts it, tells clients, and frees the port. What a
   * store on disk holds runs when it is opened again. Resolves with false when a run did not heed the interruption.
   */
  close(graceMs?: number): Promise<boolean>;
}

const defaultUploadBytes = 100 * 2 ** 20;
/** A server that was just killed may hold its port for a moment. */
const portRetries = 20;
const portRetryMs = 150;

/** Listens; rejects when the port is taken. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { engine, registry, environment, folders, addresses = ['127.0.0.1'], maxUploadBytes = defaultUploadBytes } = options;
  const logbook = new Logbook(options.write ?? (() => undefined));
  const access = accessOf(options, addresses);
  const web = new Web({ access, maxUploadBytes, compresses: options.compresses ?? false, log: logbook.log });
  const clients = new Clients();
  const store = options.store ?? memoryStore();
  const history = new History(store);
  const events = new EventLog({ store });
  const runner = new PromptRunner({
    engine, clients, store, concurrency: options.concurrency ?? 1, previewSide: options.previewSide ?? 512, hidesMetadata: options.hidesMetadata ?? false, log: logbook.log,
    onEvent: (event) => {
      events.receive(event);
      options.onEvent?.(event);
    },
  });
  runner.onEnded.add((job) => events.end(job));
  const prompts = new Prompts({ engine, registry, environment, runner, store });
  const templates = options.templates ?? new Map<string, string>();
  const forms = new FormRuns({ engine, registry, environment, runner, prompts, store, events, places: { user: folders.user, templates }, tempFolder: folders.temp });
  const webhooks = new Webhooks({ ...options.webhooks, store, forms, log: logbook.log });
  runner.onEnded.add((job) => webhooks.tell(job));
  addOpenApi(web, [...jobOperations, ...openAiOperations, ...comfyOperations], access.token !== undefined);
  addRoutes({
    web, engine, registry, environment, runner, prompts, history, store, clients, logbook, folders, maxUploadBytes, events, forms, webhooks,
    packs: options.packs ?? [], templates, frontEndRoot: options.frontEndRoot, argv: options.argv ?? [],
  }, options.openAi);
  const sockets = new SocketServer({ access, clients, runner, features: featuresOf({ maxUploadBytes }), log: logbook.log });
  const servers: Server[] = [];
  let port = options.port ?? 8188;
  try {
    for (const address of addresses) {
      const server = createServer(web.app);
      server.keepAliveTimeout = 65_000;
      server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));
      await listen(server, address, port);
      servers.push(server);
      port = (server.address() as AddressInfo).port;
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  runner.restore();
  return {
    port,
    urls: addresses.map((address) => `http://${isIPv6(address) ? `[${address}]` : address}:${port}`),
    async close(graceMs = 0) {
      const haveEnded = await runner.close(graceMs); // meanwhile prompts are answered with 503, all else as ever
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      sockets.close();
      webhooks.close();
      for (const server of servers) {
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 500).unref();
      }
      await Promise.all(closed);
      if (options.store === undefined) store.close();
      return haveEnded;
    },
  };
}

function addRoutes(site: Site, openAi: OpenAiOptions | undefined): void {
  addQueueRoutes(site);
  addJobRoutes(site);
  addOpenAiRoutes(site, openAi);
  addViewRoutes(site);
  addSystemRoutes(site);
  addUserRoutes(site);
  addExtensionRoutes(site);
  addPage(site);
  site.web.end();
}

/** Whoever listens beyond loopback has chosen to be found under any name; otherwise names must be known. */
function accessOf({ allowedHosts = [], cors, token }: ServerOptions, addresses: readonly string[]): AccessOptions {
  const own = hostname().toLowerCase();
  return {
    hosts: [own, `${own}.local`, ...allowedHosts, ...addresses].map((host) => host.toLowerCase()),
    checksHost: addresses.every(isLoopback) || allowedHosts.length > 0,
    ...(cors === undefined ? {} : { cors }),
    ...(token === undefined ? {} : { token }),
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port, ipv6Only: isIPv6(host) }, () => {
          server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt >= portRetries) throw error;
      await new Promise((resolve) => setTimeout(resolve, portRetryMs));
    }
  }
}
