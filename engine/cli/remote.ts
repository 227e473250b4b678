// Runs of a workflow on a server of ours: pictures go there, progress comes here as it happens, and so do the results. Ctrl-C cancels there.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BagelgraphClient, type RunAnswer } from '../client/client.ts';
import { ServerError } from '../client/errors.ts';
import type { RunResult } from '../exec/engine.ts';
import { openFiles } from '../exec/files.ts';
import { createRecorder } from '../exec/record.ts';
import { promptJson, type ApiPrompt } from '../formats/api.ts';
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../formats/json.ts';
import { readDefinitions, type Definitions } from '../formats/object-info.ts';
import type { CommandArguments, Files, FolderKind } from '../graph/node.ts';
import { createRegistry, type NodeRegistry } from '../graph/registry.ts';
import { UsageError } from './arguments.ts';
import { interruptedCode, type FullHost } from './command.ts';
import { chooseFolders, folderOptions } from './folders.ts';
import { seedOption } from './options.ts';
import { Progress } from './progress.ts';
import { printResult, type Outcome } from './result.ts';
import { promptFrom, type ReadPrompt, type WorkflowFile } from './workflow.ts';

type Change = (prompt: ApiPrompt, registry: NodeRegistry) => ApiPrompt;

/** `change` does to the prompt what the command line asks. Rejects with a ServerError for what the server refuses. */
export async function runRemote(url: string, file: WorkflowFile, args: CommandArguments, host: FullHost, change: Change): Promise<number> {
  const client = openClient(url);
  try {
    return await runThere(client, file, args, host, change);
  } catch (error) {
    if (!(error instanceof ServerError) || error.status !== 401) throw error;
    const advice = process.env['BAGELGRAPH_TOKEN'] === undefined ? 'asks for a token: put it into the environment variable BAGELGRAPH_TOKEN' : 'has another token than the environment variable BAGELGRAPH_TOKEN holds';
    throw new ServerError(401, `the server ${client.url} ${advice}`, error.code);
  }
}

async function runThere(client: BagelgraphClient, file: WorkflowFile, args: CommandArguments, host: FullHost, change: Change): Promise<number> {
  const registry = createRegistry(host.packs);
  const folders = chooseFolders(folderOptions(args));
  const files = openFiles(folders);
  const seed = seedOption(args);
  const known = file.isUi ? readDefinitions(await client.objectInfo()) : () => undefined;
  const definitions: Definitions = (type) => known(registry.get(type)?.type ?? type); // by alias too
  const read = promptFrom(file, definitions, seed);
  const prompt = change(read.prompt, registry);
  const isQuiet = args.options['quiet'] === true;
  const isJson = args.options['json'] === true;
  const progress = new Progress(isQuiet ? silent : host.stderr, isJson ? (isQuiet ? silent : host.stderr) : host.stdout);
  for (const notice of read.notices) if (!isQuiet) host.stderr.write(`note: ${notice}\n`);
  const { id } = await client.submit(sentForm(prompt, read, definitions), { inputs: await picturesOf(prompt, registry, files), outputs: 'files' });
  const cancel = () => void client.cancel(id).catch(() => undefined);
  host.signal.addEventListener('abort', cancel);
  if (host.signal.aborted) cancel();
  const recorder = createRecorder();
  for await (const event of client.events(id)) {
    if (event.kind === 'gap') host.stderr.write(`note: ${event.reason}\n`);
    else {
      progress.receive(event);
      recorder.event(event);
    }
  }
  host.signal.removeEventListener('abort', cancel);
  const record = recorder.record();
  const result = withAnswer({ ...record, problems: [], known: new Map(), outputs: await fetched(record.outputs, client, files) }, await client.result(id, { outputs: 'files' }));
  const outcome: Outcome = { folders, prompt, isJson, isQuiet, notices: read.notices, streamed: progress.streamed, devices: [client.url] };
  const code = printResult(result, outcome, host);
  return result.status === 'interrupted' ? interruptedCode : code;
}

