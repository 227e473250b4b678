// Jobs and their outputs as our routes tell them (comfy-contract §1.2, the later clients). Knows no HTTP.
import { isJsonObject, jsonOf, parseJson, type Json } from '../../formats/json.ts';
import type { Job, JobState, JobTexts } from '../../store/store.ts';
import { readRequest } from '../comfy/requests.ts';
import type { JobStatus } from './protocol.ts';
import type { FileReference, FormResult, NamedOutput } from './run-form.ts';
import { problemJson } from './errors.ts';

const statuses: Readonly<Record<JobState, JobStatus>> = {
  waiting: 'pending', running: 'in_progress', success: 'completed', error: 'failed', interrupted: 'cancelled', cancelled: 'cancelled',
};

export function statusOf(state: JobState): JobStatus {
  return statuses[state];
}

/** The states that a status stands for; undefined for an unknown one. */
export function statesOf(status: string): readonly JobState[] | undefined {
  const states = (Object.keys(statuses) as JobState[]).filter((state) => statuses[state] === status);
  return states.length === 0 ? undefined : states;
}

export function jobJson({ id, state, number, createdAt, startedAt, endedAt, failure, outputs, preview, workflowId }: Job): Map<string, Json> {
  return new Map<string, Json>([
    ['id', id], ['status', statusOf(state)], ['priority', jsonOf(number)], ['create_time', jsonOf(Math.floor(createdAt))],
    ['execution_start_time', timeJson(startedAt)], ['execution_end_time', timeJson(endedAt)],
    ['execution_error', failure === undefined ? null : new Map<string, Json>([['node_id', failure.node], ['node_type', failure.type], ['exception_type', failure.name], ['exception_message', failure.message]])],
    ['outputs_count', BigInt(outputs)], ['preview_output', preview === undefined ? null : parseJson(preview)], ['workflow_id', workflowId ?? null],
  ]);
}

/** With what it made and what was asked. */
export function jobDetailJson(job: Job, texts: JobTexts | undefined): Json {
  const result = texts?.result === undefined ? undefined : parseJson(texts.result);
  const member = (name: string) => (isJsonObject(result) ? result.get(name) : undefined);
  const { prompt, extraData } = texts === undefined ? { prompt: new Map(), extraData: new Map() } : readRequest(texts.request);
  return new Map<string, Json>([
    ...jobJson(job), ['outputs', member('outputs') ?? new Map()], ['execution_status', member('status') ?? null],
    ['workflow', new Map<string, Json>([['prompt', prompt], ['extra_data', extraData]])],
  ]);
}

/** Where a client fetches the file. */
export function viewPath({ filename, subfolder, type }: FileReference): string {
  return `/api/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`;
}

/** The answer of /api/run. `inline` gives media type and data URL of a file; it is asked for one after the other. */
export async function answerJson({ id, state, outputs, error }: FormResult, inline?: (file: FileReference) => Promise<{ readonly mediaType: string; readonly dataUrl: string } | undefined>): Promise<Json> {
  const listed: Json[] = [];
  for (const output of outputs) {
    const files: Json[] = [];
    for (const file of output.files) {
      const found = await inline?.(file);
      files.push(new Map<string, Json>([...referenceJson(file), ...(found === undefined ? [] : [['media_type', found.mediaType], ['data_url', found.dataUrl]] as const)]));
    }
    listed.push(outputJson(output, files));
  }
  return new Map<string, Json>([['id', id], ['status', statusOf(state)], ['outputs', listed], ...(error === undefined ? [] : [['error', problemJson(error)] as const])]);
}

export function outputJson({ name, node, files, texts }: NamedOutput, listed: readonly Json[] = files.map(referenceJson)): Json {
  return new Map<string, Json>([['name', name], ['node', node], ['files', listed], ['texts', texts]]);
}

function referenceJson(file: FileReference): Map<string, Json> {
  return new Map<string, Json>([['filename', file.filename], ['subfolder', file.subfolder], ['type', file.type], ['url', viewPath(file)]]);
}

function timeJson(at: number | undefined): Json {
  return at === undefined ? null : BigInt(Math.floor(at));
}
