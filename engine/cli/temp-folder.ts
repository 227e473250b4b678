// The server's temp folder: empty at start and at stop. A folder that was there before and is not ours is left as it is.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const marker = '.bagelgraph-temp';

/** Empties and claims the folder; returns what empties it again. */
export function claimTempFolder(folder: string): () => void {
  const file = path.join(folder, marker);
  if (existsSync(folder) && !existsSync(file)) return () => undefined; // somebody's own folder
  if (isUsedByOther(file)) return () => undefined;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, String(process.pid));
  return () => {
    if (!isUsedByOther(file)) rmSync(folder, { recursive: true, force: true });
  };
}

/** True when another server that still lives has claimed it. */
function isUsedByOther(file: string): boolean {
  try {
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner === process.pid) return false;
    process.kill(owner, 0);
    return true;
  } catch {
    return false;
  }
}
