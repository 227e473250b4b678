// bagelgraph run, and runs of a workflow through its form: file → prompt → graph → engine → files, text, one JSON object.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createEngine } from '../exec/engine.ts';
import { openFiles } from '../exec/files.ts';
import { createTrace } from '../exec/trace.ts';
import { promptJson, toGraph, type ApiPrompt } from '../formats/api.ts';
import { applyForm, readForm } from '../formats/forms.ts';
import type { Json } from '../formats/json.ts';
import type { Literal } from '../graph/graph.ts';
import type { CommandArguments, RequestMeta } from '../graph/node.ts';
import { createRegistry, type NodeRegistry } from '../graph/registry.ts';
import { UsageError } from './arguments.ts';
import { interruptedCode, type FullHost, type HostCommand } from './command.ts';
import { chooseFolders, folderOptions, modelFolders, modelName, packageRoot } from './folders.ts';
import { runOptions, seedOption } from './options.ts';
import { debugLevel, debugLine } from './debug.ts';
import { Progress } from './progress.ts';
import { describeRefusal, printResult, type Outcome } from './result.ts';
import { runRemote } from './remote.ts';
import { setModel, setSeeds, setValues } from './values.ts';
import { promptOf, readWorkflowFile, type WorkflowFile } from './workflow.ts';

export const runCommand: HostCommand = {
  name: 'run',
  summary: 'Run a workflow: the editor\'s JSON, the API form, or a picture that holds one',
  usage: 'run WORKFLOW.json',
  options: runOptions,
  async run(args, host) {
    const [file, ...rest] = args.positionals;
    if (file === undefined || rest.length > 0) throw new UsageError(`run takes one workflow file, got ${args.positionals.length} (see bagelgraph run --help)`);
    return runWorkflow(await readWorkflowFile(file), {}, args, host);
  },
};

/** Runs `workflows/NAME.json` with inputs of its form filled. */
export async function runForm(workflow: string, inputs: Readonly<Record<string, Literal>>, args: CommandArguments, host: FullHost): Promise<number> {
  return runWorkflow(await readWorkflowFile(path.join(packageRoot, 'workflows', `${workflow}.json`)), inputs, args, host);
}

async function runWorkflow(file: WorkflowFile, inputs: Readonly<Record<string, Literal>>, args: CommandArguments, host: FullHost): Promise<number> {
  const { server } = args.options;
  if (typeof server === 'string') return runRemote(server, file, args, host, (prompt, known) => changePrompt(prompt, file.json, inputs, args, known));
  const opening = host.devices();
  const registry = createRegistry(host.packs);
  const folders = chooseFolders(folderOptions(args));
  const files = openFiles({ ...folders, models: modelFolders(folderOptions(args)) });
  const devices = await opening;
  const seed = seedOption(args);
  const { prompt: converted, notices, workflowFor } = await promptOf(file, registry, { files, devices }, seed);
  const prompt = changePrompt(converted, file.json, inputs, args, registry);
  const { graph } = toGraph(prompt);

  const engine = createEngine({ registry, devices, files });
  const isQuiet = args.options['quiet'] === true;
  const isJson = args.options['json'] === true;
  const progress = new Progress(isQuiet ? silent : host.stderr, isJson ? (isQuiet ? silent : host.stderr) : host.stdout);
  for (const notice of notices) if (!isQuiet) host.stderr.write(`note: ${notice}\n`);
  const trace = process.env['TRACE'] === undefined ? undefined : createTrace();
  const outcome: Outcome = { folders, prompt, isJson, isQuiet, notices, streamed: progress.streamed, devices: [...devices.keys()] };
  try {
    const checked = await engine.validate(graph);
    if (checked.refusal !== undefined) return describeRefusal(checked.refusal, checked.problems, outcome, host);
    const workflow = workflowFor(prompt);
    const request: RequestMeta = { prompt: promptJson(prompt), extras: new Map(workflow === undefined ? [] : [['workflow', workflow]]) };
    const result = await engine.run(checked, {
      request, signal: host.signal,
      emit: (event) => {
        progress.receive(event);
        const line = debugLevel >= 1 ? debugLine(event) : undefined;
        if (line !== undefined) host.stderr.write(`${line}\n`);
        trace?.event(event);
      },
    });
    const code = printResult(result, outcome, host);
    return result.status === 'interrupted' ? interruptedCode : code;
  } finally {
    await engine.clear();
    if (trace !== undefined) await writeFile(process.env['TRACE']!, trace.json());
  }
}

const silent = { write: () => undefined, isTTY: false, columns: 80 };

/** Form inputs, --model, --set and --seed, in this order: what is said most exactly wins. */
export function changePrompt(prompt: ApiPrompt, workflow: Json, inputs: Readonly<Record<string, Literal>>, args: CommandArguments, registry: NodeRegistry): ApiPrompt {
  let changed = prompt;
  if (Object.keys(inputs).length > 0) {
    const form = readForm(workflow);
    if (form === undefined) throw new UsageError('the workflow has no form (extra.bagelgraph.form), so its inputs have no names');
    changed = applyForm(changed, form, inputs);
  }
  const { model, set } = args.options;
  const seed = seedOption(args);
  if (typeof model === 'string') changed = setModel(changed, modelName(model), registry);
  if (seed !== undefined) changed = setSeeds(changed, seed, registry);
  return Array.isArray(set) ? setValues(changed, set as readonly string[], registry) : changed;
}
