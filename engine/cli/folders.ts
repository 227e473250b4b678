// Where a command reads and writes: input, output and temp folders, model folders, the package's own files.
import { cpSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandArguments, FolderKind } from '../graph/node.ts';
import { UsageError } from './arguments.ts';

/** The package's root, from dist/engine/cli or engine/cli. */
export const packageRoot = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../..', import.meta.url));

export interface FolderOptions {
  readonly input?: string;
  readonly output?: string;
  /** As given with --model: a folder or file, or a name below a model folder. */
  readonly model?: string;
}

/** The folder options of a command line. */
export function folderOptions({ options }: CommandArguments): FolderOptions {
  const text = (name: string) => (typeof options[name] === 'string' ? options[name] : undefined);
  if (text('output') === '') throw new UsageError('--output is empty: give a folder');
  const chosen = { input: text('input-directory'), output: text('output'), model: text('model') };
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
}

/** Absolute folders a node may use. Without an `input` folder of one's own the example pictures serve. */
export function chooseFolders({ input, output }: FolderOptions): Record<FolderKind, string> {
  const own = path.resolve('input');
  return {
    input: input !== undefined ? path.resolve(input) : existsSync(own) ? own : path.join(packageRoot, 'workflows/pictures'),
    output: path.resolve(output ?? 'output'),
    temp: path.resolve('temp'),
  };
}

/** A server's first start: the example pictures go into its new input folder, for the ready workflows read them. What is there stays as it is. */
export function bringExamples(input: string): void {
  if (existsSync(input)) return;
  try {
    cpSync(path.join(packageRoot, 'workflows/pictures'), input, { recursive: true });
  } catch {
    // a place that cannot be written serves without them
  }
}

/** Folders that hold models. What --model names comes first, so that it is found there. */
export function modelFolders({ model }: FolderOptions): string[] {
  const parent = model !== undefined && isPath(model) ? [path.dirname(path.resolve(model))] : [];
  return [...new Set([...parent, path.resolve('models'), path.join(packageRoot, 'models')])];
}

/** The name by which a model given with --model is found in the model folders. */
export function modelName(model: string): string {
  return isPath(model) ? path.basename(path.resolve(model)) : model;
}

function isPath(model: string): boolean {
  return model !== '' && existsSync(model);
}
