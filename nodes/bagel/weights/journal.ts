// What an import has finished so far, so that one that was broken off goes on where it was. Lies in the unfinished folder, one JSON line a job.
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Converted } from './convert.ts';
import { busyImport, foreignFolder } from './errors.ts';

const journalName = 'journal.jsonl';
const ownerName = 'owner.pid';

export class Journal {
  /** Results by job name. */
  readonly finished: ReadonlyMap<string, Converted>;
  readonly #folder: string;
  #writing: Promise<void> = Promise.resolve();

  private constructor(folder: string, finished: ReadonlyMap<string, Converted>) {
    this.#folder = folder;
    this.finished = finished;
  }

  /**
   * Opens the journal of an unfinished folder, begun anew where it belongs to another plan.
   * Throws a UserError where the folder is somebody else's, or a running process works on it.
   */
  static async open(folder: string, planKey: string): Promise<Journal> {
    await mkdir(folder, { recursive: true });
    await claim(folder);
    const lines = await readLines(path.join(folder, journalName));
    const [head, ...rest] = lines;
    if (head === undefined || head['plan'] !== planKey) {
      if (head === undefined && (await readdir(folder)).some((name) => name !== ownerName)) throw foreignFolder(folder);
      for (const name of await readdir(folder)) if (name !== ownerName) await rm(path.join(folder, name), { recursive: true });
      await writeFile(path.join(folder, journalName), `${JSON.stringify({ plan: planKey })}\n`);
      return new Journal(folder, new Map());
    }
    return new Journal(folder, new Map(rest.flatMap(({ job, result }) => (typeof job === 'string' ? [[job, result as Converted] as const] : []))));
  }

  add(job: string, result: Converted): void {
    this.#writing = this.#writing.then(() => appendFile(path.join(this.#folder, journalName), `${JSON.stringify({ job, result })}\n`));
  }

  /** Waits until all lines are written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Lets another process go on. */
  async release(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await rm(path.join(this.#folder, ownerName), { force: true });
  }

  /** Leaves nothing of the journal in a folder that is finished. */
  async remove(): Promise<void> {
    await this.flush();
    for (const name of [journalName, ownerName]) await rm(path.join(this.#folder, name), { force: true });
  }
}

/** Two imports into one folder would spoil each other's work. */
async function claim(folder: string): Promise<void> {
  const file = path.join(folder, ownerName);
  const owner = Number(await readFile(file, 'utf8').catch(() => '0'));
  if (owner > 0 && owner !== process.pid && isRunning(owner)) throw busyImport(folder, owner);
  await writeFile(file, String(process.pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The lines that are whole: the last may be cut off. */
async function readLines(file: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const value = JSON.parse(line) as unknown;
      return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}
