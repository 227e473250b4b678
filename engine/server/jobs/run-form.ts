// Runs a workflow by its form: (workflow or saved name, inputs by their names in the form) → a queued job → its outputs by name. The core of
// POST /api/run and of the OpenAI routes; knows no HTTP.
import { randomUUID } from 'node:crypto';
import type { Engine } from '../../exec/engine.ts';
import type { RunEvent } from '../../exec/events.ts';
import { isApiForm, parsePrompt, promptJson, toGraph, type ApiPrompt } from '../../formats/api.ts';
import { FormatError } from '../../formats/errors.ts';
import { readForm, type Form, type FormOutput } from '../../formats/forms.ts';
import { describeJson, encodeJson, isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { readDefinitions } from '../../formats/object-info.ts';
import { convertWorkflow } from '../../formats/workflow.ts';
import { isWorkflow } from '../../formats/workflow-file.ts';
import { changesBetween, writeValues } from '../../formats/write-values.ts';
import type { Environment, FolderKind } from '../../graph/node.ts';
import { objectInfo } from '../../graph/object-info.ts';
import { sentence } from '../../graph/problems.ts';
import type { NodeRegistry } from '../../graph/registry.ts';
import type { Job, Store } from '../../store/store.ts';
import type { Prompts } from '../comfy/prompt.ts';
import type { PromptRunner } from '../comfy/runner.ts';
import { readRequest } from '../comfy/requests.ts';
import { FormRunError, formProblemOf, type FormProblem } from './errors.ts';
import type { EventLog } from './event-log.ts';
import { describeInput, fillForm, formInputState, pictureName, type FilledPrompt, type FormInputState, type FormValue, type FormValues } from './form-inputs.ts';
import { listSaved, readSaved, type WorkflowPlaces } from './saved-workflows.ts';

export interface FormRequest {
  /** The editor's form, the API form, or the name of a saved workflow. */
  readonly workflow: string | JsonObject;
  /** By the form's names, or NODE.INPUT. */
  readonly inputs?: FormValues;
  /** An id of one's own: the same one again is the same job. */
  readonly id?: string | undefined;
  /** Also tells this WebSocket client of the run. */
  readonly clientId?: string | undefined;
  /** Before all that wait. */
  readonly isFirst?: boolean;
  /** Into `extra_data.bagelgraph`: webhook, cache, … */
  readonly options?: ReadonlyMap<string, Json>;
}

export interface FileReference {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: FolderKind;
}

export interface NamedOutput {
  /** In the form; the node's id where there is none. */
  readonly name: string;
  readonly node: string;
  readonly files: readonly FileReference[];
  readonly texts: readonly string[];
}

export interface FormResult {
  readonly id: string;
  readonly state: Job['state'];
  readonly outputs: readonly NamedOutput[];
  /** Why it failed. */
  readonly error?: FormProblem;
}

export interface FormRun {
  readonly id: string;
  /** False where the id was accepted before. */
  readonly isNew: boolean;
  /** Resolves when the job has its final entry; rejects with the signal's reason when that comes first. */
  ended(signal?: AbortSignal): Promise<FormResult>;
  /** Run events from the first on, until the last or until `signal` aborts; those that are not kept any more are passed over. */
  events(signal?: AbortSignal): AsyncGenerator<RunEvent>;
  /** Ends it, waiting or running. */
  cancel(): Promise<void>;
}

export interface FormRunsOptions {
  readonly engine: Engine;
  readonly registry: NodeRegistry;
  readonly environment: Environment;
  readonly runner: PromptRunner;
  readonly prompts: Prompts;
  readonly store: Store;
  readonly events: EventLog;
  readonly places: WorkflowPlaces;
  readonly tempFolder: string;
}

export class FormRuns {
  readonly #options: FormRunsOptions;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: FormRunsOptions) {
    this.#options = options;
    options.runner.onEnded.add(({ id }) => {
      for (const resolve of this.#waiting.get(id) ?? []) resolve();
      this.#waiting.delete(id);
    });
  }

  /** Checks and queues. Throws a FormRunError, and has then queued nothing: every output must be able to run. */
  async submit({ workflow, inputs = {}, id = randomUUID(), clientId, isFirst = false, options = new Map() }: FormRequest): Promise<FormRun> {
    const { store, prompts, registry, tempFolder, places } = this.#options;
    if (store.get(id) !== undefined) return this.run(id)!;
    const json = typeof workflow === 'string' ? (await readSaved(workflow, places)).json : workflow;
    const form = formOf(json);
    const { prompt: written, workflowFor } = await this.#read(json);
    const filled = await fillForm(written, form, inputs, registry, tempFolder);
    await this.#check(filled);
    const saved = workflowFor(filled.prompt);
    const extra = new Map<string, Json>([
      ['bagelgraph', new Map<string, Json>([...options, ...(form === undefined ? [] : [['outputs', form.outputs.map(({ name, node }) => new Map([['name', name], ['node', node]]))] as const])])],
      ...(saved === undefined ? [] : [['extra_pnginfo', new Map([['workflow', saved]])] as const]),
    ]);
    const body = new Map<string, Json>([['prompt', promptJson(filled.prompt)], ['prompt_id', id], ['extra_data', extra], ...(clientId === undefined ? [] : [['client_id', clientId] as const]), ...(isFirst ? [['front', true] as const] : [])]);
    refuse(await prompts.post(encodeJson(body)));
    return { ...this.run(id)!, isNew: true };
  }

  /** A job that was accepted, by whatever way; undefined when there is none. */
  run(id: string): FormRun | undefined {
    const { store, runner, events } = this.#options;
    if (store.get(id) === undefined) return undefined;
    return {
      id, isNew: false,
      ended: async (signal) => {
        await this.#ended(id, signal);
        return this.result(id)!;
      },
      async *events(signal = new AbortController().signal) {
        for await (const item of events.follow(id, undefined, signal)) if (item.kind === 'event') yield item.event;
      },
      cancel: async () => { await runner.cancel(id); },
    };
  }

  /** What there is of a job now; undefined when there is no such job. */
  result(id: string): FormResult | undefined {
    const { store } = this.#options;
    const job = store.get(id);
    if (job === undefined) return undefined;
    const { request, result } = store.texts(id) ?? {};
    const { failure } = job;
    return {
      id, state: job.state, outputs: outputsOf(result === undefined ? undefined : parseJson(result), request === undefined ? undefined : namedOutputs(request)),
      ...(failure === undefined ? {} : { error: { message: failure.message, ...(failure.node === '' ? {} : { node: failure.node, title: failure.type }) } }),
    };
  }

  /** All saved workflows with what their forms take, for lists. One that cannot be read says why. */
  async list(): Promise<Json> {
    const { places, registry } = this.#options;
    return Promise.all((await listSaved(places)).map(async ({ name, source }) => {
      const known: [string, Json][] = [['name', name], ['source', source]];
      try {
        const { json } = await readSaved(name, places);
        const form = formOf(json);
        const { prompt } = await this.#read(json);
        return new Map<string, Json>([...known, ['inputs', (form?.inputs ?? []).map((input) => describeInput(input, prompt, registry))], ['outputs', (form?.outputs ?? []).map((output) => new Map(Object.entries(output)))]]);
      } catch (error) {
        return new Map<string, Json>([...known, ['inputs', []], ['outputs', []], ['problem', (error as Error).message]]);
      }
    }));
  }

  /** The form of a saved workflow; no inputs where it has none. Throws a FormRunError when there is no such workflow. */
  async inputsOf(name: string): Promise<readonly FormInputState[]> {
    const { places, registry, environment } = this.#options;
    const { json } = await readSaved(name, places);
    const { prompt } = await this.#read(json);
    return Promise.all((formOf(json)?.inputs ?? []).map((input) => formInputState(input, prompt, registry, environment)));
  }

  /** Keeps a picture as long as a job names it, and gives the name for inputs that hold several. Throws a FormRunError for what is no picture. */
  keepPicture(name: string, value: FormValue): Promise<string> {
    return pictureName(name, value, this.#options.tempFolder);
  }

  async #read(json: Json): Promise<{ readonly prompt: ApiPrompt; workflowFor(changed: ApiPrompt): Json | undefined }> {
    const { registry, environment } = this.#options;
    try {
      if (isApiForm(json)) return { prompt: parsePrompt(json), workflowFor: () => undefined };
      if (!isWorkflow(json)) throw new FormatError(`a workflow is the editor's form (with a list of nodes) or the API form (nodes by id), got ${describeJson(json)}`);
      const known = readDefinitions(await objectInfo(registry, environment));
      const definitions = (type: string) => known(registry.get(type)?.type ?? type); // by alias too
      const { prompt, picks } = convertWorkflow(json, definitions);
      const picked = picks.map(({ node, input, picked: value }) => ({ node, input, value }));
      return { prompt, workflowFor: (changed) => writeValues(json, [...picked, ...changesBetween(prompt, changed)], definitions) };
    } catch (error) {
      throw error instanceof FormatError ? new FormRunError('invalid_workflow', error.message) : error;
    }
  }

  async #check({ prompt, names }: FilledPrompt): Promise<void> {
    const { refusal, problems } = await this.#options.engine.validate(toGraph(prompt).graph);
    const found = problems.length > 0 ? problems : refusal === undefined ? [] : [refusal];
    if (found.length === 0) return;
    const told = found.map((problem) => formProblemOf(problem, (node, input) => names.get(`${node}\n${input}`)));
    const isInput = told.some(({ formInput }) => formInput !== undefined);
    throw new FormRunError(isInput ? 'invalid_input' : 'invalid_workflow', told.length > 1 || refusal === undefined ? told.map(({ message }) => message).join('; ') : told[0]?.message ?? sentence(refusal), told);
  }

  #ended(id: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#options.store.get(id)?.endedAt !== undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const stop = () => {
        waiting.delete(done);
        reject(signal!.reason as Error);
      };
      const done = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      waiting.add(done);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }
}

