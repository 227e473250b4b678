// Workflows by name: those that the user saved on this server, then the ready ones. The former may stand in for the latter.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseJson, type Json } from '../../formats/json.ts';
import { nearestNames } from '../../graph/nearest.ts';
import { confinedPath } from '../confined.ts';
import { FormRunError } from './errors.ts';

export interface WorkflowPlaces {
  /** Settings and files of users. */
  readonly user: string;
  /** Ready workflows: folder by name of the group. */
  readonly templates: ReadonlyMap<string, string>;
}

export interface SavedWorkflow {
  readonly name: string;
  /** `user`, or the name of a group of ready ones. */
  readonly source: string;
  readonly json: Json;
}

/** The workflow of this name, with or without `.json`. Throws a FormRunError that names those there are. */
export async function readSaved(name: string, places: WorkflowPlaces): Promise<SavedWorkflow> {
  const plain = name.replace(/\.json$/i, '');
  for (const [source, folder] of foldersOf(places)) {
    const file = plain === '' ? undefined : await confinedPath(folder, `${plain}.json`);
    const text = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    try {
      return { name: plain, source, json: parseJson(text) };
    } catch (error) {
      throw new FormRunError('invalid_workflow', `the saved workflow ${JSON.stringify(plain)} cannot be read: ${(error as Error).message}`);
    }
  }
  const known = (await listSaved(places)).map((saved) => saved.name);
  const near = nearestNames(plain, known, 1);
  throw new FormRunError('unknown_workflow', `there is no saved workflow ${JSON.stringify(name)}${near.length > 0 ? `; did you mean ${near[0]}?` : '.'} There are ${known.join(', ') || 'none'}`);
}

/** Names of all, each once. */
export async function listSaved(places: WorkflowPlaces): Promise<readonly Omit<SavedWorkflow, 'json'>[]> {
  const found = new Map<string, string>();
  for (const [source, folder] of foldersOf(places)) {
    const entries = await readdir(folder, { recursive: source === 'user', withFileTypes: true }).catch(() => []);
    const names = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.json') && !entry.name.startsWith('.'))
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/').slice(0, -5));
    for (const name of names.sort()) if (!found.has(name)) found.set(name, source);
  }
  return [...found].map(([name, source]) => ({ name, source }));
}

function foldersOf({ user, templates }: WorkflowPlaces): readonly (readonly [source: string, folder: string])[] {
  return [['user', path.join(user, 'default', 'workflows')], ...templates];
}
