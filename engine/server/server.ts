// The server: HTTP and WebSocket before one engine. Puts routes and sockets together, listens, and stops in order.
import { hostname } from 'node:os';
import { isIPv6 } from 'node:net';
import type { Engine } from '../exec/engine.ts';
import type { RunEvent } from '../exec/events.ts';
import type { Environment } from '../graph/node.ts';
import type { NodeRegistry } from '../graph/registry.ts';
import { memoryStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { exposureOf, isLoopback, type AccessOptions } from './access.ts';
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
import { Gate } from './gate.ts';
import { addHealthRoutes, countAnswers } from './health.ts';
import { EventLog } from './jobs/event-log.ts';
import { addJobRoutes } from './jobs/routes.ts';
import { FormRuns } from './jobs/run-form.ts';
import { Webhooks, type WebhookOptions } from './jobs/webhooks.ts';
import { ByteBudget } from './limits.ts';
import { openListeners, type Tls } from './listeners.ts';
import { Logbook } from './logbook.ts';
import { Login } from './login.ts';
import { addLoginRoutes } from './login-routes.ts';
import { Metrics } from './metrics.ts';
import { addOpenAiRoutes } from './openai/routes.ts';
import type { OpenAiOptions } from './openai/workflows.ts';
import { comfyOperations } from './openapi/comfy-operations.ts';
import { addOpenApi } from './openapi/document.ts';
import { jobOperations } from './openapi/job-operations.ts';
import { openAiOperations } from './openapi/openai-operations.ts';
import { countRuns } from './run-metrics.ts';
import { Web, type Route } from './web.ts';

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
  /** Names under which clients may reach it, also from pages behind a proxy that rewrites the Host. */
  readonly allowedHosts?: readonly string[];
  readonly cors?: string | undefined;
  /** Asked of every client. Beyond loopback there must be one, or `isInsecure`. */
  readonly token?: string | undefined;
  readonly isInsecure?: boolean;
  readonly tls?: Tls | undefined;
  /** A proxy on this machine says for whom it asks. */
  readonly trustsProxy?: boolean;
  /** Requests of one client a second, ten times as many at once. Default: any number. */
  readonly requestsPerSecond?: number | undefined;
  /** Sockets at once, of which one client may have a quarter. Default 4096. */
  readonly mostSockets?: number | undefined;
  /** Prompts that may wait; more are answered with 429. Default 10,000. */
  readonly mostWaiting?: number | undefined;
  readonly maxUploadBytes?: number;
  readonly compresses?: boolean;
  /** A built page that is not ours, such as ComfyUI's: browsers let it do more than ours. */
  readonly frontEndRoot?: string | undefined;
  /** Our built page. */
  readonly ownPageRoot?: string | undefined;
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
  /** Default: one that nobody reads but over HTTP. */
  readonly logbook?: Logbook;
}

export interface RunningServer {
  readonly port: number;
  /** One for each address. */
  readonly urls: readonly string[];
  /** All that it answers to. */
  readonly routes: readonly Route[];
  /**
   * Accepts nothing more, gives what runs `graceMs` (default 0) to end, then interrupts it, tells clients, and frees the port. What a
   * store on disk holds runs when it is opened again. Resolves with false when a run did not heed the interruption.
   */
  close(graceMs?: number): Promise<boolean>;
}

const defaultUploadBytes = 100 * 2 ** 20;
/** Of all bodies at once, but for a single one that is larger. */
const bodyBudgetBytes = 2 ** 30;
const bodyIdleMs = 30_000;
const defaultMostWaiting = 10_000;
const defaultMostSockets = 4096;

