// The rules of structure that a machine can check. The table is that of the design: who may import whom.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { findViolations, type Architecture, type Rule } from './support/architecture.ts';

const packFolders = ['engine/graph', 'engine/formats', 'engine/tensor', 'engine/onnx', 'engine/device', 'engine/image'];
const pack: Rule = { may: [...packFolders, 'nodes/core'] };

const architecture: Architecture = {
  rules: {
    'engine/tensor': { may: [] },
    'engine/formats': { may: [], browser: true },
    'engine/onnx': { may: ['engine/tensor'] },
    'engine/image': { may: ['engine/tensor'] },
    'engine/device': { may: ['engine/tensor'] },
    'engine/graph': { may: ['engine/formats'], types: ['engine/device'], browser: true },
    'engine/exec': { may: ['engine/graph', 'engine/formats/json.ts', 'engine/tensor/tensor.ts', 'engine/device/scoped.ts', 'engine/device/move.ts'], types: ['engine/device', 'engine/image', 'engine/store'] },
    'engine/store': { may: [], types: ['engine/exec'] },
    'engine/server': { may: ['engine/formats', 'engine/graph', 'engine/exec', 'engine/image', 'engine/store'] },
    'engine/client': { may: ['engine/formats'], types: ['engine/server/jobs/protocol.ts'], browser: true },
    'engine/cli': { may: ['engine'] },
    'engine/main.ts': { may: ['engine'] },
    'nodes/core': { may: packFolders },
    'nodes/bagel': pack,
    'nodes/bagel/weights': { may: [...pack.may, 'nodes/bagel', 'native'] },
    'nodes/comfy-bagel': pack,
    'ui/state': { may: ['engine/graph', 'engine/formats'], types: ['engine/server/comfy/protocol.ts'], browser: true },
    'ui/api': { may: ['engine/graph', 'engine/formats', 'ui/state'], types: ['engine/server/comfy/protocol.ts'], browser: true },
    'ui/canvas': { may: ['engine/graph', 'engine/formats', 'ui/state'], types: ['engine/server/comfy/protocol.ts'], browser: true },
    'ui/app': { may: ['engine/graph', 'engine/formats', 'ui/state', 'ui/api', 'ui/canvas'], types: ['engine/server/comfy/protocol.ts'], browser: true },
  },
  packages: {
    'onnxruntime-node': ['engine/device/worker-node.ts'],
    sharp: ['engine/image'],
    '@huggingface/hub': ['nodes/bagel/weights'],
    '@huggingface/tokenizers': ['nodes/bagel/tokenizer'],
    express: ['engine/server'],
    ws: ['engine/server'],
    typebox: ['engine/server'],
    libsql: ['engine/store'],
    yauzl: ['engine/cli'],
    '@swc/wasm-typescript': ['engine/cli'],
    vue: ['ui/app'],
    'reka-ui': ['ui/app'],
    '@lucide/vue': ['ui/app'],
    immer: ['ui/state'],
    'litegraph.js': ['ui/canvas'],
  },
  maxLines: 450,
};

test('the sources keep to the rules', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const paths = listSources(root);
  expect(paths).toContain('engine/tensor/tensor.ts');
  expect(findViolations(new Map(paths.map((path) => [path, sourceOf(path, readFileSync(`${root}${path}`, 'utf8'))])), architecture)).toEqual([]);
});

function listSources(root: string): string[] {
  return ['engine', 'nodes', 'ui'].filter((folder) => existsSync(`${root}${folder}`)).flatMap((folder) => (readdirSync(`${root}${folder}`, { recursive: true }) as string[])
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)).filter((path) => /\.(ts|vue)$/.test(path) && !path.includes('node_modules') && path !== 'ui/vite.config.ts').sort();
}

/** The script of a component, which its first line opens. */
function sourceOf(path: string, text: string): string {
  return path.endsWith('.vue') ? `#!vue\n${/^<script setup lang="ts"[^>]*>\n([^]*?)<\/script>/.exec(text)?.[1] ?? ''}` : text;
}

