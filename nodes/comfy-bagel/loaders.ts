// The loaders: BagelModelLoader (1.0), BAGELModelLoader (1.1) and ComfyUI's VAELoader. A name that is not installed leads to what is, with a notice.
import { encodeJson } from '../../engine/formats/json.ts';
import type { Literal } from '../../engine/graph/graph.ts';
import { defineNode, type Environment, type Type } from '../../engine/graph/node.ts';
import { COMBO } from '../../engine/graph/types.ts';
import { autoencoderNames, folderNames, installedStamp, modelFileNames } from './installed.ts';
import { BAGEL_MODEL, VAE } from './types.ts';

/** Repositories that BagelModelLoader offers to download. Here their names stand for what is installed. */
const repositories = ['ByteDance-Seed/BAGEL-7B-MoT', 'DFloat11/BAGEL-7B-MoT-DF11', 'Yejy53/Echo-4o'];

const quantizationModes = ['BF16', 'NF4', 'INT8', 'FP8'];

/** Whatever was written: files of older versions have other values in its place. */
const WRITTEN_BOOLEAN: Type<Literal> = { name: 'BOOLEAN' };

async function allModels(env: Environment): Promise<string[]> {
  return [...(await folderNames(env)), ...(await modelFileNames(env))];
}

/** Any name will do as long as something is installed. */
async function checkInstalled(env: Environment): Promise<true | string> {
  return (await allModels(env)).length > 0 || `no BAGEL is installed in ${env.files.models().join(', ')}: put a model folder there`;
}

export const BagelModelLoader = defineNode({
  type: 'BagelModelLoader',
  title: 'BAGEL Model Loader',
  description: 'Opens an installed BAGEL. Nothing is downloaded, and weights are used as they are stored.',
  category: 'BAGEL/Core',
  inputs: {
    model_path: {
      type: COMBO, choices: async (env) => [...(await allModels(env)), ...repositories],
      ui: { tooltip: 'An installed model. Another name stands for the installed one that is most like it.' },
    },
    allow_auto_download: { type: WRITTEN_BOOLEAN, default: false, coerce: (literal) => literal, ui: { tooltip: 'Has no effect: models are not downloaded.' } },
    quantization_mode: { type: COMBO, default: 'BF16', choices: quantizationModes, ui: { tooltip: 'BF16: weights as they are stored. The others have no effect.' } },
  },
  outputs: [{ name: 'model', type: BAGEL_MODEL }],
  validate: { inputs: ['model_path'], check: (_known, _types, env) => checkInstalled(env) },
  fingerprint: (_constants, env) => installedStamp(env),
  run({ model_path: model, allow_auto_download: mayDownload, quantization_mode: mode }, context) {
    if (mayDownload === true) context.notice('allow_auto_download has no effect: models are not downloaded');
    else if (mayDownload !== false) context.notice(`allow_auto_download is ${encodeJson(mayDownload)}, which is neither true nor false: it is taken as false`);
    if (mode !== 'BF16') context.notice(`quantization_mode ${mode} has no effect: the weights are used as they are stored`);
    const build = context.expand();
    return build.finish([build.node('Bagel.Load', { model, similar: true }, { id: 'load' }).out(0)]);
  },
});

export const BAGELModelLoader = defineNode({
  type: 'BAGELModelLoader',
  title: 'BAGEL Model Loader (Native)',
  description: 'Opens an installed BAGEL: a safetensors file that is a whole model, or a model folder.',
  category: 'BAGEL/Core',
  inputs: {
    model: {
      type: COMBO, choices: async (env) => [...(await modelFileNames(env)), ...(await folderNames(env))],
      ui: { tooltip: 'A file in models/bagel, or a model folder. Another name stands for the installed one that is most like it.' },
    },
  },
  outputs: [{ name: 'model', type: BAGEL_MODEL }],
  validate: { inputs: ['model'], check: (_known, _types, env) => checkInstalled(env) },
  fingerprint: (_constants, env) => installedStamp(env),
  run({ model }, context) {
    const build = context.expand();
    return build.finish([build.node('Bagel.Load', { model, similar: true }, { id: 'load' }).out(0)]);
  },
});

export const VAELoader = defineNode({
  type: 'VAELoader',
  title: 'Load VAE',
  description: 'Opens the FLUX autoencoder, which BAGEL uses.',
  category: 'loaders',
  inputs: { vae_name: { type: COMBO, choices: autoencoderNames, ui: { tooltip: 'A file in models/vae, else that of an installed model.' } } },
  outputs: [{ name: 'VAE', type: VAE }],
  validate: {
    inputs: ['vae_name'],
    check: async (_known, _types, env) => (await autoencoderNames(env)).length > 0 || `no autoencoder is installed: put ae.safetensors into ${env.files.models().map((root) => `${root}/vae`).join(' or ')}`,
  },
  fingerprint: (_constants, env) => installedStamp(env),
  run({ vae_name: name }, context) {
    const build = context.expand();
    return build.finish([build.node('Bagel.LoadVAE', { name }, { id: 'load' }).out(0)]);
  },
});
