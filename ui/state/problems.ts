// What would go wrong in a run, told before it: asked of the prompt that the one conversion makes, so that reroutes, bypassed nodes and
// subgraphs count as they will. Each problem names its node, and a fix where one is known.
import { linkOf, type ApiNode, type ApiPrompt } from '../../engine/formats/api.ts';
import { isJsonArray, isJsonObject, type Json } from '../../engine/formats/json.ts';
import { convertWorkflow, type Pick } from '../../engine/formats/workflow.ts';
import { fits } from '../../engine/graph/fits.ts';
import { FormatError } from '../../engine/formats/errors.ts';
import type { Command } from './commands/commands.ts';
import { layerOf, rootLayer, type Document, type LayerId, type NodeId } from './document.ts';
import { fixesForMissing, fixesForValue } from './fixes.ts';
import { message, type Message } from './messages.ts';
import type { InputType, NodeTypes } from './node-types.ts';
import { placeOf, type Place } from './places.ts';
import { titleOf } from './slots.ts';
import { writeDocument } from './write-file.ts';

export interface Fix {
  readonly label: Message;
  /** To be run as one step. */
  readonly commands: readonly Command[];
}

export interface Problem {
  readonly message: Message;
  readonly layer: LayerId;
  /** Absent: it concerns the graph as a whole. */
  readonly node?: NodeId;
  /** The node's id in a run. */
  readonly id?: string;
  readonly input?: string;
  readonly fixes: readonly Fix[];
}

export interface Check {
  readonly problems: readonly Problem[];
  /** What a run would send; absent where nothing could be converted. */
  readonly prompt?: ApiPrompt;
  /** Which texts it took out of `{a|b}`. */
  readonly picks?: readonly Pick[];
}

/** Checks what a run would do: all outputs, or only `targets` (ids of a run). Nodes that no output needs are not looked at. */
export function findProblems(document: Document, types: NodeTypes, targets?: readonly string[]): Check {
  let prompt: ApiPrompt;
  let picks: readonly Pick[];
  try {
    ({ prompt, picks } = convertWorkflow(writeDocument(document, types), types.definitions));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { problems: [{ message: message('problem.not-convertible', { reason: error.message }), layer: rootLayer, fixes: [] }] };
  }
  const outputs = targets ?? [...prompt.nodes].filter(([, { class_type }]) => types.get(class_type)?.isOutput === true).map(([id]) => id);
  if (outputs.length === 0) return { problems: [nothingToRun(types)], prompt, picks };
  const { demanded, circular } = demand(prompt, outputs);
  const checker: Checker = { document, types, prompt };
  const problems = [...demanded].flatMap((id) => checkNode(checker, id));
  return { problems: [...circular.map((id) => problemAt(checker, id, 'problem.cycle', {}, undefined, [])), ...problems], prompt, picks };
}

function nothingToRun(types: NodeTypes): Problem {
  const output = types.all.find(({ isOutput, isDeprecated }) => isOutput && !isDeprecated);
  return { message: message('problem.nothing-to-run', { node: output?.title ?? '…' }), layer: rootLayer, fixes: [] };
}

/** What the outputs need, and nodes that need themselves. Without recursion: chains may be long. */
function demand(prompt: ApiPrompt, outputs: readonly string[]): { readonly demanded: ReadonlySet<string>; readonly circular: readonly string[] } {
  const state = new Map<string, 'open' | 'done'>();
  const circular = new Set<string>();
  for (const output of outputs) {
    const pending: string[] = [output];
    while (pending.length > 0) {
      const id = pending.at(-1)!;
      if (state.has(id)) {
        pending.pop();
        state.set(id, 'done');
        continue;
      }
      state.set(id, 'open');
      for (const written of prompt.nodes.get(id)?.inputs.values() ?? []) {
        const source = linkOf(written)?.node;
        if (source === undefined) continue;
        // open nodes lie on the way that led here
        if (state.get(source) === 'open') circular.add(source);
        else if (!state.has(source)) pending.push(source);
      }
    }
  }
  return { demanded: new Set(state.keys()), circular: [...circular] };
}

interface Checker {
  readonly document: Document;
  readonly types: NodeTypes;
  readonly prompt: ApiPrompt;
}

function checkNode(checker: Checker, id: string): readonly Problem[] {
  const node = checker.prompt.nodes.get(id);
  if (node === undefined) return [];
  const type = checker.types.get(node.class_type);
  if (type === undefined) return [problemAt(checker, id, 'problem.unknown-type', { type: node.class_type }, undefined, [])];
  return type.inputs.flatMap((input) => checkInput(checker, id, node, input));
}

