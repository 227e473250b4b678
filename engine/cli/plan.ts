// bagelgraph plan: what a workflow would take, before anything is computed. It runs on devices that only keep account (device/dry.ts).
import { Clock } from '../device/clock.ts';
import { DryDevice, type Pace } from '../device/dry.ts';
import { createEngine } from '../exec/engine.ts';
import type { RunEvent } from '../exec/events.ts';
import { openFiles } from '../exec/files.ts';
import { toGraph } from '../formats/api.ts';
import type { CommandArguments, Files } from '../graph/node.ts';
import { createRegistry } from '../graph/registry.ts';
import { UsageError } from './arguments.ts';
import { cards, reached, readCards, type Card } from './cards.ts';
import type { FullHost, HostCommand } from './command.ts';
import { chooseFolders, folderOptions, modelFolders } from './folders.ts';
import { measureSpeed } from './measure-speed.ts';
import { budgetOption, runOptions, seedOption } from './options.ts';
import { planOf, planText, size, time, type Plan } from './plan-text.ts';
import { describeRefusal, type Outcome } from './result.ts';
import { changePrompt } from './run.ts';
import { promptOf, readWorkflowFile } from './workflow.ts';

const { set, seed, model, 'input-directory': input, 'node-pack': pack, devices: deviceList, threads, memory, json } = runOptions;

/** Bytes a second from one worker process to another, through shared memory. */
const processTransferBytes = 2e9;

export const planCommand: HostCommand = {
  name: 'plan',
  summary: 'Say what a workflow would take: memory by device, transfers, passes, time',
  usage: 'plan WORKFLOW.json',
  options: {
    set: set!, seed: seed!, model: model!, 'input-directory': input!, 'node-pack': pack!, devices: deviceList!, threads: threads!, memory: memory!,
    as: { type: 'string', value: 'CARDS', description: 'plan for graphics cards that are not here, such as "RTX 4090" or "2x RTX 3090"; all = a table of cards' },
    'no-measure': { type: 'boolean', description: 'do not time this machine: no estimate of the time' },
    disk: { type: 'string', value: 'GB', description: 'GB a second that weights are read from their files at (default: 1, assumed)' },
    json: json!,
  },
  async run(args, host) {
    const [file, ...rest] = args.positionals;
    diskOption(args);
    if (file === undefined || rest.length > 0) throw new UsageError(`plan takes one workflow file, got ${args.positionals.length} (see bagelgraph plan --help)`);
    const { as } = args.options;
    if (as === 'all') return planCards(file, args, host);
    const isElsewhere = typeof as === 'string';
    const planned = await dryRun(file, args, host, isElsewhere ? cardDevices(readCards(as)) : await ownDevices(args, host));
    if (typeof planned === 'number') return planned;
    if ('refusal' in planned) {
      host.stderr.write(`${planned.refusal}\n`);
      return 1;
    }
    const isJson = args.options['json'] === true;
    host.stdout.write(isJson ? `${JSON.stringify(planned, null, 1)}\n` : `${planText(planned, isElsewhere ? as : 'this machine')}${isElsewhere ? `${assumption}\n` : ''}`);
    return planned.fits ? 0 : 1;
  },
};

const assumption = `Projected from data sheets: ${reached.flops * 100} % of the dense bfloat16 operations, ${reached.bandwidth * 100} % of the memory's bandwidth. No such card was measured here.`;

interface DryDevices {
  readonly devices: ReadonlyMap<string, DryDevice>;
  readonly clock?: Clock;
}

/** This machine's devices, as fast as they are found to be. */
async function ownDevices(args: CommandArguments, host: FullHost): Promise<DryDevices> {
  const names = [...host.lazyDevices().keys()];
  const budgets = budgetOption(args, names);
  const clock = args.options['no-measure'] === true ? undefined : new Clock();
  const pace: Pace | undefined = clock === undefined ? undefined : { clock, transferBytes: processTransferBytes, ...(await measureSpeed(host.lazyDevices().values().next().value!)) };
  return { devices: new Map(names.map((name) => [name, new DryDevice(name, { budgetBytes: budgets.get(name), keeps16Bit: name.startsWith('cuda:'), pace })])), ...(clock === undefined ? {} : { clock }) };
}

