// The server's temp folder: at start and at stop all goes that nothing names any more. A folder that was there before and is not ours is left as it is.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const marker = '.bagelgraph-temp';

/** Says of a file, relative to the folder with slashes, whether it is still needed. */
export type IsNamed = (file: string) => boolean;

/** Sweeps and claims the folder; returns what sweeps it again and removes it when it is empty. */
export function claimTempFolder(folder: string, isNamed: IsNamed = () => false): (isStillNamed?: IsNamed) => void {
  const file = path.join(folder, marker);
  if (existsSync(folder) && !existsSync(file)) return () => undefined; // somebody's own folder
  if (isUsedByOther(file)) return () => undefined;
  if (existsSync(folder)) sweep(folder, (name) => name === marker || isNamed(name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, String(process.pid));
  return (isStillNamed = () => false) => {
    if (isUsedByOther(file) || !existsSync(folder)) return;
    const isEmpty = sweep(folder, (name) => name !== marker && isStillNamed(name));
    if (isEmpty) rmdirSync(folder);
    else writeFileSync(file, ''); // still ours
  };
}

/** True when nothing is left. */
function sweep(folder: string, isKept: IsNamed, below = ''): boolean {
  let isEmpty = true;
  for (const entry of readdirSync(path.join(folder, below), { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory() ? !sweep(folder, isKept, name) : isKept(name)) isEmpty = false;
    else rmSync(path.join(folder, name), { recursive: true, force: true });
  }
  return isEmpty;
}

/** True when another server that still lives has claimed it. */
function isUsedByOther(file: string): boolean {
  try {
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner === process.pid || owner === 0) return false;
    process.kill(owner, 0);
    return true;
  } catch {
    return false;
  }
}
