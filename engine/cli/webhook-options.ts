// Flags of `serve` about webhooks.
import { readFileSync } from 'node:fs';
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import type { WebhookOptions } from '../server/jobs/webhooks.ts';
import { UsageError } from './arguments.ts';

export const webhookOptions: Record<string, CommandOption> = {
  'webhook-secret-file': { type: 'string', value: 'FILE', description: 'sign webhooks with the secret in this file' },
  'webhook-allow-private': { type: 'boolean', description: 'webhooks may lead to this machine and private networks' },
};

/** Throws a UsageError where the file cannot be read or is empty. */
export function webhooksOf({ options }: CommandArguments): WebhookOptions {
  const file = options['webhook-secret-file'];
  return { allowsPrivate: options['webhook-allow-private'] === true, ...(typeof file === 'string' ? { secret: secretIn(file) } : {}) };
}

function secretIn(file: string): string {
  let secret: string;
  try {
    secret = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--webhook-secret-file ${file}: ${(error as Error).message}`);
  }
  if (secret === '') throw new UsageError(`--webhook-secret-file ${file} is empty`);
  return secret;
}
