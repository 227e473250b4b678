// Changes a prompt as the command line asks: --set NODE.INPUT=VALUE, --seed, --model. Works on the API form with definitions at hand.
import { findNode, withInput, type ApiNode, type ApiPrompt } from '../formats/api.ts';
import { FormatError } from '../formats/errors.ts';
import { parseJson, type Json } from '../formats/json.ts';
import { nearestNames } from '../graph/nearest.ts';
import type { AnyNode, Registry } from '../graph/node.ts';
import { UsageError } from './arguments.ts';

/** Applies `--set` words in order. Throws a UsageError that lists what there is. */
export function setValues(prompt: ApiPrompt, words: readonly string[], registry: Registry): ApiPrompt {
  return words.reduce((changed, word) => setValue(changed, word, registry), prompt);
}

function setValue(prompt: ApiPrompt, word: string, registry: Registry): ApiPrompt {
  const equals = word.indexOf('=');
  const dot = word.lastIndexOf('.', equals < 0 ? word.length : equals);
  if (equals < 0 || dot <= 0) throw new UsageError(`--set ${word}: expected NODE.INPUT=VALUE, such as 2.prompt="a red circle"`);
  const node = nodeCalled(prompt, word, word.slice(0, dot));
  const input = word.slice(dot + 1, equals);
  const names = inputNames(prompt.nodes.get(node)!, registry);
  if (!names.includes(input)) {
    const [near] = nearestNames(input, names, 1);
    throw new UsageError(`--set ${word}: ${prompt.nodes.get(node)!.class_type} has no input ${JSON.stringify(input)}${near === undefined ? '.' : `; did you mean ${near}?`} It has ${names.join(', ') || 'none'}`);
  }
  return withInput(prompt, node, input, readValue(word.slice(equals + 1), registry.get(prompt.nodes.get(node)!.class_type), input));
}

/** A name that no node has is a mistake of the command line, not of the workflow. */
function nodeCalled(prompt: ApiPrompt, word: string, name: string): string {
  try {
    return findNode(prompt, name);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new UsageError(`--set ${word}: ${error.message}`);
  }
}

function inputNames(node: ApiNode, registry: Registry): string[] {
  const declared = Object.entries(registry.get(node.class_type)?.inputs ?? {}).filter(([, spec]) => spec.hidden === undefined).map(([name]) => name);
  return [...new Set([...declared, ...node.inputs.keys()])];
}

/** Text stays text; anything else is read as JSON where it is JSON. */
function readValue(text: string, definition: AnyNode | undefined, input: string): Json {
  if (definition?.inputs[input]?.type.name === 'STRING') return text;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** Sets every seed that is written as a constant. */
export function setSeeds(prompt: ApiPrompt, seed: bigint, registry: Registry): ApiPrompt {
  return setWhere(prompt, registry, seed, (name, definition) => /^(noise_)?seed$/.test(name) && definition.inputs[name]?.type.name === 'INT');
}

/** Sets the model of every loader: a choice called `model` or `model_path` that is no link. */
export function setModel(prompt: ApiPrompt, model: string, registry: Registry): ApiPrompt {
  return setWhere(prompt, registry, model, (name, definition) => /^model(_path)?$/.test(name) && ['COMBO', 'STRING'].includes(definition.inputs[name]?.type.name ?? ''));
}

function setWhere(prompt: ApiPrompt, registry: Registry, value: Json, isMeant: (name: string, definition: AnyNode) => boolean): ApiPrompt {
  let changed = prompt;
  for (const [id, node] of prompt.nodes) {
    const definition = registry.get(node.class_type);
    if (definition === undefined) continue;
    for (const name of Object.keys(definition.inputs)) {
      if (isMeant(name, definition) && !Array.isArray(node.inputs.get(name))) changed = withInput(changed, id, name, value);
    }
  }
  return changed;
}
