// Bagel.Load: opens a model folder. Parts are loaded when they are first used.
import { stat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { totalmem } from 'node:os';
import { defineNode, type Environment } from '../../../engine/graph/node.ts';
import { BOOLEAN, COMBO } from '../../../engine/graph/types.ts';
import { BagelModel } from '../bagel-model.ts';
import { UserError } from '../errors.ts';
import { BAGEL_MODEL } from '../types.ts';
import { openModelFolder, type ModelFolder } from '../weights/folder.ts';

/** Names of the folders below `roots` that look like a BAGEL. */
export async function listModels(roots: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const root of roots) {
    for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
      if (await exists(path.join(root, entry.name, 'llm_config.json'))) names.push(entry.name);
    }
  }
  return [...new Set(names)].sort();
}

/** The folder of a model by name, or by the path of a folder that lies in one of `roots`. */
export async function findModel(name: string, roots: readonly string[]): Promise<string> {
  for (const root of roots) {
    const folder = path.resolve(root, name);
    const inside = path.relative(root, folder);
    if (inside !== '' && !inside.startsWith('..') && !path.isAbsolute(inside) && (await exists(folder))) return folder;
  }
  const known = await listModels(roots);
  const found = known.length === 0 ? 'no model was found there' : `found: ${known.join(', ')}`;
  throw new UserError(`no model is called ${JSON.stringify(name)} in ${roots.join(', ')} (${found}); give the folder with --model DIR, or put one there`);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(() => true, () => false);
}

/** Bytes of all weights as float32. */
function expandedBytes(folder: ModelFolder): number {
  const refs = [...folder.llm.values(), ...folder.vae.values()];
  return refs.reduce((sum, ref) => sum + ref.shape.reduce((size, side) => size * side, 1) * 4, 0);
}

export const load = defineNode({
  type: 'Bagel.Load',
  title: 'Load BAGEL',
  description: 'Opens a BAGEL model folder in the official layout (ema.safetensors, ae.safetensors, llm_config.json, vit_config.json, tokenizer files).',
  category: 'BAGEL',
  inputs: {
    model: { type: COMBO, default: 'bagel-demo', choices: (env: Environment) => listModels(env.files.models()), ui: { tooltip: 'A folder below models/.' } },
    strict: { type: BOOLEAN, default: false, optional: true, ui: { tooltip: 'Refuse tensors that the model does not know.' } },
  },
  outputs: [{ name: 'model', type: BAGEL_MODEL }],
  validate: {
    inputs: ['model'],
    check: async ({ model }, _types, env) => findModel(String(model), env.files.models()).then(() => true as const, (error: Error) => error.message),
  },
  async fingerprint({ model }, env) {
    const folder = await findModel(String(model), env.files.models()).catch(() => undefined);
    if (folder === undefined) return null;
    const entries = await readdir(folder, { withFileTypes: true });
    const files = await Promise.all(entries.filter((entry) => !entry.isDirectory()).map(async (entry) => {
      const { size, mtimeMs } = await stat(path.join(folder, entry.name));
      return `${entry.name} ${size} ${mtimeMs}`;
    }));
    return files.sort().join('\n');
  },
  async run({ model, strict }, context) {
    const folder = await openModelFolder(await findModel(model, context.files.models()), { strict: strict ?? false });
    for (const warning of folder.warnings) context.notice(warning);
    const expandWeights = expandedBytes(folder) * 1.2 < totalmem();
    if (!expandWeights) context.notice(`${folder.name} does not fit in memory as float32, so its 16-bit weights stay mapped and every pass casts them: slow. Importing it to int8 or int4 helps.`);
    return [new BagelModel(folder, { expandWeights })];
  },
});
