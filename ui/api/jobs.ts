// Jobs as the server lists them: what waits, what runs, what has ended and what it made.
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { getJson, postJson, request } from './http.ts';

export type JobStatus = 'pending' | 'in_progress' | 'completed' | 'failed' | 'cancelled';

/** A file that the server keeps; `type` is the folder it lies in. */
export interface FileReference { readonly filename: string; readonly subfolder: string; readonly type: string }

export interface Job {
  readonly id: string;
  readonly status: JobStatus;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly outputs: number;
  readonly preview: FileReference | undefined;
  readonly error: string | undefined;
  readonly errorNode: string | undefined;
}

export interface JobDetail extends Job {
  /** What each node showed, by node id. */
  readonly shown: ReadonlyMap<string, Json>;
  /** The workflow as its editor saved it, where it came with one. */
  readonly workflow: Json | undefined;
  readonly prompt: Json;
}

export interface JobList {
  /** The newest first. */
  readonly jobs: readonly Job[];
  /** The server keeps older ones. */
  readonly hasMore: boolean;
}

/** The server gives no more than this at once. */
const mostAtOnce = 1000;

/** The `limit` newest jobs, in as many questions as that takes. */
export async function listJobs(limit: number, signal?: AbortSignal): Promise<JobList> {
  const found = new Map<string, Job>(); // a job that comes between two questions moves the others on
  for (let offset = 0; ; offset += mostAtOnce) {
    const json = await getJson(`/jobs?limit=${Math.min(mostAtOnce, limit - offset)}&offset=${offset}&sort_order=desc`, signal);
    const jobs = isJsonObject(json) ? json.get('jobs') : undefined;
    for (const job of (isJsonArray(jobs) ? jobs : []).filter(isJsonObject).map(readJob)) found.set(job.id, job);
    const hasMore = isJsonObject(json) && objectAt(json, 'pagination')?.get('has_more') === true;
    if (!hasMore || offset + mostAtOnce >= limit) return { jobs: [...found.values()], hasMore };
  }
}

/** Throws an ApiError, with status 404 for one that is gone. */
export async function getJob(id: string): Promise<JobDetail> {
  const json = await getJson(`/jobs/${encodeURIComponent(id)}`);
  if (!isJsonObject(json)) throw new Error(`the server tells nothing of job ${id}`);
  const asked = objectAt(json, 'workflow');
  const outputs = objectAt(json, 'outputs');
  return { ...readJob(json), shown: outputs ?? new Map(), prompt: asked?.get('prompt') ?? new Map(), workflow: objectAt(objectAt(asked, 'extra_data'), 'extra_pnginfo')?.get('workflow') };
}

export interface QueueOrder { readonly isPaused: boolean; readonly running: readonly string[]; readonly waiting: readonly string[] }

export async function getQueueOrder(): Promise<QueueOrder> {
  return readOrder(await getJson('/queue/order'));
}

/** These run first, in this order. */
export async function orderQueue(ids: readonly string[]): Promise<QueueOrder> {
  return readOrder(await postJson('/queue/order', new Map([['prompt_ids', ids]])));
}

export async function pauseQueue(isPaused: boolean): Promise<QueueOrder> {
  return readOrder(await postJson(isPaused ? '/queue/pause' : '/queue/resume', new Map()));
}

/** Takes a job out of the queue, or stops it. */
export async function cancelJob(id: string): Promise<void> {
  await postJson(`/jobs/${encodeURIComponent(id)}/cancel`, new Map());
}

export async function clearQueue(): Promise<void> {
  await postJson('/queue', new Map([['clear', true]]));
}

export async function deleteJobs(ids: readonly string[]): Promise<void> {
  await request('/history', { method: 'POST', body: encodeJson(new Map([['delete', ids]])) });
}

export async function clearHistory(): Promise<void> {
  await postJson('/history', new Map([['clear', true]]));
}

function readJob(json: JsonObject): Job {
  const error = objectAt(json, 'execution_error');
  return {
    id: String(json.get('id')), status: String(json.get('status')) as JobStatus,
    createdAt: timeOf(json.get('create_time')) ?? 0, startedAt: timeOf(json.get('execution_start_time')), endedAt: timeOf(json.get('execution_end_time')),
    outputs: Number(json.get('outputs_count') ?? 0), preview: fileOf(json.get('preview_output')),
    error: textOf(error?.get('exception_message')), errorNode: textOf(error?.get('node_id')),
  };
}

function readOrder(json: Json): QueueOrder {
  const waiting = isJsonObject(json) ? json.get('waiting') : undefined;
  const running = isJsonObject(json) ? json.get('running') : undefined;
  return {
    isPaused: isJsonObject(json) && json.get('paused') === true,
    running: (isJsonArray(running) ? running : []).map(String),
    waiting: (isJsonArray(waiting) ? waiting : []).filter(isJsonObject).map((entry) => String(entry.get('prompt_id'))),
  };
}

/** A reference to a file as nodes show it. */
export function fileOf(json: Json | undefined): FileReference | undefined {
  if (!isJsonObject(json)) return undefined;
  const [filename, subfolder, type] = [json.get('filename'), json.get('subfolder'), json.get('type')];
  return typeof filename === 'string' ? { filename, subfolder: typeof subfolder === 'string' ? subfolder : '', type: typeof type === 'string' ? type : 'output' } : undefined;
}

function objectAt(json: JsonObject | undefined, key: string): JsonObject | undefined {
  const inner = json?.get(key);
  return isJsonObject(inner) ? inner : undefined;
}

function timeOf(json: Json | undefined): number | undefined {
  return typeof json === 'bigint' || typeof json === 'number' ? Number(json) : undefined;
}

function textOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined;
}
