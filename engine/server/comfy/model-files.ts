// Model files by kind, as ComfyUI lists them: subfolders of the model folders. A folder with a BAGEL model counts as one of kind `bagel`.
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { confinedPath } from '../confined.ts';

/** ComfyUI's kinds, and ours first. */
export const modelKinds: readonly string[] = [
  'bagel', 'checkpoints', 'configs', 'loras', 'vae', 'text_encoders', 'diffusion_models', 'clip_vision', 'style_models', 'embeddings', 'diffusers', 'vae_approx',
  'controlnet', 'gligen', 'upscale_models', 'custom_nodes', 'hypernetworks', 'photomaker', 'classifiers', 'model_patches', 'audio_encoders',
];

const extensions = new Set(['.safetensors', '.sft', '.ckpt', '.pt', '.pt2', '.bin', '.pth', '.pkl', '.gguf', '.onnx', '.yaml']);

export interface ModelPlaces {
  readonly models: readonly string[];
  readonly extraModels?: ReadonlyMap<string, readonly string[]>;
}

export interface ModelFile {
  /** Below the kind's folder, with `/`. */
  readonly name: string;
  readonly path: string;
  /** Which of the kind's folders it is in. */
  readonly index: number;
}

/** Folders of a kind, in the order in which they are searched; undefined for unknown kinds. */
export function kindFolders({ models, extraModels }: ModelPlaces, kind: string): readonly string[] | undefined {
  const extra = extraModels?.get(kind);
  if (!modelKinds.includes(kind) && extra === undefined) return undefined;
  return [...models.map((root) => (kind === 'bagel' ? root : path.join(root, kind))), ...(extra ?? [])];
}

/** Files of a kind, sorted; undefined for unknown kinds. */
export async function modelFiles(places: ModelPlaces, kind: string): Promise<readonly ModelFile[] | undefined> {
  const found = new Map<string, ModelFile>();
  const folders = kindFolders(places, kind);
  if (folders === undefined) return undefined;
  for (const [index, folder] of folders.entries()) {
    for (const file of kind === 'bagel' ? await bagelFolders(folder) : await filesBelow(folder)) {
      const name = file.replaceAll(path.sep, '/');
      if (!found.has(name)) found.set(name, { name, path: path.join(folder, file), index });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Path of one file of a kind, or of its folder number `index` alone; undefined when it is not there. */
export async function modelFile(places: ModelPlaces, kind: string, name: string, index?: number): Promise<string | undefined> {
  if (name === '') return undefined;
  const folders = kindFolders(places, kind) ?? [];
  for (const folder of index === undefined ? folders : folders.slice(index, index + 1)) {
    const file = await confinedPath(folder, name);
    if (file !== undefined && (await stat(file).catch(() => undefined))?.isFile() === true) return file;
  }
  return undefined;
}

async function bagelFolders(root: string): Promise<string[]> {
  const names = await readdir(root).catch(() => []);
  const isModel = await Promise.all(names.map((name) => stat(path.join(root, name, 'llm_config.json')).then(() => true, () => false)));
  return names.filter((_name, i) => isModel[i]);
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => extensions.has(path.extname(name).toLowerCase()));
}
