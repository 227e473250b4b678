// `bagelgraph serve`: the engine behind ComfyUI's HTTP and WebSocket. Reads flags, opens folders, and waits for Ctrl-C.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { CachePolicy } from '../exec/cache.ts';
import { createEngine } from '../exec/engine.ts';
import { openFiles } from '../exec/files.ts';
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import { createRegistry } from '../graph/registry.ts';
import type { SiteFolders } from '../server/comfy/site.ts';
import { Logbook } from '../server/logbook.ts';
import { accessOf, accessOptions } from './access-options.ts';
import { UsageError } from './arguments.ts';
import type { FullHost, HostCommand } from './command.ts';
import { debugLevel, debugLine } from './debug.ts';
import { readExtraPaths } from './extra-paths.ts';
import { bringExamples, modelFolders, packageRoot } from './folders.ts';
import { openAiOf, openAiOptions } from './openai.ts';
import { deviceOptions } from './options.ts';
import { namedIn, openState, stateOptions, stopGraceMs } from './state.ts';
import { claimTempFolder } from './temp-folder.ts';
import { writeTraces } from './trace-files.ts';
import { webhookOptions, webhooksOf } from './webhook-options.ts';

const text = (value: string, description: string): CommandOption => ({ type: 'string', value, description });
const flag = (description: string): CommandOption => ({ type: 'boolean', description });

const options: Record<string, CommandOption> = {
  ...accessOptions,
  'enable-compress-response-body': flag('compress JSON and texts'),
  'front-end-root': text('DIR', 'another built page than our own, served at /'),
  'base-directory': text('DIR', 'where models, input, output, temp and user are (default here)'),
  'input-directory': text('DIR', 'where pictures are read'),
  'output-directory': text('DIR', 'where results are written'),
  'temp-directory': text('DIR', 'where the temp folder is; what the history does not name goes at start and stop'),
  'user-directory': text('DIR', 'settings and files of the page'),
  'extra-model-paths-config': { ...text('FILE', 'more model folders, as in ComfyUI\'s extra_model_paths.yaml'), multiple: true },
  model: text('DIR', 'model folder, or its name below models/'),
  ...stateOptions,
  ...openAiOptions,
  ...webhookOptions,
  concurrency: text('N', 'prompts that run at once (default: one a device); of a client that follows ComfyUI\'s messages one after another'),
  'cache-classic': flag('keep the results of the last prompt only'),
  'cache-lru': text('N', 'keep the results of N nodes; 0 = classic'),
  'cache-none': flag('keep no results'),
  'preview-method': text('METHOD', 'none, or auto (default), latent2rgb, taesd: pictures while drawing'),
  'preview-size': text('N', 'longest side of previews (default 512)'),
  'disable-metadata': flag('keep prompt and workflow out of saved files'),
  'disable-all-custom-nodes': flag('load only the packs that are part of this program'),
  'whitelist-custom-nodes': { ...text('NAME', 'load this pack all the same'), multiple: true },
  'node-pack': { ...text('DIR', 'also load this node pack'), multiple: true },
  ...deviceOptions,
  cpu: flag('compute on the CPU, as is the case anyway'),
  verbose: { ...text('LEVEL', 'tell what runs'), bare: 'DEBUG' },
};

const stuckExitMs = 3000;

export const serveCommand: HostCommand = {
  name: 'serve',
  summary: 'Serve ComfyUI\'s HTTP and WebSocket API',
  usage: 'serve',
  options,
  async run(args, host) {
    if (args.positionals.length > 0) throw new UsageError(`serve takes no ${JSON.stringify(args.positionals[0])} (see bagelgraph serve --help)`);
    const { startServer } = await import('../server/server.ts');
    const { folders, models } = foldersOf(args);
    if (one(args, 'input-directory') === undefined) bringExamples(folders.input);
    const registry = createRegistry(packsOf(args, host));
    const devices = host.lazyDevices();
    const files = openFiles({ ...folders, models });
    const concurrency = wholeNumber(args, 'concurrency', devices.size, 1);
    const engine = createEngine({ registry, devices, files, cache: cacheOf(args), concurrency });
    const isVerbose = args.options['verbose'] !== undefined || debugLevel >= 1;
    const access = accessOf(args);
    const logbook = new Logbook((line) => host.stderr.write(line), access.logFormat);
    const trace = process.env['TRACE'] === undefined ? undefined : writeTraces(process.env['TRACE'], logbook.log);
    const graceMs = stopGraceMs(args);
    const store = await openState(args, path.resolve(one(args, 'base-directory') ?? '.'), logbook.log);
    const sweepTemp = claimTempFolder(folders.temp, namedIn(store));
    const untilStopped = watchStop(host.signal);
    try {
      const server = await startServer({
        engine, registry, environment: { files, devices }, folders, store, logbook, ...access,
        packs: packsOf(args, host).map(({ name, folder, web }) => ({ name, folder, web })),
        templates: new Map([['bagelgraph', path.join(packageRoot, 'workflows')]]),
        compresses: args.options['enable-compress-response-body'] === true,
        frontEndRoot: pageOf(args),
        ownPageRoot: existsSync(path.join(ownPage, 'index.html')) ? ownPage : undefined,
        concurrency,
        previewSide: previewSideOf(args),
        hidesMetadata: args.options['disable-metadata'] === true,
        argv: process.argv.slice(1),
        openAi: openAiOf(args),
        webhooks: webhooksOf(args),
        onEvent: (event) => {
          trace?.(event);
          const line = isVerbose ? debugLine(event) : undefined;
          if (line !== undefined) logbook.log(line, { run: event.run, event: event.kind });
        },
      });
      host.stdout.write(`${server.urls.map((url) => `bagelgraph serves ${url}`).join('\n')}\n`);
      const isTerminated = await untilStopped;
      const haveEnded = await server.close(isTerminated ? graceMs : 0);
      if (haveEnded) await engine.clear();
      else setTimeout(() => process.exit(), stuckExitMs).unref(); // a run that heeds no interruption would hold the process
      return 0;
    } finally {
      sweepTemp(namedIn(store));
      store.close();
    }
  },
};

