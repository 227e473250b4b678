// The client of a server of ours: workflows by their forms, jobs, events, files. Needs fetch and nothing else, so it runs in browsers too.
import { encodeJson, jsonOf, parseJson, plainOf, type Json } from '../formats/json.ts';
import type { JobBody, JobDetailBody, JobListBody, JobStatus, OutputFile, RunAnswer, RunRequest, SavedWorkflowBody } from '../server/jobs/protocol.ts';
import { serverErrorOf, ServerError, unreachable } from './errors.ts';
import { readEvents, type GapEvent } from './event-stream.ts';
import type { RunEvent } from '../server/jobs/protocol.ts';

export interface ClientOptions {
  /** Such as http://127.0.0.1:8188. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/** A value of a form: JSON, a bigint for large seeds, or the bytes of a picture. */
export type InputValue = unknown;

/** As the server takes it, with pictures as bytes too. */
export type RunOptions = Omit<RunRequest, 'workflow' | 'inputs'> & {
  readonly inputs?: Readonly<Record<string, InputValue>>;
  readonly signal?: AbortSignal | undefined;
};

export interface JobsQuery {
  readonly status?: readonly JobStatus[];
  readonly sortBy?: 'created_at' | 'execution_duration';
  readonly sortOrder?: 'asc' | 'desc';
  readonly limit?: number;
  readonly offset?: number;
  readonly workflowId?: string;
  readonly clientId?: string;
}

export interface EventsOptions {
  /** Go on after this event: its `seq`, or an id. */
  readonly after?: string | number;
  readonly signal?: AbortSignal | undefined;
}

export interface UploadedFile { readonly name: string; readonly subfolder: string; readonly type: string }

/** Clients and proxies give up on an answer that does not begin for some minutes, so longer waits are several. */
const longestAnswerSeconds = 120;
const mostReconnects = 10;
const reconnectMs = 1000;

export class BagelgraphClient {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof globalThis.fetch;

  /** Throws a TypeError where `url` is no http address. */
  constructor({ url, token, fetch = globalThis.fetch }: ClientOptions) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new TypeError(`${JSON.stringify(url)} is no address of a server: give one such as http://127.0.0.1:8188`);
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#fetch = (...args) => fetch(...args);
  }

  /**
   * Runs a workflow (its JSON, or the name of a saved one) and gives what it made. By default it waits; aborting the signal cancels the run.
   * Rejects with a ServerError for what the server refuses; a run that fails is an answer with status `failed`.
   */
  async run(workflow: RunRequest['workflow'] | Json, { timeout_seconds: seconds = Infinity, ...options }: RunOptions = {}): Promise<RunAnswer> {
    const until = performance.now() + seconds * 1000;
    const leftSeconds = () => Math.min(longestAnswerSeconds, (until - performance.now()) / 1000);
    let answer = await this.#post(workflow, { ...options, ...(options.wait === false ? {} : { timeout_seconds: Math.max(0.001, leftSeconds()) }) });
    const { wait = true, on_disconnect: onDisconnect = 'cancel', outputs = 'inline', signal } = options;
    try {
      while (wait && (answer.status === 'pending' || answer.status === 'in_progress') && leftSeconds() > 0) answer = await this.result(answer.id, { waitSeconds: leftSeconds(), outputs, signal });
    } catch (error) {
      if (onDisconnect === 'cancel') await this.cancel(answer.id).catch(() => undefined);
      throw error;
    }
    return answer;
  }