describe('the checks find what they are for', () => {
  const said = (files: Readonly<Record<string, string>>) => findViolations(new Map(Object.entries(files).map(([path, text]) => [path, text.startsWith('!') ? text.slice(1) : `// A file.\n${text}`])), architecture);
  const ours = { 'engine/tensor/tensor.ts': 'export const a = 1;', 'engine/device/device.ts': 'export interface D { a: 1 }', 'engine/exec/plan.ts': 'export const p = 1;' };

  test('a folder that may not be imported', () => {
    expect(said({ ...ours, 'engine/image/x.ts': "import { D } from '../device/device.ts';" })).toEqual(['engine/image/x.ts:2: engine/image may not import engine/device/device.ts; it may import engine/tensor']);
    expect(said({ ...ours, 'nodes/bagel/x.ts': "\nexport const p = await import('../../engine/exec/plan.ts');" })).toEqual([expect.stringContaining('nodes/bagel/x.ts:3: nodes/bagel may not import engine/exec/plan.ts')]);
    expect(said({ 'nodes/core/x.ts': "import '../bagel/y.ts';", 'nodes/bagel/y.ts': 'export const y = 1;' })).toEqual([expect.stringContaining('nodes/core may not import nodes/bagel/y.ts')]);
  });
  test('values where only types may be imported', () => {
    expect(said({ ...ours, 'engine/graph/x.ts': "import { D } from '../device/device.ts';" })).toEqual(['engine/graph/x.ts:2: engine/graph may import only types from engine/device/device.ts: write "import type"']);
    expect(said({ ...ours, 'engine/graph/x.ts': "import type { D } from '../device/device.ts';\nimport { type D as E } from '../device/device.ts';" })).toEqual([]);
  });
  test('packages outside their place, and unknown ones', () => {
    expect(said({ 'engine/device/x.ts': "import { InferenceSession } from 'onnxruntime-node';" })).toEqual(['engine/device/x.ts:2: the package onnxruntime-node may be imported only in engine/device/worker-node.ts']);
    expect(said({ 'engine/exec/x.ts': "import x from 'left-pad/x';" })).toEqual(['engine/exec/x.ts:2: the package left-pad is not in the table of packages']);
  });
  test('Node modules in what a browser runs', () => {
    expect(said({ 'engine/formats/x.ts': "import { readFile } from 'node:fs';" })).toEqual(['engine/formats/x.ts:2: engine/formats also runs in a browser, so it may not import node:fs']);
  });
  test('imports without an extension', () => expect(said({ ...ours, 'engine/onnx/x.ts': "import '../tensor/tensor';" })).toEqual([expect.stringContaining('imports ../tensor/tensor, which is no source file')]));
  test('a folder that is not in the table', () => expect(said({ 'engine/misc/x.ts': '' })).toEqual([expect.stringContaining('engine/misc/x.ts:1: lies in no folder of the import table')]));
  test('cycles, but not of types', () => {
    expect(said({ 'engine/tensor/a.ts': "import './b.ts';", 'engine/tensor/b.ts': "import './a.ts';" })).toEqual(['engine/tensor/a.ts:1: import cycle: engine/tensor/a.ts → engine/tensor/b.ts → engine/tensor/a.ts']);
    expect(said({ 'engine/tensor/a.ts': "import './b.ts';", 'engine/tensor/b.ts': "import type { A } from './a.ts';" })).toEqual([]);
  });
  test('barrels', () => {
    expect(said({ ...ours, 'engine/tensor/x.ts': "export * from './tensor.ts';" })).toEqual(['engine/tensor/x.ts:1: only re-exports: import from the files themselves']);
    expect(said({ 'nodes/core/x.ts': 'export const x = 1;', 'nodes/core/index.ts': "export { x } from './x.ts';" })).toEqual([]);
  });
  test('any in exported signatures alone', () => {
    expect(said({ 'engine/tensor/x.ts': 'export function f(a: any): void {}\nexport type T = { b: any[] };\nexport const g = (c: any) => c;' })).toHaveLength(3);
    expect(said({ 'engine/tensor/x.ts': 'function f(a: any): void {}\nexport function g(): void { const x: any = 1; f(x); }\n// eslint-disable-next-line @typescript-eslint/no-explicit-any -- inference\nexport type T = any;' })).toEqual([]);
  });
  test('form', () => {
    expect(said({ 'engine/tensor/x.ts': '!export const a = 1;' })).toEqual(['engine/tensor/x.ts:1: opens without a comment that says what the file is for']);
    expect(said({ 'engine/tensor/x.ts': '\n'.repeat(450) })).toEqual([expect.stringContaining('has 451 lines, more than 450')]);
    expect(said({ 'engine/tensor/x.ts': 'export default 1;' })).toEqual(['engine/tensor/x.ts:2: default export: give it a name']);
  });
});
