// Why a prompt is refused, word for word as ComfyUI says it (comfy-contract §1.3), from the problems that validation found.
import { isLink } from '../../graph/graph.ts';
import type { BadLink } from '../../formats/api.ts';
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../formats/json.ts';
import { pythonText } from '../../graph/coerce.ts';
import type { Environment, Registry } from '../../graph/node.ts';
import { nodeInfo } from '../../graph/object-info.ts';
import type { NodeProblem, Refusal } from '../../graph/problems.ts';
import type { Checked } from '../../graph/validate.ts';

/** `{"error": {type, message, details, extra_info}, "node_errors": {…}}`. */
export function errorBody(type: string, message: string, details: string, nodeErrors: JsonObject = new Map()): string {
  const error = new Map<string, Json>([['type', type], ['message', message], ['details', details], ['extra_info', new Map()]]);
  return encodeJson(new Map<string, Json>([['error', error], ['node_errors', nodeErrors]]));
}

/** What went wrong with a prompt that cannot run at all. `nodeErrors` are those of `describeProblems`. */
export function refusalBody(refusal: Refusal, checked: Checked, nodeErrors: JsonObject): string {
  switch (refusal.code) {
    case 'no_prompt': return errorBody('no_prompt', 'No prompt provided', 'No prompt provided');
    case 'prompt_no_outputs': return errorBody('prompt_no_outputs', 'Prompt has no outputs', '');
    case 'invalid_prompt': {
      const { node, type } = refusal;
      const message = type === undefined || type === '' ? 'Cannot execute because a node is missing the class_type property.' : `Cannot execute because node ${type} does not exist.`;
      return errorBody('invalid_prompt', message, `Node ID '#${node}'`);
    }
    case 'prompt_outputs_failed_validation': return errorBody('prompt_outputs_failed_validation', 'Prompt outputs failed validation', outputDetails(checked, nodeErrors), nodeErrors);
  }
}

/** The errors of the output nodes themselves, one a line. */
function outputDetails({ problems }: Checked, nodeErrors: JsonObject): string {
  const failed = new Set(problems.flatMap(({ dependentOutputs }) => dependentOutputs));
  return [...nodeErrors].flatMap(([id, entry]) => {
    const errors = failed.has(id) && isJsonObject(entry) ? entry.get('errors') : undefined;
    return isJsonArray(errors) ? errors.filter(isJsonObject).map((error) => `${String(error.get('message'))}: ${String(error.get('details'))}`) : [];
  }).join('\n');
}

/** `node_errors`: by node, in the order of the prompt. `badLinks` are the lists in the prompt that are no links. */
export async function describeProblems(checked: Checked, badLinks: readonly BadLink[], registry: Registry, env: Environment): Promise<JsonObject> {
  const byNode = new Map<string, { errors: Json[]; outputs: Set<string>; type: string }>();
  const description = new Description(checked, badLinks, registry, env);
  for (const problem of checked.problems) {
    let entry = byNode.get(problem.node);
    if (entry === undefined) byNode.set(problem.node, (entry = { errors: [], outputs: new Set(), type: problem.type }));
    entry.errors.push(...(await description.errorsOf(problem)));
    for (const output of problem.dependentOutputs) entry.outputs.add(output);
  }
  return new Map([...byNode].map(([id, { errors, outputs, type }]) => [id, new Map<string, Json>([['errors', errors], ['dependent_outputs', [...outputs]], ['class_type', type]])]));
}

class Description {
  readonly #checked: Checked;
  readonly #badLinks: readonly BadLink[];
  readonly #registry: Registry;
  readonly #env: Environment;

  constructor(checked: Checked, badLinks: readonly BadLink[], registry: Registry, env: Environment) {
    this.#checked = checked;
    this.#badLinks = badLinks;
    this.#registry = registry;
    this.#env = env;
  }