/** Resolves when the command is to stop: true for SIGTERM, which lets what runs go on for a while; a person at the terminal does not want to wait. */
function watchStop(signal: AbortSignal): Promise<boolean> {
  let isTerminated = false;
  process.once('SIGTERM', () => { isTerminated = true; });
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    else signal.addEventListener('abort', () => setImmediate(() => resolve(isTerminated)), { once: true });
  });
}

function packsOf({ options: given }: CommandArguments, { packs }: FullHost): FullHost['packs'] {
  if (given['disable-all-custom-nodes'] !== true) return packs;
  const kept = given['whitelist-custom-nodes'];
  const names = Array.isArray(kept) ? (kept as readonly string[]) : [];
  return packs.filter(({ name, folder }) => folder.startsWith(packageRoot) || names.includes(name));
}

function foldersOf(args: CommandArguments): { readonly folders: SiteFolders; readonly models: readonly string[] } {
  const base = path.resolve(one(args, 'base-directory') ?? '.');
  const below = (name: string, option: string) => (one(args, option) === undefined ? path.join(base, name) : path.resolve(one(args, option)!));
  const extra = new Map<string, string[]>();
  for (const file of many(args, 'extra-model-paths-config')) {
    for (const [kind, found] of readExtraPaths(file)) extra.set(kind, [...(extra.get(kind) ?? []), ...found]);
  }
  const model = one(args, 'model');
  const roots = [...new Set([...(base === process.cwd() ? [] : [path.join(base, 'models')]), ...modelFolders(model === undefined ? {} : { model })])];
  return {
    folders: {
      input: below('input', 'input-directory'), output: below('output', 'output-directory'), user: below('user', 'user-directory'),
      temp: path.join(path.resolve(one(args, 'temp-directory') ?? base), 'temp'),
      models: roots, extraModels: extra,
    },
    models: [...roots, ...['bagel', 'diffusion_models', 'checkpoints'].flatMap((kind) => extra.get(kind) ?? [])],
  };
}

function cacheOf({ options: given }: CommandArguments): CachePolicy {
  if (given['cache-none'] === true) return { policy: 'none' };
  if (given['cache-lru'] !== undefined) return { policy: 'lru', entries: wholeNumber({ options: given, positionals: [] }, 'cache-lru', 0, 0) };
  return given['cache-classic'] === true ? { policy: 'classic' } : { policy: 'bytes' };
}

function previewSideOf(args: CommandArguments): number {
  const method = one(args, 'preview-method') ?? 'auto';
  if (!['none', 'auto', 'latent2rgb', 'taesd'].includes(method)) throw new UsageError(`--preview-method is ${JSON.stringify(method)}: give none, auto, latent2rgb or taesd`);
  return method === 'none' ? 0 : wholeNumber(args, 'preview-size', 512, 1);
}

/** Our own page, as it was built. */
const ownPage = path.join(packageRoot, 'dist/ui');

function pageOf(args: CommandArguments): string | undefined {
  const root = one(args, 'front-end-root');
  if (root !== undefined && !existsSync(path.join(root, 'index.html'))) throw new UsageError(`--front-end-root ${root} holds no index.html`);
  return root === undefined ? undefined : path.resolve(root);
}

function one({ options: given }: CommandArguments, name: string): string | undefined {
  const value = given[name];
  return typeof value === 'string' ? value : undefined;
}

function many({ options: given }: CommandArguments, name: string): readonly string[] {
  const value = given[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

function number(args: CommandArguments, name: string, initial: number): number {
  const value = Number(one(args, name) ?? initial);
  if (!Number.isFinite(value) || value < 0) throw new UsageError(`--${name} is ${JSON.stringify(one(args, name))}: give a number from 0`);
  return value;
}

function wholeNumber(args: CommandArguments, name: string, initial: number, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = number(args, name, initial);
  if (!Number.isInteger(value) || value < least || value > most) throw new UsageError(`--${name} is ${JSON.stringify(one(args, name))}: give a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`);
  return value;
}
