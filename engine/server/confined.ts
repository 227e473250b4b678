// The one way from a name in a request to a path: inside its folder, also after links are followed, and on every system a plain name.
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';

/**
 * The path of `parts` below `root`, or undefined when it would lie outside or cannot be a path at all. It need not exist; links on the way are
 * followed for the check. Both slashes separate, whatever the system.
 */
export async function confinedPath(root: string, ...parts: readonly string[]): Promise<string | undefined> {
  const folder = path.resolve(root);
  const written = parts.map((part) => part.replaceAll('\\', '/'));
  if (written.some((part) => part.includes('\0') || /^[a-z]:|^\/\//i.test(part) || part.split('/').some((name) => Buffer.byteLength(name) > mostNameBytes))) return undefined;
  if (process.platform === 'win32' && written.some((part) => !isPlainName(part))) return undefined;
  const target = path.resolve(folder, ...written);
  if (!isInside(folder, target) || Buffer.byteLength(target) > mostPathBytes) return undefined;
  const [realFolder, realTarget] = await Promise.all([realOf(folder), realOf(target)]);
  return realFolder !== undefined && realTarget !== undefined && isInside(realFolder, realTarget) ? target : undefined;
}

/** Of a file or folder, on all usual file systems. */
const mostNameBytes = 255;
const mostPathBytes = 4096;
/** Windows opens devices by these, whatever the ending. */
const devices = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:[. ].*)?$/i;

/**
 * Why a new file should not get this name (with `/` or `\` between folders), or undefined: files travel between systems, and what is no name
 * on one of them is something else there.
 */
export function nameProblem(name: string): string | undefined {
  for (const part of name.split(/[\\/]/)) {
    const shown = JSON.stringify(part);
    if (Buffer.byteLength(part) > mostNameBytes) return `a name has ${Buffer.byteLength(part)} bytes; at most ${mostNameBytes} can be written`;
    if (part !== '.' && part !== '..' && /[. ]$/.test(part)) return `${shown} ends with a dot or a space, which Windows drops`;
    // eslint-disable-next-line no-control-regex -- these are the ones
    if (/[\x00-\x1f\x7f<>:"|?*]/.test(part)) return `${shown} holds a character that no file name may have on Windows (< > : " | ? * or a control character)`;
    if (devices.test(part)) return `${shown} is the name of a device on Windows`;
  }
  return undefined;
}

function isPlainName(name: string): boolean {
  return nameProblem(name) === undefined;
}

/** The path with links followed as far as it exists; undefined where it cannot be followed. */
async function realOf(target: string): Promise<string | undefined> {
  for (let existing = target; ; existing = path.dirname(existing)) {
    try {
      return path.join(await realpath(existing), path.relative(existing, target));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENAMETOOLONG' || code === 'ELOOP' || code === 'EACCES') return undefined;
      if (path.dirname(existing) === existing) return target;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
      if ((await lstat(existing).catch(() => undefined))?.isSymbolicLink() === true) return undefined; // to nothing yet: writing would follow it
    }
  }
}

function isInside(folder: string, target: string): boolean {
  const way = path.relative(folder, target);
  return way === '' || (way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
}
