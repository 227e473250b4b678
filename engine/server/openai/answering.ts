// What all OpenAI-compatible routes do alike: errors in OpenAI's shape, notices, and runs that end when the client goes.
import { randomInt } from 'node:crypto';
import type { Response } from 'express';
import { encodeJson, type JsonObject } from '../../formats/json.ts';
import type { FormResult, FormRun } from '../jobs/run-form.ts';
import type { Site } from '../comfy/site.ts';
import { failureError, OpenAiError, openAiErrorOf, sendError } from './errors.ts';
import type { TaskForm } from './workflows.ts';

export async function answering(response: Response, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const told = openAiErrorOf(error);
    if (told === undefined || response.headersSent) throw error;
    sendError(response, told);
  }
}

/** Aborts when the client goes before it has its answer. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  response.on('close', () => gone.abort());
  return gone.signal;
}

/** Queues runs of a form, one for each seed. */
export async function submitAll({ forms }: Site, form: TaskForm, seeds: readonly (bigint | undefined)[], response: Response): Promise<readonly FormRun[]> {
  const runs: FormRun[] = [];
  try {
    for (const seed of seeds) {
      runs.push(await forms.submit({ workflow: form.workflow, inputs: new Map([...form.values, ...(seed === undefined ? [] : [['seed', seed] as const])]) }));
    }
  } catch (error) {
    await Promise.all(runs.map((run) => run.cancel()));
    throw error;
  }
  response.setHeader('x-request-id', runs[0]!.id);
  if (form.notice !== undefined) response.setHeader('X-Bagelgraph-Notice', form.notice.replace(/[^\x20-\x7e]/g, '?'));
  return runs;
}

/** What all runs made. Where one fails or the client goes the others end too; then throws: an OpenAiError, or the signal's reason. */
export async function resultsOf({ store }: Site, runs: readonly FormRun[], gone: AbortSignal): Promise<readonly FormResult[]> {
  try {
    return await Promise.all(runs.map(async (run) => {
      const result = await run.ended(gone);
      if (result.state !== 'success') throw failureError(result, store.get(run.id)?.failure);
      return result;
    }));
  } catch (error) {
    await Promise.all(runs.map((run) => run.cancel()));
    throw error;
  }
}

const mostSeed = 2n ** 64n - 1n;

export function newSeed(): bigint {
  return BigInt(randomInt(2 ** 32));
}

/** Undefined where none is given. Throws an OpenAiError for what is no seed. */
export function seedOf(asked: JsonObject): bigint | undefined {
  const given = asked.get('seed');
  if (given === undefined) return undefined;
  const seed = typeof given === 'bigint' ? given : Number.isSafeInteger(given) ? BigInt(given as number) : undefined;
  if (seed === undefined || seed > mostSeed) throw new OpenAiError(`seed is ${encodeJson(given)}: give a whole number from 0 to ${mostSeed}`, { param: 'seed', code: 'invalid_value' });
  return seed;
}

/** So many, each one more than the one before. */
export function seedsFrom(first: bigint, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, i) => (first + BigInt(i)) & mostSeed);
}

export function isThinking(effort: unknown): boolean {
  return typeof effort === 'string' && effort !== 'none' && effort !== 'minimal';
}

export function nowSeconds(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}
