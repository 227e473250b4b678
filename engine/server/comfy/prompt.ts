// POST /prompt: reads a body in the API or the UI form, has it checked and queued (comfy-contract §1.2). An id is accepted once: posting it
// again tells of the same job.
import { randomUUID } from 'node:crypto';
import { toUSVString } from 'node:util';
import { isApiForm, parsePrompt, promptJson, toGraph, type ApiPrompt } from '../../formats/api.ts';
import { FormatError } from '../../formats/errors.ts';
import { describeJson, encodeJson, isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { readDefinitions } from '../../formats/object-info.ts';
import { convertWorkflow } from '../../formats/workflow.ts';
import { isWorkflow } from '../../formats/workflow-file.ts';
import type { Engine } from '../../exec/engine.ts';
import type { Environment } from '../../graph/node.ts';
import { objectInfo } from '../../graph/object-info.ts';
import type { NodeRegistry } from '../../graph/registry.ts';
import { describeProblems, errorBody, refusalBody } from './prompt-errors.ts';
import type { Store } from '../../store/store.ts';
import { StoreError } from '../../store/errors.ts';
import { numberText, withoutSecrets, workflowIdOf, writeRequest } from './requests.ts';
import type { PromptRunner } from './runner.ts';

export interface PromptsOptions {
  readonly engine: Engine;
  readonly registry: NodeRegistry;
  readonly environment: Environment;
  readonly runner: PromptRunner;
  readonly store: Store;
  /** Prompts that may wait. */
  readonly mostWaiting: number;
}

export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

/** Longer ids are no ids. */
const mostIdCharacters = 1000;

interface Request {
  readonly prompt: ApiPrompt;
  /** As it was sent, or as it was converted from the UI form. */
  readonly json: Json;
  readonly body: JsonObject;
  /** The UI form it came as. */
  readonly workflow?: Json;
}

export class Prompts {
  readonly #options: PromptsOptions;
  #number: bigint;

  constructor(options: PromptsOptions) {
    this.#options = options;
    this.#number = options.store.nextNumber;
  }

  /** True when nothing is accepted until something has run. */
  get isFull(): boolean {
    return this.#options.runner.queue.pending.length >= this.#options.mostWaiting;
  }

  /** Queues the prompt in `text`, the body of the request. */
  async post(text: string): Promise<Answer> {
    if (this.#options.runner.isStopping) return { status: 503, body: errorBody('server_stopping', 'The server is stopping', 'It accepts no prompts any more; send it again when it is back.') };
    let request: Request | undefined;
    try {
      request = await this.#read(text);
    } catch (error) {
      if (error instanceof FormatError) return { status: 400, body: errorBody('invalid_prompt', 'The prompt cannot be read', error.message) };
      throw error;
    }
    if (request === undefined) return { status: 400, body: errorBody('no_prompt', 'No prompt provided', 'No prompt provided') };
    return this.#submit(request);
  }

  async #read(text: string): Promise<Request | undefined> {
    const body = parseJson(text);
    if (!isJsonObject(body)) throw new FormatError(`the body must be an object with a prompt, got ${describeJson(body)}`);
    const sent = body.has('prompt') ? body.get('prompt')! : isWorkflow(body) ? body : undefined;
    if (sent === undefined) return undefined;
    if (!isWorkflow(sent) || isApiForm(sent)) return { prompt: parsePrompt(sent), json: sent, body };
    const { registry, environment } = this.#options;
    const known = readDefinitions(await objectInfo(registry, environment));
    const { prompt } = convertWorkflow(sent, (type) => known(registry.get(type)?.type ?? type));
    return { prompt, json: promptJson(prompt), body: body === sent ? new Map() : body, workflow: sent };
  }

  async #submit({ prompt, json, body, workflow }: Request): Promise<Answer> {
    const { engine, registry, environment, runner } = this.#options;
    const sentId = textOf(body.get('prompt_id'));
    const mistake = mistakeIn(sentId, body.get('number'));
    if (mistake !== undefined) return mistake;
    const known = sentId === undefined ? undefined : await this.#knownJob(sentId);
    if (known !== undefined) return known;
    if (this.isFull) return { status: 429, body: errorBody('queue_full', 'The queue is full', `${this.#options.mostWaiting} prompts wait already; send it again later, or raise --max-queue.`) };
    const number = this.#numberOf(body);
    const { graph, badLinks } = toGraph(prompt);
    const checked = await engine.validate(graph, targetsOf(body));
    const nodeErrors = await describeProblems(checked, badLinks, registry, environment);
    if (checked.refusal !== undefined) return { status: 400, body: refusalBody(checked.refusal, checked, nodeErrors) };
    const promptId = sentId ?? randomUUID();
    const clientId = textOf(body.get('client_id'));
    const { kept: extraData, secrets } = withoutSecrets(extraDataOf(body, clientId, workflow));
    const request = writeRequest({ number, promptId, prompt: json, extraData, targets: checked.targets });
    const again = await this.#knownJob(promptId); // the same id may have come while this one was checked
    if (again !== undefined) return again;
    try {
      await runner.accept({ id: promptId, number: Number(number), clientId, workflowId: workflowIdOf(extraData), createdAt: Date.now(), request }, { checked, prompt: json, extraData }, secrets);
    } catch (error) {
      if (error instanceof StoreError) return { status: 503, body: errorBody('not_stored', 'The prompt could not be stored, so it was not queued', error.message) };
      throw error;
    }
    return accepted(promptId, encodeJson(number), nodeErrors);
  }

  /** The answer to an id that was accepted before, waits, runs or has ended: it does not run again. */
  async #knownJob(promptId: string): Promise<Answer | undefined> {
    const { store } = this.#options;
    const job = store.get(promptId);
    if (job === undefined) return undefined;
    await store.committed();
    const request = store.texts(promptId)?.request;
    return accepted(promptId, request === undefined ? encodeJson(job.number) : numberText(request), new Map());
  }

  /** As sent; else the next of a counter, negative to go first. The counter counts refused prompts too. */
  #numberOf(body: JsonObject): bigint | number {
    const sent = body.get('number');
    if (typeof sent === 'bigint' || typeof sent === 'number') return Number(sent);
    const number = this.#number++;
    return body.get('front') === true ? -number : number;
  }
}

