// Routes about the server: what it knows, what it runs on, what it has said (comfy-contract §1.5, §1.6).
import { readdir, stat } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import path from 'node:path';
import { encodeJson } from '../../formats/json.ts';
import { nodeInfo, objectInfo } from '../../graph/object-info.ts';
import { HttpError } from '../http-error.ts';
import { sendEmpty, sendJson, sendText } from '../web.ts';
import { kindFolders, modelFile, modelFiles, modelKinds, type ModelPlaces } from './model-files.ts';
import { objectBody } from './queue-routes.ts';
import { featuresOf, type Site } from './site.ts';

/** The ComfyUI whose wire this is: clients compare versions. */
const comfyVersion = '0.3.64';
const frontEndVersion = '1.27.10';
const templatesVersion = '0.1.95';

/** Clients that follow the log; more push out those that began first. */
const mostSubscribers = 1000;
const logSize = { cols: 80, rows: 24 };

export function addSystemRoutes(site: Site): void {
  addDefinitionRoutes(site);
  addModelRoutes(site);
  addInternalRoutes(site);
  const { web } = site;
  web.on('/features', { get: (_request, response) => sendJson(response, JSON.stringify(featuresOf(site))) });
  web.on('/system_stats', { get: async (_request, response) => sendJson(response, JSON.stringify(await systemStats(site))) });
}

function addDefinitionRoutes({ web, registry, environment }: Site): void {
  web.on('/object_info', { get: async (_request, response) => sendJson(response, encodeJson(await objectInfo(registry, environment))) });
  web.on('/object_info/:type', {
    get: async (request, response) => {
      const type = request.params['type'] as string;
      const node = registry.get(type);
      sendJson(response, encodeJson(node === undefined ? new Map() : new Map([[type, await nodeInfo(node, environment, registry.packOf(type))]])));
    },
  });
}

function addModelRoutes({ web, folders }: Site): void {
  const listed = async (kind: string) => {
    const files = await modelFiles(folders, kind);
    if (files === undefined) throw new HttpError(404, '404: Not Found');
    return files;
  };
  web.on('/embeddings', { get: async (_request, response) => sendJson(response, JSON.stringify((await listed('embeddings')).map(({ name }) => name.replace(/\.[^./]+$/, '')))) });
  web.on('/models', { get: (_request, response) => sendJson(response, JSON.stringify(modelKinds)) });
  web.on('/models/:folder', { get: async (request, response) => sendJson(response, JSON.stringify((await listed(request.params['folder'] as string)).map(({ name }) => name))) });
  web.on('/experiment/models', {
    get: (_request, response) => sendJson(response, JSON.stringify(modelKinds.filter((kind) => kind !== 'configs' && kind !== 'custom_nodes').map((name) => ({ name, folders: kindFolders(folders, name) })))),
  });
  web.on('/experiment/models/:folder', {
    get: async (request, response) => {
      const files = await listed(request.params['folder'] as string);
      sendJson(response, JSON.stringify(await Promise.all(files.map(async ({ name, index, path: file }) => {
        const { size, mtimeMs, birthtimeMs } = await stat(file);
        return { name, pathIndex: index, modified: mtimeMs / 1000, created: birthtimeMs / 1000, size };
      }))));
    },
  });
  web.on('/experiment/models/preview/:folder/:index/:file', {
    get: async (request, response) => {
      const { folder, index, file } = request.params as Record<string, string>;
      const picture = await previewOf(folders, folder!, file!, Number(index));
      if (picture === undefined) throw new HttpError(404, '404: Not Found');
      const [{ decode }, { encodeWebp }] = await Promise.all([import('../../image/decode.ts'), import('../../image/encode.ts')]);
      const pixels = await decode(picture).catch((error: Error) => {
        throw new HttpError(400, error.message);
      });
      response.setHeader('Content-Type', 'image/webp');
      response.end(Buffer.from(await encodeWebp(pixels)));
    },
  });
}

