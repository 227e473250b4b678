// bagelgraph nodes: what there is to build workflows of.
import { createRegistry } from '../graph/registry.ts';
import { encodeJson, jsonOf, type Json } from '../formats/json.ts';
import type { Literal } from '../graph/graph.ts';
import type { AnyNode, InputSpec } from '../graph/node.ts';
import { nearestNames } from '../graph/nearest.ts';
import { table, UsageError } from './arguments.ts';
import type { HostCommand } from './command.ts';

const nodes: HostCommand = {
  name: 'nodes',
  summary: 'List the nodes, or show one',
  usage: 'nodes [NAME]',
  options: { json: { type: 'boolean', description: 'print JSON on stdout' }, 'node-pack': { type: 'string', multiple: true, value: 'DIR', description: 'also load this node pack' } },
  async run(args, host) {
    const registry = createRegistry(host.packs);
    const [name] = args.positionals;
    if (name !== undefined && registry.get(name) === undefined) {
      const near = nearestNames(name, registry.all().map(({ type }) => type));
      throw new UsageError(`no node is called ${JSON.stringify(name)}${near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`} (bagelgraph nodes lists all)`);
    }
    const chosen = name === undefined ? registry.all() : [registry.get(name)!];
    host.stdout.write(args.options['json'] === true ? `${encodeJson(chosen.map(nodeJson), { indent: 1 })}\n` : name === undefined ? nodeList(chosen) : nodeText(chosen[0]!));
    return 0;
  },
};

function nodeList(all: readonly AnyNode[]): string {
  const byCategory = new Map<string, AnyNode[]>();
  for (const node of all) byCategory.set(node.category, [...(byCategory.get(node.category) ?? []), node]);
  return [...byCategory].map(([category, list]) => [category, ...table(list.map((node) => [node.type, node.description ?? node.title ?? ''] as const)), ''].join('\n')).join('\n');
}

function nodeText(node: AnyNode): string {
  const inputs = Object.entries(node.inputs).filter(([, spec]) => spec.hidden === undefined);
  const outputs = node.outputs.map(({ name, type, list }, i) => [`${i} ${name}`, `${type.name}${list === true ? ' (a list)' : ''}`] as const);
  return [
    `${node.type}${node.title === undefined ? '' : ` — ${node.title}`} (${node.category})`, ...(node.description === undefined ? [] : [node.description]), '',
    'Inputs:', ...table(inputs.map(([name, spec]) => [name, inputText(spec)] as const)), '',
    node.outputs.length === 0 ? 'No outputs: a run starts here.' : 'Outputs:', ...(outputs.length === 0 ? [] : table(outputs)), '',
  ].join('\n');
}

function inputText(spec: InputSpec<unknown>): string {
  const range = spec.min === undefined && spec.max === undefined ? '' : ` ${spec.min ?? '…'}…${spec.max ?? '…'}`;
  const choices = Array.isArray(spec.choices) ? ` ${spec.choices.map(shown).join(' | ')}` : '';
  const extras = [...(spec.default === undefined ? [] : [`default ${shown(spec.default)}`]), ...(spec.optional === true ? ['optional'] : []), ...(spec.lazy === true ? ['lazy'] : [])];
  const tooltip = typeof spec.ui?.['tooltip'] === 'string' ? ` — ${spec.ui['tooltip']}` : '';
  return `${spec.type.name}${range}${choices}${extras.length === 0 ? '' : `, ${extras.join(', ')}`}${tooltip}`;
}

function shown(literal: Literal): string {
  return typeof literal === 'string' && literal !== '' ? literal : encodeJson(literal);
}

function nodeJson(node: AnyNode): Json {
  return jsonOf({
    type: node.type, title: node.title ?? node.type, description: node.description ?? '', category: node.category, output: node.output === true,
    inputs: Object.entries(node.inputs).filter(([, spec]) => spec.hidden === undefined).map(([name, { type, min, max, step, choices, optional, ...spec }]) => ({
      name, type: type.name, optional: optional === true, ...(spec.default === undefined ? {} : { default: spec.default }),
      ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }), ...(step === undefined ? {} : { step }), ...(Array.isArray(choices) ? { choices } : {}),
    })),
    outputs: node.outputs.map(({ name, type, list }) => ({ name, type: type.name, list: list === true })),
  });
}

export const infoCommands: readonly HostCommand[] = [nodes];