const silent = { write: () => undefined, isTTY: false, columns: 80 };

function openClient(url: string): BagelgraphClient {
  try {
    return new BagelgraphClient({ url, token: process.env['BAGELGRAPH_TOKEN'] });
  } catch (error) {
    throw new UsageError(`--server: ${(error as Error).message}`);
  }
}

/** The editor's form where it says all that the prompt says, so that saved pictures hold it; else the API form. */
function sentForm(prompt: ApiPrompt, { workflowFor }: ReadPrompt, definitions: Definitions): JsonObject {
  const workflow = workflowFor(prompt);
  const asPrompt = promptJson(prompt);
  const again = workflow === undefined ? undefined : promptJson(promptFrom({ json: workflow, isUi: true }, definitions, undefined).prompt);
  return again !== undefined && isJsonObject(workflow) && encodeJson(again) === encodeJson(asPrompt) ? workflow : asPrompt;
}

/** Pictures that lie in the input folder here, by NODE.INPUT; others may lie on the server. */
async function picturesOf({ nodes }: ApiPrompt, registry: NodeRegistry, files: Files): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  for (const [id, { class_type: type, inputs }] of nodes) {
    for (const [name, spec] of Object.entries(registry.get(type)?.inputs ?? {})) {
      const value = inputs.get(name);
      if (spec.ui?.['image_upload'] !== true || typeof value !== 'string') continue;
      const file = await files.resolve(value).catch(() => undefined);
      if (file !== undefined) found[`${id}.${name}`] = new Uint8Array(await readFile(file));
    }
  }
  return found;
}

/** What nodes showed, with files fetched into the folders here, under the next free numbers. */
async function fetched(outputs: RunResult['outputs'], client: BagelgraphClient, files: Files): Promise<RunResult['outputs']> {
  const here = new Map<string, RunResult['outputs'] extends ReadonlyMap<string, infer O> ? O : never>();
  for (const [node, output] of outputs) here.set(node, { ...output, ui: await fetchedIn(output.ui, client, files) });
  return here;
}

async function fetchedIn(ui: Json, client: BagelgraphClient, files: Files): Promise<Json> {
  if (!isJsonObject(ui)) return ui;
  return new Map(await Promise.all([...ui].map(async ([kind, items]): Promise<[string, Json]> => [kind, isJsonArray(items) ? await Promise.all(items.map((item) => fetchedItem(item, client, files))) : items])));
}

async function fetchedItem(item: Json, client: BagelgraphClient, files: Files): Promise<Json> {
  const text = (key: string) => (isJsonObject(item) && typeof item.get(key) === 'string' ? (item.get(key) as string) : '');
  const filename = text('filename');
  if (filename === '') return item;
  const type: FolderKind = text('type') === 'temp' ? 'temp' : 'output';
  const bytes = await client.file({ filename, subfolder: text('subfolder'), type });
  const { name, ext } = path.posix.parse(filename.replaceAll('\\', '/'));
  const prefix = path.posix.join(text('subfolder'), name.replace(/_\d+_$/, '')); // save numbers it anew, and refuses what leads out of the folder
  const saved = await files.save(type, prefix.replaceAll('%', '_'), ext.slice(1) || 'bin', bytes);
  return new Map<string, Json>([...(item as JsonObject), ['filename', saved.filename], ['subfolder', saved.subfolder], ['type', saved.type]]);
}

/** The server's last word, for a run whose events do not tell the end. */
function withAnswer(result: RunResult, { status, error }: RunAnswer): RunResult {
  const ended = status === 'completed' ? 'success' : status === 'failed' ? 'error' : 'interrupted';
  if (ended !== 'error' || result.failure !== undefined) return { ...result, status: ended };
  const { node = '', title = '', message = 'the run failed' } = error ?? {};
  const failure = { node, display: node, parent: null, real: node, type: title, title, name: 'Error', message, reason: message, stack: '', inputs: {} };
  return { ...result, status: ended, failure };
}
