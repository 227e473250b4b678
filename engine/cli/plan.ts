// bagelgraph plan: what a workflow would take, before anything is computed. It runs on devices that only keep account (device/dry.ts).
import type { Devices } from '../device/device.ts';
import { DryDevice } from '../device/dry.ts';
import { createEngine, type RunResult } from '../exec/engine.ts';
import { openFiles } from '../exec/files.ts';
import { toGraph } from '../formats/api.ts';
import type { CommandArguments, Files } from '../graph/node.ts';
import { createRegistry } from '../graph/registry.ts';
import { table, UsageError } from './arguments.ts';
import type { FullHost, HostCommand } from './command.ts';
import { chooseFolders, folderOptions, modelFolders } from './folders.ts';
import { measureSpeed, type Speed } from './measure-speed.ts';
import { budgetOption, runOptions, seedOption } from './options.ts';
import { describeRefusal, type Outcome } from './result.ts';
import { changePrompt } from './run.ts';
import { promptOf, readWorkflowFile } from './workflow.ts';

const { set, seed, model, 'input-directory': input, 'node-pack': pack, devices: deviceList, threads, memory, json } = runOptions;

export const planCommand: HostCommand = {
  name: 'plan',
  summary: 'Say what a workflow would take: memory by device, transfers, passes, time',
  usage: 'plan WORKFLOW.json',
  options: {
    set: set!, seed: seed!, model: model!, 'input-directory': input!, 'node-pack': pack!, devices: deviceList!, threads: threads!, memory: memory!,
    'no-measure': { type: 'boolean', description: 'do not time this machine: no estimate of the time' },
    json: json!,
  },
  async run(args, host) {
    const [file, ...rest] = args.positionals;
    if (file === undefined || rest.length > 0) throw new UsageError(`plan takes one workflow file, got ${args.positionals.length} (see bagelgraph plan --help)`);
    const names = [...host.lazyDevices().keys()];
    const budgets = budgetOption(args, names);
    const devices = new Map(names.map((name) => [name, new DryDevice(name, budgets.get(name))]));
    const planned = await dryRun(file, args, host, devices);
    if (typeof planned === 'number') return planned;
    const speed = args.options['no-measure'] === true ? undefined : await measureSpeed(host.lazyDevices().values().next().value!);
    const plan = planOf(devices, budgets, planned, speed);
    host.stdout.write(args.options['json'] === true ? `${JSON.stringify(plan, null, 1)}\n` : planText(plan));
    return plan.fits ? 0 : 1;
  },
};

/** Runs the workflow on devices that compute nothing; files are read but none is written. An exit code where the workflow is refused. */
async function dryRun(path: string, args: CommandArguments, host: FullHost, devices: Devices): Promise<RunResult | number> {
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
  const result = await engine.run(checked, { signal: host.signal });
  if (result.failure === undefined) return result;
  throw new UsageError(`the plan stops at ${result.failure.message}`);
}

function withoutSaving(files: Files): Files {
  return { ...files, save: (kind, prefix, extension) => Promise.resolve({ filename: `${prefix}.${extension}`, subfolder: '', type: kind, path: '' }), checkWritable: () => Promise.resolve() };
}

export interface DevicePlan {
  readonly device: string;
  readonly parts: readonly { readonly part: string; readonly weightBytes: number; readonly runs: number }[];
  readonly weightBytes: number;
  readonly valueBytes: number;
  readonly scratchBytes: number;
  readonly neededBytes: number;
  readonly budgetBytes: number;
  readonly movedBytes: number;
  readonly flops: number;
  /** How long it would be busy; absent when this machine was not timed. */
  readonly seconds?: number;
}

interface Plan {
  readonly devices: readonly DevicePlan[];
  readonly passes: Readonly<Record<string, number>>;
  /** At least (all devices busy at the same time) and at most (one after another). */
  readonly seconds?: readonly [least: number, most: number];
  readonly fits: boolean;
}

function planOf(devices: ReadonlyMap<string, DryDevice>, budgets: ReadonlyMap<string, number>, { counts }: RunResult, speed: Speed | undefined): Plan {
  const list = [...devices.values()].map((device) => devicePlan(device, budgets.get(device.name)!, speed));
  const busy = list.map(({ seconds }) => seconds ?? 0);
  return {
    devices: list, passes: Object.fromEntries(Object.entries(counts)), fits: list.every(({ neededBytes, budgetBytes }) => neededBytes <= budgetBytes),
    ...(speed === undefined ? {} : { seconds: [Math.max(...busy), busy.reduce((sum, one) => sum + one, 0)] as const }),
  };
}

function devicePlan(device: DryDevice, budgetBytes: number, speed: Speed | undefined): DevicePlan {
  const tallies = [...device.tallies.values()].filter(({ runs }) => runs > 0);
  const sum = (of: (tally: (typeof tallies)[number]) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  return {
    device: device.name, parts: tallies.map(({ program, weightBytes, runs }) => ({ part: program, weightBytes, runs })),
    weightBytes: sum(({ weightBytes }) => weightBytes), valueBytes: device.peakBytes, scratchBytes: Math.max(0, ...tallies.map(({ scratchBytes }) => scratchBytes)),
    neededBytes: device.neededBytes, budgetBytes, movedBytes: device.movedIn + device.movedOut, flops: sum(({ flops }) => flops),
    ...(speed === undefined ? {} : { seconds: sum(({ flops, readBytes }) => Math.max(flops / speed.flops, readBytes / speed.bytes)) }),
  };
}

function planText({ devices, passes, seconds, fits }: Plan): string {
  const lines = devices.flatMap((one) => [
    `${one.device}: needs ${size(one.neededBytes)} of ${size(one.budgetBytes)}${one.neededBytes > one.budgetBytes ? '  ← does not fit' : ''}`,
    ...table([
      ['  weights', `${size(one.weightBytes)} in ${one.parts.length} parts: ${one.parts.filter(({ weightBytes }) => weightBytes > 0).map(({ part, weightBytes, runs }) => `${part} ${size(weightBytes)} × ${runs}`).join(', ') || 'none'}`],
      ['  values', `${size(one.valueBytes)} at most: contexts, latents`],
      ['  at work', `${size(one.scratchBytes)} at most, inside one part`],
      ['  moved', `${size(one.movedBytes)} in and out`],
      ['  computes', `${(one.flops / 1e9).toPrecision(3)} GFLOP${one.seconds === undefined ? '' : `, about ${time(one.seconds)} on this machine`}`],
    ] as const),
  ]);
  const counted = Object.entries(passes).map(([name, count]) => `${name} ${count}`).join(', ');
  return `${[
    ...lines, ...(counted === '' ? [] : [`passes: ${counted}`]), ...(seconds === undefined ? [] : [`time: about ${time(seconds[0])}${seconds[1] > seconds[0] * 1.05 ? ` to ${time(seconds[1])}` : ''}`]),
    ...(fits ? [] : ['It does not fit. Share the layers over more devices (--devices, and placement "split layers" in Load BAGEL), import the model to int8 or int4, or draw smaller pictures.']),
  ].join('\n')}\n`;
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function time(seconds: number): string {
  return seconds < 60 ? `${seconds.toPrecision(2)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
