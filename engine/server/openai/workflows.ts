// Which workflow serves which request of an OpenAI client, and the models that their forms offer. All that is known of a model is what forms say.
import type { Json } from '../../formats/json.ts';
import { nearestNames } from '../../graph/nearest.ts';
import type { FormInputState, FormValue } from '../jobs/form-inputs.ts';
import type { FormRuns } from '../jobs/run-form.ts';
import { OpenAiError, paramOf } from './errors.ts';

/** Names of saved workflows. */
export interface OpenAiWorkflows {
  readonly draw: string;
  readonly drawThinking: string;
  readonly edit: string;
  readonly editThinking: string;
  /** A picture from several. */
  readonly editSeveral: string;
  readonly chat: string;
}

export type OpenAiTask = keyof OpenAiWorkflows;

export const defaultWorkflows: OpenAiWorkflows = {
  draw: 'text-to-image', drawThinking: 'text-to-image-think', edit: 'edit', editThinking: 'edit-think', editSeveral: 'multi-image-edit', chat: 'chat',
};

export interface OpenAiOptions {
  /** In place of those named in `defaultWorkflows`. */
  readonly workflows?: Partial<OpenAiWorkflows> | undefined;
  /** What stands for OpenAI's models, and for none. Default: what the workflow was saved with. */
  readonly model?: string | undefined;
}

/** OpenAI's own names: clients that cannot be told another one send them. */
const alias = /^(?:gpt-|chatgpt-|dall-e-|o\d|davinci|default$|auto$|bagel$|ByteDance-Seed\/BAGEL-7B-MoT$)/i;

export class TaskForms {
  readonly #forms: FormRuns;
  readonly #workflows: OpenAiWorkflows;
  readonly #model: string | undefined;

  constructor(forms: FormRuns, { workflows, model }: OpenAiOptions = {}) {
    this.#forms = forms;
    this.#workflows = { ...defaultWorkflows, ...workflows };
    this.#model = model;
  }

  /** The form that serves a task, with the model that was asked for. Throws an OpenAiError (404) for a model that is not there. */
  async open(task: OpenAiTask, model: string | undefined): Promise<TaskForm> {
    const workflow = this.#workflows[task];
    const inputs = await this.#forms.inputsOf(workflow);
    const input = inputs.find(({ name }) => name === 'model');
    const saved = typeof input?.value === 'string' ? input.value : undefined;
    const known = (input?.choices ?? []).filter((name) => typeof name === 'string');
    const own = this.#model !== undefined && known.includes(this.#model) ? this.#model : saved ?? 'default';
    if (model === undefined || known.includes(model)) return new TaskForm(workflow, inputs, model ?? own, (model ?? own) === saved);
    if (!alias.test(model)) throw new OpenAiError(unknownModel(model, known), { status: 404, param: 'model', code: 'model_not_found' });
    return new TaskForm(workflow, inputs, own, own === saved, `the model ${JSON.stringify(model)} is not installed: ${own} is used in its place`);
  }

  /** All models that some form offers. */
  async models(): Promise<readonly string[]> {
    const workflows = [...new Set(Object.values(this.#workflows))];
    const offered = await Promise.all(workflows.map(async (name) => (await this.#forms.inputsOf(name).catch(() => [])).find((input) => input.name === 'model')?.choices ?? []));
    return [...new Set(offered.flat().filter((name): name is string => typeof name === 'string'))].sort();
  }
}

export function unknownModel(model: string, known: readonly string[]): string {
  const [near] = nearestNames(model, known, 1);
  return `there is no model ${JSON.stringify(model)} here${near === undefined ? '.' : `; did you mean ${near}?`} There are ${known.join(', ') || 'none'}`;
}

/** A form while its inputs are chosen. */
export class TaskForm {
  readonly workflow: string;
  readonly model: string;
  /** That another model is used than was asked for. */
  readonly notice: string | undefined;
  readonly values = new Map<string, FormValue>();
  readonly #inputs: readonly FormInputState[];
  readonly #isSavedModel: boolean;

  /** What a workflow was saved with suits the model it was saved with (`isSavedModel`); for others, inputs that nobody gives are the nodes' own. */
  constructor(workflow: string, inputs: readonly FormInputState[], model: string, isSavedModel: boolean, notice?: string) {
    this.workflow = workflow;
    this.model = model;
    this.notice = notice;
    this.#inputs = inputs;
    this.#isSavedModel = isSavedModel;
    if (this.has('model')) this.values.set('model', model);
    for (const { name, initial, isPicture } of isSavedModel ? [] : inputs) if (initial !== undefined && !isPicture && name !== 'model') this.values.set(name, initial);
  }

  has(name: string): boolean {
    return this.#inputs.some((input) => input.name === name);
  }

  /** Names of the inputs that take pictures, in their order. */
  get pictures(): readonly string[] {
    return this.#inputs.filter(({ isPicture }) => isPicture).map(({ name }) => name);
  }

  /** What an input is when nobody gives it. */
  standing(name: string): Json | undefined {
    const input = this.#inputs.find((one) => one.name === name);
    return this.#isSavedModel ? input?.value ?? input?.initial : input?.initial;
  }

  /** Sets an input where a value is given. Throws an OpenAiError when the form has no such input. */
  set(name: string, value: FormValue | undefined): void {
    if (value === undefined) return;
    if (!this.has(name)) throw new OpenAiError(`${paramOf(name)} is not supported here: the workflow ${JSON.stringify(this.workflow)} has no input ${JSON.stringify(name)}`, { param: paramOf(name), code: 'unsupported_parameter' });
    this.values.set(name, value);
  }
}
