// POST /prompt: reads a body in the API or the UI form, has it checked and puts it into the queue (comfy-contract §1.2).
import { randomUUID } from 'node:crypto';
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
import type { PromptQueue } from './queue.ts';

export interface PromptsOptions {
  readonly engine: Engine;
  readonly registry: NodeRegistry;
  readonly environment: Environment;
  readonly queue: PromptQueue;
}

export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

/** Keys of extra_data that are nobody else's business. */
const secrets = ['auth_token_comfy_org', 'api_key_comfy_org'];

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
  #number = 0n;

  constructor(options: PromptsOptions) {
    this.#options = options;
  }

  /** Queues the prompt in `text`, the body of the request. */
  async post(text: string): Promise<Answer> {
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
    const { engine, registry, environment, queue } = this.#options;
    const number = this.#numberOf(body);
    const { graph, badLinks } = toGraph(prompt);
    const checked = await engine.validate(graph, targetsOf(body));
    const nodeErrors = await describeProblems(checked, badLinks, registry, environment);
    if (checked.refusal !== undefined) return { status: 400, body: refusalBody(checked.refusal, checked, nodeErrors) };
    const promptId = textOf(body.get('prompt_id')) ?? randomUUID();
    const clientId = textOf(body.get('client_id'));
    const extraData = extraDataOf(body, clientId, workflow);
    const pnginfo = extraData.get('extra_pnginfo');
    queue.add({
      number: Number(number), promptId, clientId, prompt: json, checked,
      extras: isJsonObject(pnginfo) ? pnginfo : new Map<string, Json>(),
      listed: encodeJson([number, promptId, json, extraData, checked.targets]),
    });
    return { status: 200, body: encodeJson(new Map<string, Json>([['prompt_id', promptId], ['number', number], ['node_errors', nodeErrors]])) };
  }

  /** As sent; else the next of a counter, negative to go first. The counter counts refused prompts too. */
  #numberOf(body: JsonObject): bigint | number {
    const sent = body.get('number');
    if (typeof sent === 'bigint' || typeof sent === 'number') return Number(sent);
    const number = this.#number++;
    return body.get('front') === true ? -number : number;
  }
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
  for (const key of secrets) extra.delete(key);
  if (workflow !== undefined) {
    const pnginfo = extra.get('extra_pnginfo');
    const known = isJsonObject(pnginfo) ? pnginfo : new Map<string, Json>();
    extra.set('extra_pnginfo', known.has('workflow') ? known : new Map([...known, ['workflow', workflow]]));
  }
  if (clientId !== undefined) extra.set('client_id', clientId);
  return extra;
}
