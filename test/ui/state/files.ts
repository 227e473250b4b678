// Workflow files and definitions that the tests of ui/state read, from the repository alone.
import { readFileSync, readdirSync } from 'node:fs';
import { parseJson, type Json, type JsonObject } from '../../../engine/formats/json.ts';
import { objectInfo } from '../../../engine/graph/object-info.ts';
import type { Environment } from '../../../engine/graph/node.ts';
import { createRegistry } from '../../../engine/graph/registry.ts';
import { readNodeTypes, type NodeTypes } from '../../../ui/state/node-types.ts';

export const root = new URL('../../../', import.meta.url);
export const readText = (path: string): string => readFileSync(new URL(path, root), 'utf8');

export const comfyTypes: NodeTypes = readNodeTypes(parseJson(readText('test/golden/converter/object_info.json')));
export const pairs = parseJson(readText('test/golden/converter/pairs.json')) as readonly JsonObject[];

/** Texts of workflow files by name: those we ship, those saved elsewhere, and the golden pairs. */
export const workflowTexts: readonly (readonly [string, string])[] = [
  ...['workflows/', 'test/golden/workflows/'].flatMap((folder) => readdirSync(new URL(folder, root)).filter((name) => name.endsWith('.json')).map((name) => [`${folder}${name}`, readText(`${folder}${name}`)] as const)),
];

/** Definitions of our own packs, as the server gives them. */
export async function ourTypes(): Promise<NodeTypes> {
  const packs = await Promise.all([import('../../../nodes/core/index.ts'), import('../../../nodes/bagel/index.ts'), import('../../../nodes/comfy-bagel/index.ts')]);
  const registry = createRegistry(packs.map(({ nodes }, i) => ({ name: `pack${i}`, nodes })));
  // without folders every list of files is empty, as on a fresh machine
  return readNodeTypes(await objectInfo(registry, {} as Environment) as Json);
}
