// The one way from a name in a request to a path: inside its folder, also after links are followed.
import { realpath } from 'node:fs/promises';
import path from 'node:path';

/** The path of `parts` below `root`, or undefined when it would lie outside. It need not exist; links on the way are followed for the check. */
export async function confinedPath(root: string, ...parts: readonly string[]): Promise<string | undefined> {
  const folder = path.resolve(root);
  if (parts.some((part) => part.includes('\0'))) return undefined;
  const target = path.resolve(folder, ...parts.map((part) => part.replaceAll('\\', '/')));
  if (!isInside(folder, target)) return undefined;
  const [realFolder, realTarget] = await Promise.all([realOf(folder), realOf(target)]);
  return isInside(realFolder, realTarget) ? target : undefined;
}

/** The path with links followed as far as it exists. */
async function realOf(target: string): Promise<string> {
  for (let existing = target; ; existing = path.dirname(existing)) {
    try {
      return path.join(await realpath(existing), path.relative(existing, target));
    } catch (error) {
      if (path.dirname(existing) === existing) return target;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && (error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    }
  }
}

function isInside(folder: string, target: string): boolean {
  const way = path.relative(folder, target);
  return way === '' || (way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
}