/** Listens; rejects when the port is taken, and when anyone could do anything: beyond loopback without a token. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { engine, registry, environment, folders, addresses = ['127.0.0.1'], maxUploadBytes = defaultUploadBytes } = options;
  const exposure = exposureOf(addresses, options.token, options.isInsecure ?? false);
  if (exposure !== undefined) throw new Error(exposure);
  const logbook = options.logbook ?? new Logbook(() => undefined);
  const metrics = new Metrics();
  const gate = gateOf(options, addresses, metrics);
  const limits = { bytes: maxUploadBytes, idleMs: bodyIdleMs, budget: new ByteBudget(Math.max(bodyBudgetBytes, 2 * maxUploadBytes)) };
  const web = new Web({ gate, limits, compresses: options.compresses ?? false, log: logbook.log, onAnswered: countAnswers(metrics, logbook.record) });
  const clients = new Clients();
  const store = options.store ?? memoryStore();
  const history = new History(store);
  const events = new EventLog({ store });
  const countRun = countRuns(metrics);
  const runner = new PromptRunner({
    engine, clients, store, concurrency: options.concurrency ?? 1, previewSide: options.previewSide ?? 512, hidesMetadata: options.hidesMetadata ?? false, log: logbook.log,
    onEvent: (event) => {
      countRun(event);
      events.receive(event);
      options.onEvent?.(event);
    },
  });
  runner.onEnded.add((job) => events.end(job));
  runner.onEnded.add(({ id, state, startedAt, endedAt }) => logbook.record(`prompt ${id}: ${state}`, { run: id, status: state, ...(startedAt === undefined || endedAt === undefined ? {} : { ms: Math.round(endedAt - startedAt) }) }));
  const prompts = new Prompts({ engine, registry, environment, runner, store, mostWaiting: options.mostWaiting ?? defaultMostWaiting });
  const templates = options.templates ?? new Map<string, string>();
  const forms = new FormRuns({ engine, registry, environment, runner, prompts, store, events, places: { user: folders.user, templates }, tempFolder: folders.temp });
  const webhooks = new Webhooks({ ...options.webhooks, store, forms, log: logbook.log });
  runner.onEnded.add((job) => webhooks.tell(job));
  addOpenApi(web, [...jobOperations, ...openAiOperations, ...comfyOperations], options.token !== undefined);
  const site: Site = {
    web, engine, registry, environment, runner, prompts, history, store, clients, logbook, folders, maxUploadBytes, events, forms, webhooks,
    packs: options.packs ?? [], templates, frontEndRoot: options.frontEndRoot, ownPageRoot: options.ownPageRoot, argv: options.argv ?? [],
  };
  addLoginRoutes(web, gate);
  addHealthRoutes(site, metrics);
  addRoutes(site, options.openAi);
  const sockets = new SocketServer({ gate, clients, runner, most: options.mostSockets ?? defaultMostSockets, features: featuresOf({ maxUploadBytes }), log: logbook.log });
  const { servers, port } = await openListeners({ app: web.app, sockets, addresses, port: options.port ?? 8188, tls: options.tls });
  runner.restore();
  return {
    port,
    routes: web.routes,
    urls: addresses.map((address) => `${options.tls === undefined ? 'http' : 'https'}://${isIPv6(address) ? `[${address}]` : address}:${port}`),
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

function gateOf(options: ServerOptions, addresses: readonly string[], metrics: Metrics): Gate {
  const { token, requestsPerSecond, trustsProxy = false } = options;
  const refusals = metrics.counter('bagelgraph_refused_requests_total', 'Requests and sockets that were not let in: of foreign origins, too many, without the token.');
  return new Gate({
    access: accessOf(options, addresses), trustsProxy,
    login: token === undefined ? undefined : new Login(token),
    rate: requestsPerSecond === undefined || requestsPerSecond === 0 ? undefined : { perSecond: requestsPerSecond, burst: 10 * requestsPerSecond },
    onRefused: (why) => refusals.add({ why }),
  });
}

/** Beyond loopback a token proves who asks, so that any name will do; otherwise names must be known. */
function accessOf({ allowedHosts = [], cors, token }: ServerOptions, addresses: readonly string[]): AccessOptions {
  const own = hostname().toLowerCase();
  const allowed = allowedHosts.map((host) => host.toLowerCase());
  return {
    hosts: [own, `${own}.local`, ...allowed, ...addresses.map((host) => host.toLowerCase())],
    checksHost: token === undefined || addresses.every(isLoopback) || allowed.length > 0,
    origins: allowed,
    ...(cors === undefined ? {} : { cors }),
  };
}
