// Packs of others: TypeScript and JavaScript, by option and in custom_nodes/; what is wrong with one is told, and the rest loads.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { bagelgraph, folderWith } from './bagelgraph.ts';

/** A folder whose custom_nodes/ holds these files. */
async function withCustomNodes(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await folderWith();
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, 'custom_nodes', name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return folder;
}

const typed = `
import { defineNode, NodeContext } from 'bagelgraph/graph/node';
import { STRING } from 'bagelgraph/graph/types';
import { twice } from './twice.ts';
import { shout } from './shout.js';

enum Mark { Question = '?' }

export const nodes = [defineNode({
  type: 'Echo', category: 'mine', output: true,
  inputs: { text: { type: STRING } }, outputs: [],
  run({ text }, context: NodeContext) {
    context.show(new Map([['text', [twice(shout(text)) + Mark.Question]]]));
    return [];
  },
})];
`;
const twice = 'export function twice<T extends string>(text: T): string { return `${text}${text}`; }\n';
const shout = 'export const shout = (text: string) => text.toUpperCase() as string;\n';
const plain = (type: string) => `export const nodes = [{ type: '${type}', category: 'mine', inputs: {}, outputs: [], run: () => [] }];`;

test('a TypeScript pack in custom_nodes/ runs, wherever it lies', async () => {
  const folder = await withCustomNodes({ 'echo/index.ts': typed, 'echo/twice.ts': twice, 'echo/shout.ts': shout });
  await writeFile(path.join(folder, 'w.json'), JSON.stringify({ 1: { class_type: 'Echo', inputs: { text: 'hey' } } }));
  const { code, stdout, stderr } = await bagelgraph(folder, 'run', 'w.json', '--json');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain('HEYHEY?');
});

test('a pack that fails is told and skipped, the rest loads', async () => {
  const folder = await withCustomNodes({
    'a-good/index.js': plain('Good'),
    'b-throws/index.ts': 'const reason: string = "no luck today";\nthrow new Error(reason);\n',
    'c-broken/index.ts': 'export const nodes = [];\nconst x: = 1;\n',
    'd-empty/index.js': 'export const commands = [];',
    'e-clash/index.js': plain('SaveImage'),
    'f-good/index.mjs': plain('AlsoGood'),
    'g-off.disabled/index.js': plain('Off'),
    '.hidden/index.js': plain('Hidden'),
    'python-pack/__init__.py': '',
    'readme.txt': '',
  });
  const { code, stdout, stderr } = await bagelgraph(folder, 'nodes');
  expect(code).toBe(0);
  expect(stdout).toMatch(/\bGood\b[\s\S]*\bAlsoGood\b/);
  expect(stdout).not.toMatch(/\bOff\b|\bHidden\b/);
  const lines = stderr.trimEnd().split('\n');
  expect(lines.filter((line) => line.startsWith('bagelgraph: node pack'))).toHaveLength(4);
  expect(stderr).toMatch(/b-throws was skipped: no luck today/);
  expect(stderr).toMatch(/c-broken was skipped: .*index\.ts, line 2, column \d+: /);
  expect(stderr).toMatch(/d-empty was skipped: .*nodes/);
  expect(stderr).toMatch(/e-clash was skipped: node type SaveImage exists already, in pack core/);
});

test('custom nodes can be left out, all but those named', async () => {
  const loud = 'throw new Error("I was loaded");';
  const folder = await withCustomNodes({ 'one/index.js': loud, 'two/index.js': loud });
  const { code, stderr } = await bagelgraph(folder, 'serve', '--disable-all-custom-nodes', '--whitelist-custom-nodes', 'two', '--port', 'x');
  expect(code).toBe(2);
  expect(stderr).toMatch(/two was skipped: I was loaded/);
  expect(stderr).not.toMatch(/one was skipped/);
});

test('a folder that is no pack is a mistake of the command line', async () => {
  const folder = await folderWith();
  expect(await bagelgraph(folder, 'nodes', '--node-pack', 'gone')).toMatchObject({ code: 2, stderr: expect.stringMatching(/gone[\s\S]*index\.ts/) as string });
});
