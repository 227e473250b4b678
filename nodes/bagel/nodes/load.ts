// Nodes that open models: Bagel.Load and Bagel.LoadVAE. Parts are loaded when they are first used.
import { stat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { defineNode, type Environment, type Files, type NodeContext } from '../../../engine/graph/node.ts';
import { BOOLEAN, COMBO, STRING } from '../../../engine/graph/types.ts';
import { Autoencoder } from '../autoencoder.ts';
import { BagelModel } from '../bagel-model.ts';
import { choosePlacement, type Choice } from '../choose-placement.ts';
import { modelBytes } from '../model-bytes.ts';
import { checkPlacement, readDeviceList, strategies, type Strategy } from '../placement.ts';
import { BAGEL_MODEL, VAE } from '../types.ts';
import { openAutoencoder } from '../weights/autoencoder-file.ts';
import type { ModelFolder } from '../weights/folder.ts';
import { findModel, findSimilarAutoencoder, findSimilarModel, listModels, openModel, type Found } from '../weights/installed.ts';

/** Names, sizes and times of the files of a model folder, or of those beside a model that is one file. */
async function stampOf(location: string): Promise<string> {
  const folder = (await stat(location)).isDirectory() ? location : path.dirname(location);
  const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.isDirectory()).map(({ name }) => path.join(folder, name));
  const stamps = await Promise.all(files.map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return `${path.basename(file)} ${size} ${mtimeMs}`;
  }));
  return [location, ...stamps.sort()].join('\n');
}

async function modelAt(name: string, isSimilarFine: boolean | undefined, files: Files): Promise<Found> {
  return isSimilarFine === true ? findSimilarModel(name, files.models()) : { path: await findModel(name, files.models()) };
}

interface PlacementValues {
  readonly placement?: string | undefined;
  readonly devices?: string | undefined;
  readonly vision_device?: string | undefined;
  readonly autoencoder_device?: string | undefined;
}

/** A model that is shared waits for its slowest device: GPUs alone where there are any. */
function fastOnes(names: readonly string[]): readonly string[] {
  const fast = names.filter((name) => !name.startsWith('cpu:'));
  return fast.length > 0 ? fast : names;
}

/** The placement the user asked for, or the fastest that fits. Throws a UserError where a device is not open or nothing fits. */
function placementOf(folder: ModelFolder, values: PlacementValues, context: NodeContext): Choice & { readonly keeps16Bit: boolean } {
  const { device: home, devices: open } = context;
  const [vision, autoencoder] = [values.vision_device?.trim() ?? '', values.autoencoder_device?.trim() ?? ''];
  const named = readDeviceList(values.devices ?? '');
  const strategy = (values.placement ?? 'auto') as Strategy | 'auto';
  const elsewhere = { ...(vision === '' ? {} : { vision }), ...(autoencoder === '' ? {} : { autoencoder }) };
  checkPlacement({ strategy: 'one device', devices: named, ...elsewhere }, open);
  const names = named.length > 0 ? named : strategy === 'auto' ? fastOnes([...open.keys()]) : [...open.keys()];
  const ordered = strategy === 'split layers' || !names.includes(home.name) ? names : [home.name, ...names.filter((name) => name !== home.name)];
  const rooms = (strategy === 'one device' ? [home.name] : ordered).map((name) => ({ name, budgetBytes: open.get(name)!.budgetBytes ?? Infinity }));
  const keeps16Bit = rooms.every(({ name }) => open.get(name)!.keeps16Bit);
  const choose = (part: ModelFolder) => choosePlacement(folder.name, { strategy, rooms, home: home.name, ...elsewhere }, (expand) => modelBytes(part, keeps16Bit ? 'copied' : expand ? 'expanded' : 'mapped'));
  // with room for all, so that a later workflow may draw with the same model; where there is none, for what this one needs
  if (!onlyReads(context)) return { ...choose(folder), keeps16Bit };
  try {
    const whole = choose(folder);
    const half = whole.expandWeights ? whole : choose(readingPart(folder));
    return { ...half, keeps16Bit };
  } catch {
    return { ...choose(readingPart(folder)), keeps16Bit };
  }
}

/** Nodes that read and write text and look at pictures, and draw nothing. */
const readers: ReadonlySet<string> = new Set(['Bagel.UnderstandImage', 'Bagel.Chat', 'Bagel.EncodeText', 'Bagel.EncodeImageViT', 'Bagel.GenerateText', 'Bagel.Think']);