function formOf(json: Json): Form | undefined {
  try {
    return readForm(json);
  } catch (error) {
    throw error instanceof FormatError ? new FormRunError('invalid_workflow', error.message) : error;
  }
}

/** Throws what POST /prompt answered, when it did not accept. */
function refuse({ status, body }: { readonly status: number; readonly body: string }): void {
  if (status === 200) return;
  const answer = parseJson(body);
  const error = isJsonObject(answer) ? answer.get('error') : undefined;
  const text = (key: string) => (isJsonObject(error) && typeof error.get(key) === 'string' ? (error.get(key) as string) : '');
  const message = [text('message'), text('details')].filter((part) => part !== '').join(': ');
  const busy = (['server_stopping', 'not_stored', 'queue_full'] as const).find((code) => code === text('type'));
  throw new FormRunError(busy ?? 'invalid_request', message, [], status);
}

/** The form's outputs, as they were stored with the request; undefined where it had no form. */
function namedOutputs(request: string): readonly FormOutput[] | undefined {
  const own = readRequest(request).extraData.get('bagelgraph');
  const outputs = isJsonObject(own) ? own.get('outputs') : undefined;
  if (!isJsonArray(outputs)) return undefined;
  return outputs.filter(isJsonObject).map((output) => ({ name: String(output.get('name')), node: String(output.get('node')) }));
}