  async #post(workflow: RunRequest['workflow'] | Json, { inputs = {}, signal, ...rest }: RunOptions): Promise<RunAnswer> {
    const pictures = Object.entries(inputs).filter((entry): entry is [string, Uint8Array<ArrayBuffer> | Blob] => entry[1] instanceof Uint8Array || entry[1] instanceof Blob);
    const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof Uint8Array || value instanceof Blob)));
    const body = pictures.length === 0 ? textOf({ workflow, inputs: plain, ...rest }) : formOf({ workflow, inputs: plain, ...rest }, pictures);
    const { status, json } = await this.#json('/api/run', { method: 'POST', body, ...withSignal(signal) }, [409, 422]);
    if (!isAnswer(json)) throw serverErrorOf(status, '', json);
    return json;
  }

  /** Queues a run and answers at once. */
  submit(workflow: RunRequest['workflow'] | Json, options: Omit<RunOptions, 'wait'> = {}): Promise<RunAnswer> {
    return this.run(workflow, { ...options, wait: false });
  }

  /** What a run has made so far; waits up to `waitSeconds` for its end. */
  async result(id: string, { waitSeconds = 0, outputs = 'inline', signal }: { waitSeconds?: number; outputs?: 'inline' | 'files'; signal?: AbortSignal | undefined } = {}): Promise<RunAnswer> {
    const { status, json } = await this.#json(`/api/run/${encodeURIComponent(id)}?wait_seconds=${Math.ceil(waitSeconds)}&outputs=${outputs}`, withSignal(signal), [409, 422]);
    if (!isAnswer(json)) throw serverErrorOf(status, '', json);
    return json;
  }

  /** The run's events in order, until the last or until the signal aborts. Connects again by itself and goes on where it was. */
  async *events(id: string, { after, signal }: EventsOptions = {}): AsyncGenerator<RunEvent | GapEvent> {
    let last = after === undefined ? undefined : String(after);
    for (let failures = 0; ;) {
      try {
        const response = await this.#request(`/api/jobs/${encodeURIComponent(id)}/events`, { headers: last === undefined ? {} : { 'Last-Event-ID': last }, ...withSignal(signal) });
        for await (const { id: at, event } of readEvents(response.body!)) {
          failures = 0;
          last = at ?? last;
          yield event;
          if (event.kind === 'ended') return;
        }
        if (last !== undefined && failures === 0 && after !== undefined && last === String(after)) return; // there was nothing after it
      } catch (error) {
        if (signal?.aborted === true) return;
        if (error instanceof ServerError && error.status > 0 && error.status < 500) throw error;
        if (failures + 1 >= mostReconnects) throw error;
      }
      failures++;
      await new Promise((resolve) => setTimeout(resolve, reconnectMs));
    }
  }

  async job(id: string): Promise<JobDetailBody> {
    return (await this.#json(`/api/jobs/${encodeURIComponent(id)}`)).json as JobDetailBody;
  }

  async jobs({ status, sortBy, sortOrder, limit, offset, workflowId, clientId }: JobsQuery = {}): Promise<JobListBody> {
    const query = Object.entries({ status: status?.join(','), sort_by: sortBy, sort_order: sortOrder, limit, offset, workflow_id: workflowId, client_id: clientId })
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`])).join('&');
    return (await this.#json(`/api/jobs${query === '' ? '' : `?${query}`}`)).json as JobListBody;
  }

  /** Ends jobs, waiting or running. False when none of them did any more. */
  async cancel(...ids: readonly string[]): Promise<boolean> {
    const { json } = await this.#json('/api/jobs/cancel', { method: 'POST', body: JSON.stringify({ job_ids: ids }) });
    return (json as { readonly cancelled: boolean }).cancelled;
  }

  /** Saved workflows with what their forms take. */
  async workflows(): Promise<readonly SavedWorkflowBody[]> {
    return (await this.#json('/api/workflows')).json as readonly SavedWorkflowBody[];
  }

  /** Definitions of all nodes, as lossless JSON. */
  async objectInfo(): Promise<Json> {
    return parseJson(await (await this.#request('/api/object_info')).text());
  }

  /** Puts a picture into the server's input folder (or `type`). A name that is taken by another picture is numbered. */
  async upload(bytes: Uint8Array<ArrayBuffer> | Blob, name: string, { subfolder = '', type = 'input' }: { subfolder?: string; type?: 'input' | 'temp' } = {}): Promise<UploadedFile> {
    const form = new FormData();
    form.set('image', bytes instanceof Blob ? bytes : new Blob([bytes]), name);
    form.set('subfolder', subfolder);
    form.set('type', type);
    return (await this.#json('/api/upload/image', { method: 'POST', body: form })).json as UploadedFile;
  }

  /** The bytes of a file that a run made. */
  async file({ filename, subfolder, type }: Pick<OutputFile, 'filename' | 'subfolder' | 'type'>): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#request(`/api/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async #json(route: string, init: RequestInit = {}, accepted: readonly number[] = []): Promise<{ status: number; json: unknown }> {
    const response = await this.#request(route, init, accepted);
    return { status: response.status, json: plainOf(parseJson(await response.text())) };
  }

  /** Rejects with a ServerError for an answer that is no success, but for `accepted`. */
  async #request(route: string, init: RequestInit = {}, accepted: readonly number[] = []): Promise<Response> {
    const headers = { ...(init.headers as Readonly<Record<string, string>> | undefined), ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }) };
    const response = await this.#fetch(`${this.url}${route}`, { ...init, headers }).catch((error: unknown) => {
      throw init.signal?.aborted === true ? error : unreachable(this.url, error);
    });
    if (response.ok || accepted.includes(response.status)) return response;
    const text = await response.text();
    throw serverErrorOf(response.status, response.statusText, bodyOf(text));
  }
}

/** First bytes as they are; JSON where it is some. */
function bodyOf(text: string): unknown {
  try {
    return plainOf(parseJson(text));
  } catch {
    return text;
  }
}

function textOf(request: Readonly<Record<string, unknown>>): string {
  return encodeJson(jsonOf(request));
}

function formOf({ workflow, ...rest }: Readonly<Record<string, unknown>>, pictures: readonly (readonly [string, Uint8Array<ArrayBuffer> | Blob])[]): FormData {
  const form = new FormData();
  form.set('workflow', typeof workflow === 'string' ? workflow : encodeJson(jsonOf(workflow)));
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) form.set(name, typeof value === 'string' ? value : encodeJson(jsonOf(value)));
  for (const [name, bytes] of pictures) form.set(name, bytes instanceof Blob ? bytes : new Blob([bytes]), 'picture');
  return form;
}

function isAnswer(json: unknown): json is RunAnswer {
  return typeof json === 'object' && json !== null && 'status' in json && 'outputs' in json;
}

function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

export type { JobBody, JobDetailBody, JobListBody, RunAnswer, RunEvent, SavedWorkflowBody };
