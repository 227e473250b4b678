// The jobs of an import and the threads they run on. A job is a plain value; what it does, convert.ts says.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import { checkWritten, convert, type ConvertJob, type Converted } from './convert.ts';

/** Whether the bytes of a job that was done in an earlier run are still there. */
export interface CheckJob {
  readonly kind: 'check';
  readonly job: ConvertJob;
}

/** The SHA-256 of a file. */
export interface HashJob {
  readonly kind: 'hash';
  readonly file: string;
}

export type Job = ConvertJob | CheckJob | HashJob;
export interface Results {
  readonly convert: Converted;
  readonly check: { readonly checksum: number; readonly bytes: number };
  readonly hash: string;
}
export type Answer = Results[Job['kind']];
/** From a thread: the answer to its job, or what was wrong. `isUserError`: the user can put it right. */
export type Reply = { readonly answer: Answer } | { readonly error: string; readonly isUserError: boolean };

export async function work(job: Job): Promise<Answer> {
  switch (job.kind) {
    case 'convert': return convert(job);
    case 'check': {
      const handle = await open(job.job.file, 'r');
      try {
        return await checkWritten(job.job, handle);
      } finally {
        await handle.close();
      }
    }
    case 'hash': return hashFile(job.file);
  }
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  const buffer = new Uint8Array(4 << 20);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** Threads that work jobs off, one at a time each. */
export class Workers {
  readonly #threads: number;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /**
   * Works all jobs off, in about their order, and tells of each that is done. The first that fails ends the others.
   * Aborted: rejects with the signal's reason; jobs under way are broken off, so what they have written is not to be trusted.
   */
  async run<J extends Job>(jobs: readonly J[], done: (job: J, answer: Results[J['kind']]) => void, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const left = jobs.values();
    const workers = Array.from({ length: Math.min(this.#threads, jobs.length) }, () => new Worker(workerPath()));
    const stopped = new AbortController();
    try {
      await Promise.race([
        aborted(AbortSignal.any([signal, stopped.signal])),
        Promise.all(workers.map(async (worker) => {
          for (const job of left) done(job, (await ask(worker, job)) as Results[J['kind']]);
        })),
      ]);
    } finally {
      stopped.abort();
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => { signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }); });
}

function ask(worker: Worker, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // by name: removeAllListeners would also take those by which Node starts the port again
    const end = () => { worker.off('message', onMessage).off('error', onError).off('exit', onExit); };
    const onMessage = (reply: Reply) => {
      end();
      if ('answer' in reply) resolve(reply.answer);
      else reject(reply.isUserError ? new UserError(reply.error) : new Error(reply.error));
    };
    const onError = (error: Error) => {
      end();
      reject(error);
    };
    const onExit = (code: number) => {
      end();
      reject(new Error(`a thread of the import ended with ${code}`));
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(job);
  });
}

/** The compiled thread, from compiled code and from sources under test alike. */
function workerPath(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(here.endsWith('.ts') ? '../../../dist/nodes/bagel/weights/import-worker.js' : './import-worker.js', here));
}