function accepted(promptId: string, number: string, nodeErrors: JsonObject): Answer {
  return { status: 200, body: `{"prompt_id":${JSON.stringify(promptId)},"number":${number},"node_errors":${encodeJson(nodeErrors)}}` };
}

function mistakeIn(promptId: string | undefined, number: Json | undefined): Answer | undefined {
  if (promptId !== undefined && (promptId === '' || promptId.length > mostIdCharacters || toUSVString(promptId) !== promptId || promptId.includes('\0'))) {
    return { status: 400, body: errorBody('invalid_prompt_id', 'The prompt id cannot be used', `prompt_id must be a text of 1 to ${mostIdCharacters} characters without zero characters, got ${JSON.stringify(promptId).slice(0, 80)}`) };
  }
  if ((typeof number === 'bigint' || typeof number === 'number') && !Number.isFinite(Number(number))) {
    return { status: 400, body: errorBody('invalid_prompt', 'The number cannot be used', 'number must be a finite number') };
  }
  return undefined;
}

function targetsOf(body: JsonObject): { targets?: readonly string[] } {
  const targets = body.get('partial_execution_targets');
  return isJsonArray(targets) ? { targets: targets.map(String) } : {};
}

function textOf(json: Json | undefined): string | undefined {
  if (json === undefined || json === null) return undefined;
  return typeof json === 'string' ? json : encodeJson(json);
}

function extraDataOf(body: JsonObject, clientId: string | undefined, workflow: Json | undefined): JsonObject {
  const sent = body.get('extra_data');
  const extra = new Map(isJsonObject(sent) ? sent : []);
  if (workflow !== undefined) {
    const pnginfo = extra.get('extra_pnginfo');
    const known = isJsonObject(pnginfo) ? pnginfo : new Map<string, Json>();
    extra.set('extra_pnginfo', known.has('workflow') ? known : new Map([...known, ['workflow', workflow]]));
  }
  if (clientId !== undefined) extra.set('client_id', clientId);
  return extra;
}
