// Where the commands under test find what the repository holds, and what they left in a folder.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const demoModel = fileURLToPath(new URL('../../models/bagel-demo', import.meta.url));
export const workflows = fileURLToPath(new URL('../../workflows', import.meta.url));

/** Names of all files and folders below a folder, sorted. */
export async function files(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}