function cardDevices({ count, card }: { readonly count: number; readonly card: Card }): DryDevices & { readonly clock: Clock } {
  const clock = new Clock();
  const pace: Pace = { clock, flops: card.flops * reached.flops, bytes: card.bandwidth * reached.bandwidth, transferBytes: reached.transferBytes };
  const names = Array.from({ length: count }, (_, i) => `cuda:${i}`);
  return { clock, devices: new Map(names.map((name) => [name, new DryDevice(name, { budgetBytes: card.bytes * reached.memory, keeps16Bit: true, pace })])) };
}

/** A line for each card; two of a kind where one is too small. */
async function planCards(file: string, args: CommandArguments, host: FullHost): Promise<number> {
  const rows: { readonly cards: string; readonly plan: Plan | undefined }[] = [];
  for (const card of cards) {
    for (const count of [1, 2]) {
      const planned = await dryRun(file, args, host, cardDevices({ count, card }));
      if (typeof planned === 'number') return planned;
      const plan = 'refusal' in planned ? undefined : planned;
      rows.push({ cards: `${count === 1 ? '' : `${count}x `}${card.name}`, plan });
      if (plan?.fits === true) break;
    }
  }
  if (args.options['json'] === true) {
    host.stdout.write(`${JSON.stringify(rows.map((row) => ({ cards: row.cards, fits: row.plan?.fits ?? false, seconds: row.plan?.seconds, neededBytes: row.plan?.devices.map(({ neededBytes }) => neededBytes) })), null, 1)}\n`);
    return 0;
  }
  const lines = rows.map(({ cards: name, plan }) => {
    if (plan === undefined) return `| ${name} | more than it has | |`;
    return `| ${name} | ${plan.devices.map(({ neededBytes }) => size(neededBytes)).join(' + ')} | ${plan.fits ? `about ${time(plan.seconds!)}` : 'does not fit'} |`;
  });
  host.stdout.write(`${['| card | needs | time |', '| --- | --- | --- |', ...lines].join('\n')}\n${assumption}\n`);
  return 0;
}

/** Bytes a second. */
function diskOption({ options: { disk = '1' } }: CommandArguments): number {
  const gigabytes = Number(disk);
  if (!(gigabytes > 0 && gigabytes < Infinity)) throw new UsageError(`--disk is ${JSON.stringify(disk)}: give GB a second, such as 0.4`);
  return gigabytes * 1e9;
}

/** Runs the workflow on devices that compute nothing; files are read but none is written. An exit code where the workflow is refused; why, where it does not fit. */
async function dryRun(path: string, args: CommandArguments, host: FullHost, { devices, clock }: DryDevices): Promise<Plan | { readonly refusal: string } | number> {
  const registry = createRegistry(host.packs);
  const folders = chooseFolders(folderOptions(args));
  const files = withoutSaving(openFiles({ ...folders, models: modelFolders(folderOptions(args)) }));
  const file = await readWorkflowFile(path);
  const { prompt: converted, notices } = await promptOf(file, registry, { files, devices }, seedOption(args));
  const prompt = changePrompt(converted, file.json, {}, args, registry);
  const engine = createEngine({ registry, devices, files, cache: { policy: 'classic' } });
  const checked = await engine.validate(toGraph(prompt).graph);
  const outcome: Outcome = { folders, prompt, isJson: args.options['json'] === true, isQuiet: true, notices, streamed: new Set(), devices: [...devices.keys()] };
  if (checked.refusal !== undefined) return describeRefusal(checked.refusal, checked.problems, outcome, host);
  const said: string[] = [...notices];
  const result = await engine.run(checked, { signal: host.signal, emit: (event: RunEvent) => { if (event.kind === 'notice') said.push(event.message); } });
  if (result.failure === undefined) return planOf(devices.values(), result.counts, said, clock?.now, diskOption(args));
  if (/does not fit/.test(result.failure.reason)) return { refusal: result.failure.message };
  throw new UsageError(`the plan stops at ${result.failure.message}`);
}

function withoutSaving(files: Files): Files {
  return { ...files, save: (kind, prefix, extension) => Promise.resolve({ filename: `${prefix}.${extension}`, subfolder: '', type: kind, path: '' }), checkWritable: () => Promise.resolve() };
}
