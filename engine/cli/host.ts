// What the composition root lends to commands: terminals, devices that open at first use, Ctrl-C, and runs of workflows.
import type { Devices } from '../device/device.ts';
import type { CommandArguments } from '../graph/node.ts';
import { logged } from '../device/logged.ts';
import { openProcessDevice } from '../device/process.ts';
import { parseDeviceNames, threadsPerDevice } from '../device/place.ts';
import { UsageError } from './arguments.ts';
import { interruptedCode, type FullHost } from './command.ts';
import { debugLevel } from './debug.ts';
import { folderOptions, modelFolders } from './folders.ts';
import type { LoadedPack } from './packs.ts';
import { runForm } from './run.ts';

export function createHost(packs: readonly LoadedPack[], args: CommandArguments): FullHost {
  let opened: Promise<Devices> | undefined;
  const interrupt = watchInterrupt();
  const host: FullHost = {
    packs,
    stdout: process.stdout,
    stderr: { write: (text) => process.stderr.write(text), isTTY: process.stderr.isTTY === true, get columns() { return process.stderr.columns ?? 80; } },
    signal: interrupt.signal,
    devices: () => (opened ??= openDevices(args)),
    modelFolders: () => modelFolders(folderOptions(args)),
    runForm: (workflow, inputs, given) => runForm(workflow, inputs, given, host),
    async close() {
      interrupt.end();
      for (const device of (await opened?.catch(() => undefined))?.values() ?? []) await device.close();
    },
  };
  return host;
}

async function openDevices({ options }: CommandArguments): Promise<Devices> {
  const names = deviceNames(typeof options['devices'] === 'string' ? options['devices'] : 'cpu:0');
  const threads = options['threads'] === undefined ? threadsPerDevice(names.length) : Number(options['threads']);
  if (!Number.isInteger(threads) || threads < 1) throw new UsageError(`--threads is ${JSON.stringify(options['threads'])}: give a whole number from 1`);
  const devices = await Promise.all(names.map(({ name }) => openProcessDevice({ name, provider: 'cpu', threads })));
  const told = debugLevel >= 2 ? devices.map((device) => logged(device, debugLevel, (line) => process.stderr.write(`${line}\n`))) : devices;
  return new Map(told.map((device) => [device.name, device]));
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
  const events = ['SIGINT', 'SIGTERM'] as const;
  for (const event of events) process.on(event, interrupt);
  return { signal: controller.signal, end: () => events.forEach((event) => process.off(event, interrupt)) };
}
