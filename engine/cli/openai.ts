// How `serve` answers OpenAI's clients, from its flags: which workflow serves which request, which model stands for none.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import { defaultWorkflows, type OpenAiOptions } from '../server/openai/workflows.ts';
import { UsageError } from './arguments.ts';

export const openAiOptions: Record<string, CommandOption> = {
  'openai-workflows': { type: 'string', value: 'FILE', description: `JSON: which saved workflow serves ${Object.keys(defaultWorkflows).join(', ')} for OpenAI's clients` },
};

/** Throws a UsageError for a file that cannot be read and for names that mean nothing. */
export function openAiOf({ options }: CommandArguments): OpenAiOptions {
  const { model, 'openai-workflows': file } = options;
  return {
    ...(typeof model === 'string' ? { model: path.basename(path.resolve(model)) } : {}),
    ...(typeof file === 'string' ? { workflows: readWorkflows(file) } : {}),
  };
}

function readWorkflows(file: string): Record<string, string> {
  let table: unknown;
  try {
    table = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--openai-workflows ${file} cannot be read: ${(error as Error).message}`);
  }
  if (typeof table !== 'object' || table === null || Array.isArray(table)) throw new UsageError(`--openai-workflows ${file} must hold an object, such as ${JSON.stringify(defaultWorkflows)}`);
  for (const [task, name] of Object.entries(table)) {
    if (!Object.hasOwn(defaultWorkflows, task)) throw new UsageError(`--openai-workflows ${file} names ${JSON.stringify(task)}; there are ${Object.keys(defaultWorkflows).join(', ')}`);
    if (typeof name !== 'string' || name === '') throw new UsageError(`--openai-workflows ${file}: ${task} must be the name of a saved workflow, got ${JSON.stringify(name)}`);
  }
  return table as Record<string, string>;
}
