// What a command of ours is and gets. Commands of packs are content with less (graph/node.ts: Command).
import type { Devices } from '../device/device.ts';
import type { Command, CommandArguments, CommandHost } from '../graph/node.ts';
import type { LoadedPack } from './packs.ts';

/** A host with what only our own commands may use. */
export interface FullHost extends CommandHost {
  readonly packs: readonly LoadedPack[];
  /** The devices asked for, each opened at its first use. */
  lazyDevices(): Devices;
  close(): Promise<void>;
}

/** A command of ours gets the full host; a pack's command is content with CommandHost. */
export interface HostCommand extends Omit<Command, 'run'> {
  run(args: CommandArguments, host: FullHost): Promise<number>;
}

/** Exit code of a command that Ctrl-C ended. */
export const interruptedCode = 130;