/** A picture beside a model file: `name.preview.png` or `name.png`. */
async function previewOf(places: ModelPlaces, kind: string, file: string, index: number): Promise<string | undefined> {
  const stem = file.replace(/\.[^./]+$/, '');
  for (const middle of ['.preview', '']) {
    for (const extension of ['.webp', '.png', '.jpg', '.jpeg']) {
      const found = await modelFile(places, kind, `${stem}${middle}${extension}`, index);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function addInternalRoutes(site: Site): void {
  const { web, folders, logbook, clients } = site;
  const subscribers = new Map<string, () => void>();
  web.on('/internal/logs', { get: (_request, response) => sendJson(response, JSON.stringify(logbook.entries.map(({ t, m }) => `${t} - ${m}`).join(''))) });
  web.on('/internal/logs/raw', { get: (_request, response) => sendJson(response, JSON.stringify({ entries: logbook.entries, size: logSize })) });
  web.on('/internal/logs/subscribe', {
    patch: async (request, response) => {
      const body = await objectBody(site, request);
      const clientId = String(body.get('clientId') ?? '');
      subscribers.get(clientId)?.();
      subscribers.delete(clientId);
      if (body.get('enabled') === true) {
        const [oldest] = subscribers.keys();
        if (subscribers.size >= mostSubscribers && oldest !== undefined) {
          subscribers.get(oldest)!();
          subscribers.delete(oldest);
        }
        subscribers.set(clientId, logbook.listen((entry) => {
          const client = clients.get(clientId);
          if (client !== undefined) return client.send(JSON.stringify({ type: 'logs', data: { entries: [entry], size: logSize } }));
          subscribers.get(clientId)?.();
          subscribers.delete(clientId);
        }));
      }
      sendEmpty(response);
    },
  });
  web.on('/internal/folder_paths', {
    get: (_request, response) => sendJson(response, JSON.stringify({
      ...Object.fromEntries(modelKinds.map((kind) => [kind, kindFolders(folders, kind)])),
      input: [folders.input], output: [folders.output], temp: [folders.temp],
    })),
  });
  web.on('/internal/files/:folder', {
    get: async (request, response) => {
      const kind = request.params['folder'] as string;
      if (kind !== 'input' && kind !== 'output' && kind !== 'temp') return sendText(response, 400, 'give input, output or temp');
      sendJson(response, JSON.stringify(await newestFirst(folders[kind])));
    },
  });
}

async function newestFirst(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = await Promise.all(entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(async ({ name }) => ({ name, at: (await stat(path.join(folder, name))).mtimeMs })));
  return files.sort((a, b) => b.at - a.at).map(({ name }) => name);
}

async function systemStats({ environment, argv }: Site): Promise<object> {
  const ram = { total: totalmem(), free: freemem() };
  const devices = await Promise.all([...environment.devices].map(async ([name, device]) => {
    const type = name.split(':')[0]!;
    // of a worker that is being restarted nothing is known; the rest still is
    const stats = await device.stats().catch(() => undefined);
    const own = {
      budget_bytes: device.budgetBytes ?? null, resident_bytes: stats?.memory?.resident ?? null, handle_bytes: stats?.handles.bytes ?? null,
      sessions: stats?.sessions ?? null, runs: stats?.runs ?? null, restarts: stats?.restarts ?? null, threads: stats?.threads ?? null, backend: stats?.backend ?? null,
    };
    // of a card that does not tell, clients must not be told the host's memory
    const vram = type === 'cpu' ? ram : { total: stats?.card?.totalBytes ?? 0, free: stats?.card?.freeBytes ?? 0 };
    return { name, type, index: type === 'cpu' ? null : Number(name.split(':')[1] ?? 0), vram_total: vram.total, vram_free: vram.free, torch_vram_total: vram.total, torch_vram_free: vram.free, bagelgraph: own };
  }));
  return {
    system: {
      os: process.platform === 'win32' ? 'nt' : 'posix', ram_total: ram.total, ram_free: ram.free,
      comfyui_version: comfyVersion, required_frontend_version: frontEndVersion, installed_templates_version: templatesVersion, required_templates_version: templatesVersion,
      // no Python here; clients show these two as texts and some require them
      python_version: `none (Node ${process.versions.node})`, pytorch_version: 'none (ONNX Runtime)', embedded_python: false, argv,
    },
    devices,
  };
}
