// What the composition root lends to commands: terminals, devices that open at first use, Ctrl-C, and runs of workflows.
import type { Device, Devices } from '../device/device.ts';
import type { CommandArguments } from '../graph/node.ts';
import { budgeted } from '../device/budget.ts';
import { onCard } from '../device/card.ts';
import type { Port } from '../device/move.ts';
import { logged } from '../device/logged.ts';
import { lazyDevice } from '../device/lazy.ts';
import { openProcessDevice } from '../device/process.ts';
import { sharing } from '../device/sharing.ts';
import { parseDeviceNames, threadsPerDevice } from '../device/place.ts';
import { UsageError } from './arguments.ts';
import { interruptedCode, type FullHost } from './command.ts';
import { debugLevel } from './debug.ts';
import { budgetOption } from './options.ts';
import { folderOptions, modelFolders } from './folders.ts';
import type { LoadedPack } from './packs.ts';
import { runForm } from './run.ts';

/** More only cost time: each session makes its own. */
const maxThreads = 256;

export function createHost(packs: readonly LoadedPack[], args: CommandArguments): FullHost {
  let opened: Promise<Devices> | undefined;
  let lazy: Devices | undefined;
  const interrupt = watchInterrupt();
  const host: FullHost = {
    packs,
    stdout: process.stdout,
    stderr: { write: (text) => process.stderr.write(text), isTTY: process.stderr.isTTY === true && process.env['TERM'] !== 'dumb', get columns() { return process.stderr.columns || 80; } },
    signal: interrupt.signal,
    devices: () => (opened ??= openDevices(args)),
    lazyDevices: () => (lazy ??= lazyDevices(args)),
    modelFolders: () => modelFolders(folderOptions(args)),
    runForm: (workflow, inputs, given) => runForm(workflow, inputs, given, host),
    async close() {
      interrupt.end();
      for (const devices of [await opened?.catch(() => undefined), lazy]) for (const device of devices?.values() ?? []) await device.close();
    },
  };
  return host;
}

async function openDevices(args: CommandArguments): Promise<Devices> {
  const opening = deviceOpeners(args).map(async ({ open, placed }) => placed(await open()));
  const devices = await Promise.all(opening);
  return new Map(devices.map((device) => [device.name, device]));
}

function lazyDevices(args: CommandArguments): Devices {
  return new Map(deviceOpeners(args).map(({ name, open, budgetBytes, placed }) => [name, placed(lazyDevice(name, open, budgetBytes))]));
}

interface Opener {
  readonly name: string;
  readonly budgetBytes: number | undefined;
  open(): Promise<Device & Port>;
  /** Adds what is known of where it computes. */
  placed(device: Device & Port): Device & Port;
}

function deviceOpeners({ options }: CommandArguments): readonly Opener[] {
  const names = deviceNames(typeof options['devices'] === 'string' ? options['devices'] : 'cpu:0');
  const threads = options['threads'] === undefined ? threadsPerDevice(names.length) : Number(options['threads']);
  if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) throw new UsageError(`--threads is ${JSON.stringify(options['threads'])}: give a whole number from 1 to ${maxThreads}`);
  const budgets = budgetOption({ options, positionals: [] }, names.map(({ name }) => name));
  return names.map(({ name, provider, index }) => ({
    name,
    budgetBytes: budgets.get(name),
    placed: (device) => (provider === 'cuda' ? onCard(device, index) : device),
    async open() {
      const budgetBytes = budgets.get(name);
      // on a CPU what a run takes is foreseen; a GPU's arena is bound by its provider
      const limit = provider === 'cpu' || budgetBytes === undefined ? {} : { memoryLimitBytes: budgetBytes };
      const device = sharing(budgeted(await openProcessDevice({ name, provider, index, threads, ...limit }), budgetBytes));
      return debugLevel >= 2 ? logged(device, debugLevel, (line) => process.stderr.write(`${line}\n`)) : device;
    },
  }));
}

function deviceNames(text: string): ReturnType<typeof parseDeviceNames> {
  try {
    return parseDeviceNames(text);
  } catch (error) {
    throw new UsageError(`--devices: ${(error as Error).message}`);
  }
}

/** The first Ctrl-C aborts and lets the run end in order; the second one ends at once. */
function watchInterrupt(): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(interruptedCode);
    controller.abort();
    process.stderr.write('\nstopping; Ctrl-C again ends at once\n');
  };
  const events = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const event of events) process.on(event, interrupt);
  return { signal: controller.signal, end: () => events.forEach((event) => process.off(event, interrupt)) };
}