function outputsOf(result: Json | undefined, named: readonly FormOutput[] | undefined): readonly NamedOutput[] {
  const shown = isJsonObject(result) ? result.get('outputs') : undefined;
  if (!isJsonObject(shown)) return [];
  const wanted = named ?? [...shown.keys()].map((node) => ({ name: node, node }));
  return wanted.map(({ name, node }) => ({ name, node, files: filesOf(shown.get(node)), texts: textsOf(shown.get(node)) })).filter(({ files, texts }) => named !== undefined || files.length + texts.length > 0);
}

function filesOf(ui: Json | undefined): readonly FileReference[] {
  if (!isJsonObject(ui)) return [];
  return [...ui.values()].flatMap((list) => (isJsonArray(list) ? list : [])).flatMap((entry) => {
    if (!isJsonObject(entry) || typeof entry.get('filename') !== 'string') return [];
    const [subfolder, type] = [entry.get('subfolder'), entry.get('type')];
    return [{ filename: entry.get('filename') as string, subfolder: typeof subfolder === 'string' ? subfolder : '', type: type === 'temp' || type === 'input' ? type : 'output' as const }];
  });
}

function textsOf(ui: Json | undefined): readonly string[] {
  const text = isJsonObject(ui) ? ui.get('text') : undefined;
  return isJsonArray(text) ? text.filter((line): line is string => typeof line === 'string') : [];
}
