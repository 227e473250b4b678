// Tells how a run ended: for people a few lines, with --json one object on stdout.
import path from 'node:path';
import type { RunResult } from '../exec/engine.ts';
import type { ApiPrompt } from '../formats/api.ts';
import { encodeJson, isJsonArray, isJsonObject, jsonOf, type Json } from '../formats/json.ts';
import type { FolderKind } from '../graph/node.ts';
import { sentence, type NodeProblem, type Refusal } from '../graph/problems.ts';
import type { FullHost } from './command.ts';
import { debugLevel } from './debug.ts';
import { duration } from './progress.ts';

/** What the ending needs to know of the beginning. */
export interface Outcome {
  readonly folders: Readonly<Record<FolderKind, string>>;
  readonly prompt: ApiPrompt;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly notices: readonly string[];
  /** Nodes whose text went to the terminal while it was made. */
  readonly streamed: ReadonlySet<string>;
  readonly devices: readonly string[];
}

interface Output {
  readonly node: string;
  readonly type: string;
  readonly files: readonly string[];
  readonly text: readonly string[];
}

/** Prints and gives the exit code: 0 only if every output was made. */
export function printResult(result: RunResult, outcome: Outcome, host: FullHost): number {
  const outputs = [...result.outputs.values()].map(({ real, type, ui }): Output => ({ node: real, type, files: filesOf(ui, outcome.folders), text: textsOf(ui) }));
  const isComplete = result.status === 'success' && result.problems.length === 0 && result.blocked.length === 0;
  if (outcome.isJson) host.stdout.write(`${encodeJson(resultJson(result, outputs, outcome), { indent: 1 })}\n`);
  else printOutputs(result, outputs, outcome, host);
  for (const problem of result.problems) host.stderr.write(`bagelgraph: ${sentence(problem)}\n`);
  if (result.failure !== undefined) {
    host.stderr.write(`bagelgraph: ${result.failure.message}\n`);
    if (debugLevel > 0) host.stderr.write(`${result.failure.stack}\n`);
  }
  if (result.status === 'interrupted' && !outcome.isQuiet) host.stderr.write('interrupted; nothing half-made was kept\n');
  return isComplete ? 0 : 1;
}

function printOutputs(result: RunResult, outputs: readonly Output[], outcome: Outcome, host: FullHost): void {
  for (const { files, text, node } of outputs) {
    for (const file of files) host.stdout.write(`${shortPath(file)}\n`);
    // Text that was streamed a moment ago is not told twice.
    if (![...outcome.streamed].some((streamed) => feeds(outcome.prompt, streamed, node))) for (const line of text) host.stdout.write(`${line}\n`);
  }
  // Of a failed run the line tells the seed, so that work which was done can be done again.
  const isWorthTelling = result.status === 'success' || (result.status === 'error' && Object.keys(result.counts).length > 0);
  if (outcome.isQuiet || !isWorthTelling) return;
  const model = modelOf(outcome.prompt);
  const passes = Object.entries(result.counts).map(([name, count]) => `${count} ${name}`).join(', ');
  const parts = [...(model === undefined ? [] : [`model ${model}`]), outcome.devices.join(', '), ...(result.seed === undefined ? [] : [`seed ${result.seed}`]), duration(result.endedAt - result.startedAt), ...(passes === '' ? [] : [`passes: ${passes}`])];
  host.stderr.write(`${parts.join('  ·  ')}\n`);
}

/** True when a node of the prompt links to `source`. */
function feeds(prompt: ApiPrompt, source: string, node: string): boolean {
  const links = prompt.nodes.get(node)?.inputs.values() ?? [];
  return node === source || [...links].some((input) => isJsonArray(input) && input[0] === source);
}

function resultJson(result: RunResult, outputs: readonly Output[], outcome: Outcome): Json {
  const { denoise = 0, prefill = 0, decode = 0 } = result.counts;
  const { failure } = result;
  return jsonOf({
    status: result.status === 'success' && result.problems.length > 0 ? 'error' : result.status,
    seed: result.seed ?? null,
    outputs: outputs.map((output) => ({ ...output })),
    timings: result.timings.map(({ node, ms, cached }) => ({ node, ms: Math.round(ms * 1000) / 1000, cached })),
    passes: { denoise: BigInt(denoise), prefill: BigInt(prefill), decode: BigInt(decode) },
    notices: [...outcome.notices, ...result.notices],
    ...(failure === undefined ? {} : { error: { node: failure.real, title: failure.title, message: failure.message } }),
    ...(failure === undefined && result.problems.length > 0 ? { error: problemJson(result.problems[0]!), problems: result.problems.map(problemJson) } : {}),
  });
}

interface FailureJson {
  readonly node: string | null;
  readonly title: string | null;
  readonly message: string;
}

/** What --json prints where no run began. */
export function failureJson(error: FailureJson, status: 'error' | 'interrupted' = 'error') {
  return { status, seed: null, outputs: [], timings: [], passes: { denoise: 0n, prefill: 0n, decode: 0n }, notices: [], error: { ...error } };
}

function problemJson(problem: NodeProblem | Refusal): FailureJson {
  return { node: problem.node ?? null, title: problem.title ?? null, message: sentence(problem) };
}

/** Nothing could run: says why. */
export function describeRefusal(refusal: Refusal, problems: readonly NodeProblem[], outcome: Outcome, host: FullHost): number {
  const all = problems.length > 0 ? problems : [refusal];
  if (outcome.isJson) {
    const json = { ...failureJson(problemJson(all[0]!)), notices: [...outcome.notices], problems: all.map(problemJson) };
    host.stdout.write(`${encodeJson(jsonOf(json), { indent: 1 })}\n`);
  }
  for (const problem of all) host.stderr.write(`bagelgraph: ${sentence(problem)}\n`);
  return 1;
}

/** Absolute paths of the files a node showed. */
function filesOf(ui: Json, folders: Readonly<Record<FolderKind, string>>): string[] {
  if (!isJsonObject(ui)) return [];
  return [...ui.values()].flatMap((list) => (isJsonArray(list) ? list : [])).flatMap((entry) => {
    if (!isJsonObject(entry)) return [];
    const [filename, subfolder, type] = ['filename', 'subfolder', 'type'].map((key) => entry.get(key));
    return typeof filename === 'string' ? [path.join(folders[type as FolderKind] ?? folders.output, typeof subfolder === 'string' ? subfolder : '', filename)] : [];
  });
}

function textsOf(ui: Json): string[] {
  const text = isJsonObject(ui) ? ui.get('text') : undefined;
  return isJsonArray(text) ? text.filter((line): line is string => typeof line === 'string') : [];
}

/** As a person would write it from here. */
function shortPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

/** The name of the model that is loaded, if one is. */
function modelOf(prompt: ApiPrompt): string | undefined {
  for (const node of prompt.nodes.values()) {
    const model = node.inputs.get('model');
    if (typeof model === 'string') return path.basename(model);
  }
  return undefined;
}
