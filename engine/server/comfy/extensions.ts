// Routes of what packs and pages bring for browsers: scripts, ready workflows, translations, static files (comfy-contract §1.5, §1.6).
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { encodeJson, isJsonObject, parseJson, type Json } from '../../formats/json.ts';
import { foreignPagePolicy, ownPagePolicy } from '../policies.ts';
import { sendJson, sendText, type Handler } from '../web.ts';
import type { Site, SitePack } from './site.ts';

export function addExtensionRoutes(site: Site): void {
  const { web, packs } = site;
  const groups = new Map([...site.templates, ...packs.flatMap(({ name, folder }) => (folder !== undefined && existsSync(path.join(folder, 'example_workflows')) ? [[name, path.join(folder, 'example_workflows')] as const] : []))]);
  web.on('/extensions', { get: async (_request, response) => sendJson(response, JSON.stringify(await scripts(site))) });
  web.on('/workflow_templates', {
    get: async (_request, response) => {
      const listed = await Promise.all([...groups].map(async ([name, folder]) => [name, (await jsonFiles(folder)).map((file) => file.slice(0, -5))] as const));
      sendJson(response, JSON.stringify(Object.fromEntries(listed)));
    },
  });
  for (const [name, folder] of groups) web.files(`/workflow_templates/${encodeURIComponent(name)}`, folder);
  web.on('/i18n', { get: async (_request, response) => sendJson(response, encodeJson(await translations(packs))) });
  for (const pack of packs) if (pack.web !== undefined) web.files(`/extensions/${encodeURIComponent(pack.name)}`, pack.web);
}

/** The page itself, last of all routes. What a browser lets it do depends on whose it is: ours keeps to the strict policy. */
export function addPage({ web, frontEndRoot, ownPageRoot }: Site): void {
  const root = frontEndRoot ?? ownPageRoot;
  const policy = frontEndRoot === undefined ? ownPagePolicy : foreignPagePolicy;
  const sendPage: Handler = async (_request, response) => {
    const page = root === undefined ? undefined : await readFile(path.join(root, 'index.html')).catch(() => undefined);
    if (page === undefined) return sendText(response, 200, 'bagelgraph serves ComfyUI\'s API here. There is no page: start it with --front-end-root FOLDER.\n');
    response.setHeader('Content-Security-Policy', policy);
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-cache', Pragma: 'no-cache', Expires: '0', 'Content-Length': page.length }).end(page);
  };
  web.on('/', { get: sendPage });
  // workflows by name in the simple view: the page reads its own address
  if (frontEndRoot === undefined) for (const place of ['/app', '/app/:name']) web.on(place, { get: sendPage });
  if (root !== undefined) web.files('/', root, policy);
  // pages ask for this list whether or not there are templates
  web.on('/templates/index.json', { get: (_request, response) => sendJson(response, '[]') });
}

async function scripts({ packs, frontEndRoot }: Site): Promise<string[]> {
  const below = async (folder: string | undefined, prefix: string) => (folder === undefined ? [] : (await filesBelow(folder)).filter((file) => file.endsWith('.js')).map((file) => `${prefix}${file}`));
  const ofPage = await below(frontEndRoot === undefined ? undefined : path.join(frontEndRoot, 'extensions'), '/extensions/');
  const ofPacks = await Promise.all(packs.map(({ name, web }) => below(web, `/extensions/${encodeURIComponent(name)}/`)));
  return [...ofPage, ...ofPacks.flat()];
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/')).sort();
}

async function jsonFiles(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
}

const parts = ['nodeDefs', 'commands', 'settings'];

/** `locales/<language>/{main,nodeDefs,commands,settings}.json` of all packs, merged; the later pack wins. */
async function translations(packs: readonly SitePack[]): Promise<Json> {
  let merged: Json = new Map();
  for (const { folder } of packs) {
    if (folder === undefined) continue;
    for (const language of (await readdir(path.join(folder, 'locales'), { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory())) {
      const place = path.join(folder, 'locales', language.name);
      let words: Json = await readWords(path.join(place, 'main.json'));
      for (const part of parts) {
        const own = await readWords(path.join(place, `${part}.json`));
        if (isJsonObject(own) && own.size > 0) words = merge(words, new Map([[part, own]]));
      }
      merged = merge(merged, new Map([[language.name, words]]));
    }
  }
  return merged;
}

async function readWords(file: string): Promise<Json> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  try {
    return parseJson(text);
  } catch {
    return new Map(); // a broken file of one pack must not take the words of the others
  }
}

function merge(a: Json, b: Json): Json {
  if (!isJsonObject(a) || !isJsonObject(b)) return b;
  const merged = new Map(a);
  for (const [key, value] of b) merged.set(key, merged.has(key) ? merge(merged.get(key)!, value) : value);
  return merged;
}
