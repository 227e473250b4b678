// A NodeContext over temp folders, for tests that call one node's run without an executor.
// Its Files keep ComfyUI's naming in the simplest way; the real one is engine/exec/files.ts.
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Device } from '../../engine/device/device.ts';
import type { Json } from '../../engine/formats/json.ts';
import type { Environment, Files, FolderKind, NodeContext, RequestMeta } from '../../engine/graph/node.ts';

export interface TestContext {
  readonly context: NodeContext;
  readonly environment: Environment;
  /** What the node showed, call by call. */
  readonly shown: Json[];
  readonly notices: string[];
  /** Streamed text, delta by delta. */
  readonly texts: string[];
  /** Absolute path of a folder. */
  readonly folder: Record<FolderKind, string>;
}

export interface TestContextOptions {
  readonly request?: RequestMeta;
  readonly signal?: AbortSignal;
  /** Absent: reading `context.device` throws. */
  readonly device?: Device;
}

/** Call it inside a test: its folders are removed when that test ends. */
export async function testContext({ request, signal, device }: TestContextOptions = {}): Promise<TestContext> {
  const root = await mkdtemp(join(tmpdir(), 'bagelgraph-test-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const folder = { input: join(root, 'input'), output: join(root, 'output'), temp: join(root, 'temp') };
  for (const path of Object.values(folder)) await mkdir(path);
  const files = filesIn(folder);
  const devices = new Map(device ? [[device.name, device]] : []);
  const shown: Json[] = [];
  const notices: string[] = [];
  const texts: string[] = [];
  const unused = (what: string) => (): never => {
    throw new Error(`this test's context has no ${what}`);
  };
  const context: NodeContext = {
    node: '1',
    call: 0,
    graph: { node: () => undefined, parent: () => undefined, display: (id) => id, original: { nodes: new Map() } },
    request: request ?? { prompt: new Map(), extras: new Map() },
    get device() {
      return device ?? unused('device')();
    },
    devices,
    signal: signal ?? new AbortController().signal,
    files,
    expand: unused('expansion'),
    show: (ui) => void shown.push(ui),
    text: (delta) => void texts.push(delta),
    notice: (message) => void notices.push(message),
    count: () => {},
    progress: async () => {},
    send: async () => {},
  };
  return { context, environment: { files, devices }, shown, notices, texts, folder };
}

function filesIn(folder: Record<FolderKind, string>): Files {
  return {
    async resolve(name, kind = 'input') {
      const annotated = /^(.*) \[(input|output|temp)\]$/.exec(name);
      const path = join(folder[(annotated?.[2] as FolderKind | undefined) ?? kind], annotated?.[1] ?? name);
      await access(path);
      return path;
    },
    async list(kind, extensions) {
      const names = await readdir(folder[kind]);
      return names.filter((name) => !extensions || extensions.some((extension) => name.toLowerCase().endsWith(extension))).sort();
    },
    async save(kind, prefix, extension, bytes, vars = {}) {
      const filled = prefix.replace(/%(\w+)%/g, (word, name: string) => vars[name] ?? word);
      const subfolder = dirname(filled) === '.' ? '' : dirname(filled);
      const target = join(folder[kind], subfolder);
      await mkdir(target, { recursive: true });
      const start = `${basename(filled)}_`;
      const taken = (await readdir(target)).filter((name) => name.startsWith(start)).map((name) => Number.parseInt(name.slice(start.length), 10) || 0);
      const filename = `${start}${String(Math.max(0, ...taken) + 1).padStart(5, '0')}_.${extension}`;
      const path = join(target, filename);
      await writeFile(path, bytes);
      return { filename, subfolder, type: kind, path };
    },
    checkWritable: async () => {},
    models: () => [],
  };
}
