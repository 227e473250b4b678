// The composition root of the command line: finds the command, opens devices, loads packs by path, and ends cleanly.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandHelp, readArguments, table, UsageError, withSignedNumbers } from './cli/arguments.ts';
import { convertCommand } from './cli/convert.ts';
import { asksForJson, reportError, watchOutput } from './cli/failure.ts';
import { packageRoot } from './cli/folders.ts';
import { createHost } from './cli/host.ts';
import { devicesCommand } from './cli/devices.ts';
import { providerCommand } from './cli/provider.ts';
import { infoCommands } from './cli/info.ts';
import { customNodeFolders, loadOtherPacks, loadPacks, type LoadedPack } from './cli/packs.ts';
import { planCommand } from './cli/plan.ts';
import { runCommand } from './cli/run.ts';
import { serveCommand } from './cli/serve.ts';
import { nearestNames } from './graph/nearest.ts';
import type { HostCommand } from './cli/command.ts';

const builtInPacks = ['core', 'bagel', 'comfy-bagel'].map((name) => fileURLToPath(new URL(`../nodes/${name}/`, import.meta.url)));

async function main(words: readonly string[]): Promise<number> {
  const { folders, words: [name, ...rest] } = takePackOptions(words);
  const own = await loadPacks(builtInPacks);
  const packs = [...own, ...await loadOtherPacks([...customFolders(words), ...folders], own, (message) => process.stderr.write(`bagelgraph: ${message}\n`))];
  const commands = collectCommands(packs);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(overview([...commands.values()]));
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    const { version } = JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string };
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const command = commands.get(name);
  if (command === undefined) {
    const near = nearestNames(name, commands.keys());
    throw new UsageError(`bagelgraph has no command ${JSON.stringify(name)}${near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`} (see bagelgraph --help)`);
  }
  const args = readArguments(withSignedNumbers(rest, command), command);
  if (args.options['help'] === true) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  const host = createHost(packs, args);
  try {
    return await command.run(args, host);
  } finally {
    await host.close();
  }
}

/** --node-pack may stand anywhere, before any command: packs bring commands, so they are loaded before other options are read. */
function takePackOptions(words: readonly string[]): { folders: readonly string[]; words: readonly string[] } {
  const folders: string[] = [];
  const others: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [flag, ...value] = words[i]!.split('=');
    if (flag !== '--node-pack') others.push(words[i]!);
    else if (value.length > 0) folders.push(value.join('='));
    else if (words[i + 1] !== undefined) folders.push(words[++i]!);
    else throw new UsageError('--node-pack needs the folder of a pack');
  }
  return { folders, words: others };
}

/** Packs in custom_nodes/ of the working directory; --disable-all-custom-nodes leaves only those that --whitelist-custom-nodes names. */
function customFolders(words: readonly string[]): readonly string[] {
  const folders = customNodeFolders('custom_nodes');
  return words.includes('--disable-all-custom-nodes') ? folders.filter((folder) => words.includes(path.basename(folder))) : folders;
}

function collectCommands(packs: readonly LoadedPack[]): Map<string, HostCommand> {
  const commands = new Map<string, HostCommand>();
  for (const command of [...packs.flatMap((pack) => pack.commands ?? []), runCommand, planCommand, convertCommand, serveCommand, devicesCommand, providerCommand, ...infoCommands]) {
    if (commands.has(command.name)) throw new UsageError(`two node packs bring a command called ${command.name}: load only one of them`);
    commands.set(command.name, command);
  }
  return commands;
}

function overview(commands: readonly HostCommand[]): string {
  return [
    'bagelgraph: a node graph workflow engine for BAGEL', '', 'Usage: bagelgraph COMMAND [options]', '', 'Commands:',
    ...table(commands.map(({ name, summary }) => [name, summary] as const)), '', 'bagelgraph COMMAND --help tells more.', '',
  ].join('\n');
}

/** Ends the process with the command's code. */
async function start(words: readonly string[]): Promise<void> {
  watchOutput();
  try {
    process.exitCode = await main(words);
  } catch (error) {
    process.exitCode = reportError(error, asksForJson(words));
  }
}

await start(process.argv.slice(2));