/** True where every node of the graph that takes the model only reads with it. What is not known may draw. */
function onlyReads({ node, graph }: NodeContext): boolean {
  const takers = [...graph.original.nodes.values()].filter(({ inputs }) => [...inputs.values()].some((input) => 'link' in input && input.link.node === node));
  return takers.length > 0 && takers.every(({ type }) => readers.has(type));
}

/** What understanding alone needs of a model. */
function readingPart(folder: ModelFolder): ModelFolder {
  return { ...folder, llm: new Map([...folder.llm].filter(([key]) => !key.includes('moe_gen'))), vae: new Map() };
}

export const load = defineNode({
  type: 'Bagel.Load',
  title: 'Load BAGEL',
  description: 'Opens a BAGEL model folder in the official layout (ema.safetensors, ae.safetensors, llm_config.json, vit_config.json, tokenizer files), or a file that is a whole model.',
  category: 'BAGEL',
  inputs: {
    model: { type: COMBO, default: 'bagel-demo', choices: (env: Environment) => listModels(env.files.models()), ui: { tooltip: 'A folder below models/.' } },
    strict: { type: BOOLEAN, default: false, optional: true, ui: { tooltip: 'Refuse tensors that the model does not know.' } },
    similar: { type: BOOLEAN, default: false, optional: true, ui: { tooltip: 'If no model has this name, take the installed one that is most like it, and say so.' } },
    placement: {
      type: COMBO, default: 'auto', choices: ['auto', ...strategies], optional: true,
      ui: { tooltip: 'Over several devices: blocks of layers on each (when one cannot hold the model), or a whole model on each that share the branches of guidance (faster). auto: the fastest that fits.' },
    },
    devices: { type: STRING, default: '', optional: true, ui: { tooltip: 'Which devices share the model, such as cpu:0,cpu:1; nothing = all that are open.' } },
    vision_device: { type: STRING, default: '', optional: true, ui: { tooltip: 'Where pictures are looked at; nothing = where the node is.' } },
    autoencoder_device: { type: STRING, default: '', optional: true, ui: { tooltip: 'Where latents are made and decoded; nothing = where the node is.' } },
  },
  outputs: [{ name: 'model', type: BAGEL_MODEL }],
  validate: {
    inputs: ['model', 'similar'],
    // a model that is not given is told as such; one by link is not known yet
    check: async ({ model, similar }, _types, env) => model === undefined || modelAt(String(model), similar === true, env.files).then(() => true as const, (error: Error) => error.message),
  },
  fingerprint: ({ model, similar }, env) => modelAt(String(model), similar === true, env.files).then((found) => stampOf(found.path)).catch(() => null),
  async run({ model, strict, similar, ...placed }, context) {
    const found = await modelAt(model, similar, context.files);
    if (found.notice !== undefined) context.notice(found.notice);
    const folder = await openModel(found.path, { strict: strict ?? false });
    for (const warning of folder.warnings) context.notice(warning);
    const { placement, expandWeights, description, keeps16Bit } = placementOf(folder, placed, context);
    if (context.devices.size > 1 && (placed.placement ?? 'auto') === 'auto') context.notice(`${folder.name} is placed by itself: ${description}`);
    if (!expandWeights) context.notice(`${folder.name} does not fit in memory as float32, so its 16-bit weights stay mapped and every pass casts them: slow. Importing it to int8 or int4 helps.`);
    return [new BagelModel(folder, { expandWeights: expandWeights && !keeps16Bit, placement, onlyReads: onlyReads(context) })];
  },
});

export const loadVae = defineNode({
  type: 'Bagel.LoadVAE',
  title: 'Load FLUX VAE',
  description: 'Opens the FLUX autoencoder that BAGEL uses, on its own. Where models/vae has none of this name, that of an installed model is taken, with a notice.',
  category: 'BAGEL',
  inputs: { name: { type: STRING, default: 'ae.safetensors', ui: { tooltip: 'A file below models/vae.' } } },
  outputs: [{ name: 'vae', type: VAE }],
  fingerprint: ({ name }, env) => findSimilarAutoencoder(String(name), env.files.models()).then((found) => stampOf(found.path)).catch(() => null),
  async run({ name }, context) {
    const found = await findSimilarAutoencoder(name, context.files.models());
    if (found.notice !== undefined) context.notice(found.notice);
    const file = await openAutoencoder(found.path);
    for (const warning of file.warnings) context.notice(warning);
    return [new Autoencoder(file)];
  },
});
