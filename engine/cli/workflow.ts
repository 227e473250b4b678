// Reads a workflow file of any form and turns it into a prompt: the editor's JSON, the API form, or a picture that holds one of them.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isApiForm, parsePrompt, type ApiPrompt } from '../formats/api.ts';
import { FormatError } from '../formats/errors.ts';
import { parseJson, type Json } from '../formats/json.ts';
import { readDefinitions, type Definitions } from '../formats/object-info.ts';
import { convertWorkflow } from '../formats/workflow.ts';
import { isWorkflow } from '../formats/workflow-file.ts';
import { changesBetween, writeValues } from '../formats/write-values.ts';
import type { Environment } from '../graph/node.ts';
import { objectInfo } from '../graph/object-info.ts';
import type { NodeRegistry } from '../graph/registry.ts';
import { UsageError } from './arguments.ts';

export interface WorkflowFile {
  readonly json: Json;
  /** Absent for the API form. */
  readonly isUi: boolean;
}

/** Throws a UsageError naming the file and what was found. */
export async function readWorkflowFile(file: string): Promise<WorkflowFile> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new UsageError(`there is no workflow file ${file}: looked for ${path.resolve(file)}, give the path of a JSON file or of a picture that was saved with its workflow`);
    throw new UsageError(error.code === 'EISDIR' ? `${file} is a folder; give a workflow file` : `cannot read ${file}: ${error.message}`);
  });
  const json = parseFile(file, isPicture(bytes) ? await embedded(file, bytes) : bytes.toString('utf8'));
  if (isApiForm(json)) return { json, isUi: false };
  if (isWorkflow(json)) return { json, isUi: true };
  throw new UsageError(`${file} is JSON, but no workflow: it has neither a list of nodes (the editor's form) nor nodes with class_type (the API form)`);
}

function parseFile(file: string, text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    throw new UsageError(`${file} is no workflow: ${(error as Error).message}`);
  }
}

function isPicture(bytes: Buffer): boolean {
  return bytes.subarray(1, 4).toString('latin1') === 'PNG' || bytes.subarray(8, 12).toString('latin1') === 'WEBP';
}

/** The workflow text inside a picture; the editor's form is preferred. */
async function embedded(file: string, bytes: Buffer): Promise<string> {
  const { readMetadata } = await import('../image/metadata.ts');
  const metadata = readMetadata(bytes);
  const text = metadata.get('workflow') ?? metadata.get('prompt');
  if (text === undefined) throw new UsageError(`the picture ${file} holds no workflow: it may be cut off, or saved again by a program that drops what it does not know; give the file as it was saved here, or the workflow's JSON`);
  return text;
}

export interface ReadPrompt {
  readonly prompt: ApiPrompt;
  readonly notices: readonly string[];
  /** The editor's form with the values of a prompt that came from this one; undefined for the API form. */
  workflowFor(changed: ApiPrompt): Json | undefined;
}

/** The prompt of a workflow. The editor's form needs the definitions of the nodes it uses. */
export async function promptOf(file: WorkflowFile, registry: NodeRegistry, env: Environment, seed: bigint | undefined): Promise<ReadPrompt> {
  const known = file.isUi ? readDefinitions(await objectInfo(registry, env)) : () => undefined;
  return promptFrom(file, (type) => known(registry.get(type)?.type ?? type), seed); // by alias too
}

/** The same with definitions from elsewhere. */
export function promptFrom(file: WorkflowFile, definitions: Definitions, seed: bigint | undefined): ReadPrompt {
  if (!file.isUi) return { prompt: withTypes(parsePrompt(file.json)), notices: [], workflowFor: () => undefined };
  const { prompt, notices, picks } = convertWorkflow(file.json, definitions, seed === undefined ? {} : { seed });
  const picked = picks.map(({ node, input, picked: value }) => ({ node, input, value }));
  return {
    prompt,
    notices: [...notices, ...picks.map(({ node, input, picked: text }) => `node ${node}: ${input} became ${JSON.stringify(text)}`)],
    workflowFor: (changed) => writeValues(file.json, [...picked, ...changesBetween(prompt, changed)], definitions),
  };
}

function withTypes(prompt: ApiPrompt): ApiPrompt {
  const [id] = [...prompt.nodes].find(([, node]) => node.class_type === '') ?? [];
  if (id !== undefined) throw new FormatError(`node ${id} has no class_type: every node of the API form needs one`);
  return prompt;
}