function checkInput(checker: Checker, id: string, node: ApiNode, input: InputType): readonly Problem[] {
  const written = node.inputs.get(input.name);
  if (written === undefined) return input.isOptional ? [] : [missing(checker, id, input)];
  const link = linkOf(written);
  if (link === undefined) return checkValue(checker, id, input, isJsonObject(written) && written.has('__value__') ? written.get('__value__')! : written);
  const source = checker.prompt.nodes.get(link.node);
  const made = source === undefined ? undefined : checker.types.get(source.class_type)?.outputs[link.output]?.type;
  if (made === undefined || fits({ name: made }, { name: input.type })) return [];
  return [problemAt(checker, id, 'problem.wrong-type', { from: made, input: input.label ?? input.name, to: input.type }, input.name, [])];
}

function missing(checker: Checker, id: string, input: InputType): Problem {
  const place = placeOf(checker.document, id);
  const label = input.label ?? input.name;
  const muted = place && mutedSource(checker.document, place, input.name);
  if (place === undefined || muted === undefined) return problemAt(checker, id, 'problem.missing-input', { input: label, type: input.type }, input.name, place === undefined ? [] : fixesForMissing(checker.document, checker.types, place, input));
  const title = titleOf(checker.document, checker.types, layerOf(checker.document, place.layer).nodes[muted]!);
  return problemAt(checker, id, 'problem.missing-source', { input: label }, input.name, [{ label: message('fix.unmute', { title }), commands: [{ kind: 'setMode', layer: place.layer, nodes: [muted], mode: 0 }] }]);
}

function mutedSource(document: Document, { layer, node }: Place, input: string): NodeId | undefined {
  const { nodes, links } = layerOf(document, layer);
  const link = node.inputs.find(({ name }) => name === input)?.link;
  const source = link === null || link === undefined ? undefined : links[link]?.from;
  return source !== undefined && nodes[source]?.mode === 2 ? source : undefined;
}

function checkValue(checker: Checker, id: string, input: InputType, value: Json): readonly Problem[] {
  const { widget } = input;
  const found = (code: Message['code'], params: Message['params'] = {}) => {
    const place = placeOf(checker.document, id);
    return [problemAt(checker, id, code, { input: input.label ?? input.name, value: shorten(value), ...params }, input.name, place === undefined ? [] : fixesForValue(place, input, value))];
  };
  switch (widget?.kind) {
    case 'integer': case 'float': {
      // texts that are numbers are taken as such by the server
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : typeof value === 'boolean' ? Number(value) : value;
      if (typeof number !== 'bigint' && (typeof number !== 'number' || Number.isNaN(number))) return found('problem.not-a-number');
      if (number < widget.min) return found('problem.below-minimum', { bound: String(widget.min) });
      return number > widget.max ? found('problem.above-maximum', { bound: String(widget.max) }) : [];
    }
    case 'choice': {
      // lists that the server fills later, and uploads that came since, are for the server to check
      if (widget.remote !== undefined || widget.isMultiple || isJsonArray(value)) return [];
      return widget.choices.some((choice) => choice === value || String(choice) === String(value)) ? [] : found('problem.value-not-a-choice');
    }
    default: return [];
  }
}

function shorten(value: Json): string {
  const text = typeof value === 'string' ? value : typeof value === 'object' && value !== null ? '…' : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function problemAt({ document, types, prompt }: Checker, id: string, code: Message['code'], params: Message['params'], input: string | undefined, fixes: readonly Fix[]): Problem {
  const place = placeOf(document, id);
  const title = place === undefined ? prompt.nodes.get(id)?.title ?? id : titleOf(document, types, place.node);
  return { message: message(code, { title, ...params }), layer: place?.layer ?? rootLayer, id, fixes, ...(place === undefined ? {} : { node: place.node.id }), ...(input === undefined ? {} : { input }) };
}

/** The server's `node_errors` of a refused prompt as problems, in its own words. */
export function readServerProblems(document: Document, types: NodeTypes, nodeErrors: Json): readonly Problem[] {
  if (!isJsonObject(nodeErrors)) return [];
  return [...nodeErrors].flatMap(([id, entry]): readonly Problem[] => {
    const errors = isJsonObject(entry) ? entry.get('errors') : undefined;
    return (isJsonArray(errors) ? errors : []).filter(isJsonObject).map((error) => {
      const extra = error.get('extra_info');
      const input = isJsonObject(extra) ? extra.get('input_name') : undefined;
      const text = [error.get('message'), error.get('details')].filter((part) => typeof part === 'string' && part !== '').join(': ');
      return problemAt({ document, types, prompt: { nodes: new Map() } }, id, 'problem.from-server', { text }, typeof input === 'string' ? input : undefined, []);
    });
  });
}
