// Options that several commands share.
import type { CommandArguments, CommandOption } from '../graph/node.ts';
import { cardMemory } from '../device/card.ts';
import { budgetsOf } from '../device/place.ts';
import { UsageError } from './arguments.ts';

export const deviceOptions: Record<string, CommandOption> = {
  devices: { type: 'string', value: 'LIST', description: 'devices, such as cpu:0 (default), cpu:0,cpu:1 or cuda:0' },
  memory: { type: 'string', value: 'NAME=GB', multiple: true, description: 'what a device may use, such as cpu:0=8 (default: this machine\'s memory, shared out; of a card 95 %)' },
  threads: { type: 'string', value: 'N', description: 'CPU threads a device (default: the cores, shared out)' },
};

export const runOptions: Record<string, CommandOption> = {
  set: { type: 'string', multiple: true, value: 'NODE.INPUT=VALUE', description: 'set an input; NODE is an id or a unique title' },
  seed: { type: 'string', value: 'N', description: 'set every seed' },
  model: { type: 'string', value: 'DIR', description: 'model folder, or its name below models/, for every loader' },
  'input-directory': { type: 'string', value: 'DIR', description: 'where pictures are read (default input, else the examples)' },
  output: { type: 'string', value: 'DIR', description: 'where results are written (default output)' },
  'node-pack': { type: 'string', multiple: true, value: 'DIR', description: 'also load this node pack' },
  server: { type: 'string', value: 'URL', description: 'run on this bagelgraph server and fetch the results (token: BAGELGRAPH_TOKEN)' },
  ...deviceOptions,
  json: { type: 'boolean', description: 'print one JSON object on stdout' },
  quiet: { type: 'boolean', description: 'no progress' },
};

/** The value of --seed. Throws a UsageError where it is no seed. */
export function seedOption({ options }: CommandArguments): bigint | undefined {
  const text = options['seed'];
  if (text === undefined) return undefined;
  if (typeof text !== 'string' || !/^\d{1,20}$/.test(text) || BigInt(text) > 0xffffffffffffffffn) throw new UsageError(`--seed is ${JSON.stringify(text)}: give a whole number from 0 to 18446744073709551615`);
  return BigInt(text);
}

/** Bytes by device: as --memory says, else an equal share of this machine's memory, or nearly all of the card's. Throws a UsageError where it names no device. */
export function budgetOption({ options }: CommandArguments, names: readonly string[]): ReadonlyMap<string, number> {
  const given = new Map<string, number>();
  for (const text of Array.isArray(options['memory']) ? options['memory'] as readonly string[] : []) {
    const [, name, gigabytes] = /^([a-z]+:\d+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (name === undefined || !names.includes(name)) throw new UsageError(`--memory is ${JSON.stringify(text)}: give NAME=GB for one of ${names.join(', ')}`);
    given.set(name, Number(gigabytes) * 1e9);
  }
  const asks = names.some((name) => name.startsWith('cuda:') && !given.has(name));
  return budgetsOf(names, given, new Map(asks ? [...cardMemory()].map(([index, { totalBytes }]) => [index, totalBytes]) : []));
}