  async errorsOf(problem: NodeProblem): Promise<readonly Json[]> {
    const { code, input = '', received = null, spec } = problem;
    const about = async (more: readonly (readonly [string, Json])[]) => new Map<string, Json>([['input_name', input], ['input_config', await this.#config(problem.type, input)], ...more]);
    switch (code) {
      case 'required_input_missing': return [entry(code, 'Required input is missing', input, new Map([['input_name', input]]))];
      case 'bad_linked_input': return [await this.#badLink(problem)];
      case 'return_type_mismatch': {
        const config = await this.#config(problem.type, input);
        const wanted = isJsonArray(config) ? pythonText(config[0]!) : '';
        return [entry(code, 'Return type mismatch between linked nodes', `${input}, received_type(${problem.receivedType}) mismatch input_type(${wanted})`,
          await about([['received_type', problem.receivedType ?? ''], ['linked_node', linkJson(problem)]]))];
      }
      case 'invalid_input_type': {
        const reason = problem.exception?.message ?? '';
        return [entry(code, `Failed to convert an input value to a ${spec?.type.name} value`, `${input}, ${pythonText(received)}, ${reason}`, await about([['received_value', received], ['exception_message', reason]]))];
      }
      case 'value_smaller_than_min': return [entry(code, `Value ${pythonText(received)} smaller than min of ${await this.#option(problem, 'min')}`, input, await about([['received_value', received]]))];
      case 'value_bigger_than_max': return [entry(code, `Value ${pythonText(received)} bigger than max of ${await this.#option(problem, 'max')}`, input, await about([['received_value', received]]))];
      case 'value_not_in_list': return [await this.#notInList(problem)];
      case 'custom_validation_failed': return this.#custom(problem);
      case 'exception_during_validation': return [this.#exception(problem, problem.exception?.name ?? 'Error', problem.exception?.message ?? '', problem.exception?.stack ?? '', await this.#consumer(problem))];
      case 'dependency_cycle':
      case 'unknown_device':
      case 'undeclared_input': return [entry(code, problem.message, problem.hint ?? '', new Map())];
    }
  }

  /** A list that is no link; or a link to what is not there, which ComfyUI meets as an exception. */
  async #badLink(problem: NodeProblem): Promise<Json> {
    const { node, input = '', linked } = problem;
    const bad = this.#badLinks.find((link) => link.node === node && link.input === input);
    if (bad !== undefined) {
      return entry('bad_linked_input', 'Bad linked input, must be a length-2 list of [node_id, slot_index]', input,
        new Map<string, Json>([['input_name', input], ['input_config', await this.#config(problem.type, input)], ['received_value', bad.received]]));
    }
    const isMissing = linked !== undefined && !this.#checked.graph.nodes.has(linked.node);
    return this.#exception(problem, isMissing ? 'KeyError' : 'IndexError', isMissing ? pythonText([linked.node]).slice(1, -1) : 'tuple index out of range', problem.message, await this.#consumer(problem));
  }

  #exception(problem: NodeProblem, name: string, message: string, stack: string, consumer: JsonObject | undefined): Json {
    const traceback = stack.split('\n').map((line) => `${line}\n`);
    if (consumer === undefined) {
      return entry('exception_during_validation', 'Exception when validating node', message, new Map<string, Json>([['exception_type', name], ['traceback', traceback]]));
    }
    const extra = new Map<string, Json>([...consumer, ['exception_message', message], ['exception_type', name], ['traceback', traceback], ['linked_node', [problem.node, consumer.get('slot') ?? 0n]]]);
    extra.delete('slot');
    return entry('exception_during_inner_validation', 'Exception when validating inner node', message, extra);
  }

  /** The input by which validation came to a node; undefined for an output, from which it starts. */
  async #consumer({ node, dependentOutputs }: NodeProblem): Promise<JsonObject | undefined> {
    if (dependentOutputs.includes(node)) return undefined;
    for (const { type, inputs } of this.#checked.graph.nodes.values()) {
      for (const [name, input] of inputs) {
        if (isLink(input) && input.link.node === node) {
          return new Map<string, Json>([['input_name', name], ['input_config', await this.#config(type, name)], ['slot', BigInt(input.link.output)]]);
        }
      }
    }
    return undefined;
  }

  async #notInList(problem: NodeProblem): Promise<Json> {
    const { input = '', received = null, choices = [] } = problem;
    const isLong = choices.length > 20;
    const list = isLong ? `(list of length ${choices.length})` : pythonText(choices);
    return entry('value_not_in_list', 'Value not in list', `${input}: '${pythonText(received)}' not in ${list}`,
      new Map<string, Json>([['input_name', input], ['input_config', isLong ? null : await this.#config(problem.type, input)], ['received_value', received]]));
  }

  /** Once for each input that the check was given, as ComfyUI repeats it. */
  #custom({ node, type, inputs = [], reason = '' }: NodeProblem): readonly Json[] {
    const given = this.#checked.graph.nodes.get(node)?.inputs;
    const definition = this.#registry.get(type);
    const names = [...inputs.filter((name) => given?.has(name) === true), ...(definition?.validate?.types === true ? ['input_types'] : [])];
    return (names.length > 0 ? names : inputs).map((name) => entry('custom_validation_failed', 'Custom validation failed for node', reason === '' ? name : `${name} - ${reason}`, new Map([['input_name', name]])));
  }

  /** `[type, options]` of an input. */
  async #config(type: string, input: string): Promise<Json> {
    const definition = this.#registry.get(type);
    const declared = definition === undefined ? undefined : (await nodeInfo(definition, this.#env)).get('input');
    for (const kind of ['required', 'optional', 'hidden']) {
      const inputs = isJsonObject(declared) ? declared.get(kind) : undefined;
      const config = isJsonObject(inputs) ? inputs.get(input) : undefined;
      if (isJsonArray(config)) return config.length > 1 ? config : [...config, new Map()];
      if (config !== undefined) return [config, new Map()];
    }
    return null;
  }

  async #option({ type, input = '' }: NodeProblem, name: string): Promise<string> {
    const config = await this.#config(type, input);
    const options = isJsonArray(config) ? config[1] : undefined;
    return isJsonObject(options) ? pythonText(options.get(name) ?? null) : '';
  }
}

function entry(type: string, message: string, details: string, extra: JsonObject): JsonObject {
  return new Map<string, Json>([['type', type], ['message', message], ['details', details], ['extra_info', extra]]);
}

function linkJson({ linked }: NodeProblem): Json {
  return linked === undefined ? null : [linked.node, BigInt(linked.output)];
}
