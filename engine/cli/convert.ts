// bagelgraph convert: a workflow as editors save it → the API form alone, for this program's nodes or for those of any ComfyUI server.
import { readFile } from 'node:fs/promises';
import { openFiles } from '../exec/files.ts';
import { parsePrompt, promptJson, type ApiPrompt } from '../formats/api.ts';
import { FormatError } from '../formats/errors.ts';
import { encodeJson, parseJson, type Json } from '../formats/json.ts';
import { readDefinitions, type Definitions } from '../formats/object-info.ts';
import { convertWorkflow } from '../formats/workflow.ts';
import type { CommandArguments } from '../graph/node.ts';
import { nodeName } from '../graph/problems.ts';
import { objectInfo } from '../graph/object-info.ts';
import { createRegistry } from '../graph/registry.ts';
import { UsageError } from './arguments.ts';
import type { FullHost, HostCommand } from './command.ts';
import { chooseFolders, folderOptions, modelFolders } from './folders.ts';
import { seedOption } from './options.ts';
import { readWorkflowFile } from './workflow.ts';

/** A server that does not answer in this time is told as one that does not. */
const answerTimeoutMs = 30_000;

export const convertCommand: HostCommand = {
  name: 'convert',
  summary: 'Print the API form of a workflow',
  usage: 'convert WORKFLOW.json',
  options: {
    'object-info': { type: 'string', value: 'FILE|URL', description: 'definitions of the nodes: /object_info saved to a file, or the address of a ComfyUI server (default: our own nodes)' },
    seed: { type: 'string', value: 'N', description: 'decides which of {a|b} a dynamic prompt becomes (default: the text itself does)' },
    'node-pack': { type: 'string', multiple: true, value: 'DIR', description: 'also load this node pack' },
    quiet: { type: 'boolean', description: 'no notes' },
  },
  async run(args, host) {
    const [name, ...rest] = args.positionals;
    if (name === undefined || rest.length > 0) throw new UsageError(`convert takes one workflow file, got ${args.positionals.length} (see bagelgraph convert --help)`);
    const seed = seedOption(args);
    const { json, isUi } = await readWorkflowFile(name);
    const { prompt, notes } = isUi ? await convert(json, seed, args, host) : { prompt: parsePrompt(json), notes: [] };
    if (args.options['quiet'] !== true) for (const note of notes) host.stderr.write(`note: ${note}\n`);
    host.stdout.write(`${encodeJson(promptJson(prompt), { indent: 2 })}\n`);
    return 0;
  },
};

async function convert(workflow: Json, seed: bigint | undefined, args: CommandArguments, host: FullHost): Promise<{ prompt: ApiPrompt; notes: readonly string[] }> {
  const source = args.options['object-info'];
  const definitions = typeof source === 'string' ? readDefinitions(await readObjectInfo(source)) : await ownDefinitions(args, host);
  const { prompt, notices, picks } = convertWorkflow(workflow, definitions, seed === undefined ? {} : { seed });
  refuseUnknown(prompt, definitions, typeof source === 'string' ? source : undefined);
  return { prompt, notes: [...notices, ...picks.map(({ node, input, written, picked }) => `node ${node}: ${input} ${JSON.stringify(written)} became ${JSON.stringify(picked)}`)] };
}

/** What the values of a node are, only its definition tells: without it the result would lack them. */
function refuseUnknown({ nodes }: ApiPrompt, definitions: Definitions, source: string | undefined): void {
  const unknown = [...nodes].filter(([, { class_type: type }]) => definitions(type) === undefined);
  if (unknown.length === 0) return;
  const names = unknown.map(([id, { class_type: type, title }]) => nodeName(id, type, title)).join(', ');
  const where = source === undefined ? 'among our own nodes: give those of the server it is for with --object-info' : `in ${source}: give the definitions of a server that has ${unknown.length === 1 ? 'it' : 'them'}`;
  throw new FormatError(`no definition of ${names} ${where}`);
}

async function ownDefinitions(args: CommandArguments, { packs }: FullHost): Promise<Definitions> {
  const registry = createRegistry(packs);
  const files = openFiles({ ...chooseFolders(folderOptions(args)), models: modelFolders(folderOptions(args)) });
  const known = readDefinitions(await objectInfo(registry, { files, devices: new Map() }));
  return (type) => known(registry.get(type)?.type ?? type); // by alias too
}

async function readObjectInfo(source: string): Promise<Json> {
  const text = /^https?:\/\//i.test(source) ? await fetchObjectInfo(source) : await readFile(source, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(error.code === 'ENOENT' ? `--object-info: there is no file ${source}` : `--object-info: cannot read ${source}: ${error.message}`);
  });
  try {
    return parseJson(text);
  } catch (error) {
    throw new UsageError(`--object-info: ${source} is no JSON: ${(error as Error).message}`);
  }
}

async function fetchObjectInfo(source: string): Promise<string> {
  const base = source.replace(/\/+$/, '');
  const url = base.endsWith('/object_info') ? base : `${base}/object_info`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
    if (!answer.ok) throw new Error(`it answered ${answer.status} ${answer.statusText}`.trim());
    return await answer.text();
  } catch (error) {
    const { message, cause } = error as Error;
    throw new UsageError(`--object-info: cannot get ${url}: ${cause instanceof Error ? cause.message : message}`);
  }
}
