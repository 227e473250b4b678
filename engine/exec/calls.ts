// Calling one node: its inputs as lists, what it still needs, and its calls, one after another or, for concurrent nodes, at once.
// Knows nothing of order and of other nodes.
import { received } from '../graph/coerce.ts';
import { blocked } from '../graph/node.ts';
import type { Json } from '../formats/json.ts';
import { CallContext, type RunScope, type Scopes } from './context.ts';
import { CallError } from './errors.ts';
import { blockedAmong, callCount, callInputs, isExpansion, type InputList, type Slots } from './lists.ts';
import type { PlanLink, PlanNode } from './plan.ts';
import type { Outcome } from './task.ts';

/** The list of values of each input. Lazy inputs that were not asked for are absent. */
export function gatherInputs(node: PlanNode, slotsOf: (link: number) => Slots, requested: ReadonlySet<string> | undefined, run: RunScope): readonly InputList[] {
  const inputs: InputList[] = [];
  for (const input of node.inputs) {
    if (!('link' in input)) inputs.push({ name: input.name, values: [input.value] });
    else if (!input.isLazy || requested?.has(input.name) === true) inputs.push({ name: input.name, values: input.isRaw ? [input.link] : linkedValues(node, input, slotsOf(input.index)) });
  }
  for (const [name, what] of node.traits.hidden) {
    if (!inputs.some((input) => input.name === name)) inputs.push({ name, values: [hiddenValue(what, node, run)] });
  }
  return inputs;
}

function linkedValues(node: PlanNode, { name, link, spec }: PlanLink, slots: Slots): readonly unknown[] {
  const values = slots[link.output];
  if (values === undefined) throw new Error(`input ${name} of node ${node.id} is linked to output ${link.output} of node ${link.node}, which has ${slots.length}`);
  return spec.type.name === 'INT' || spec.type.name === 'FLOAT' ? values.map((value) => received(spec, value)) : values;
}

function hiddenValue(what: 'prompt' | 'extras' | 'id' | 'graph', node: PlanNode, run: RunScope): unknown {
  switch (what) {
    case 'prompt': return run.request.prompt;
    case 'extras': return run.request.extras;
    case 'id': return node.id;
    case 'graph': return run.nodes;
  }
}

/** Lazy links that the node's calls ask for now, given what is known; [] when it can run. Throws a CallError. */
export async function requestedLinks(run: RunScope, node: PlanNode, scopes: Scopes, inputs: readonly InputList[], requested: ReadonlySet<string> | undefined): Promise<readonly number[]> {
  const { definition } = node;
  const open = new Map(node.links.flatMap(({ name, isLazy }, i) => (isLazy && requested?.has(name) !== true ? [[name, i] as const] : [])));
  if (definition.needs === undefined || open.size === 0) return [];
  const asked = new Set<number>();
  const count = callCount(inputs, definition.wholeLists === true);
  for (let call = 0; call < count; call++) {
    const values = callInputs(inputs, call, definition.wholeLists === true);
    if (blockedAmong(values, definition.wholeLists === true) !== undefined) continue;
    const context = new CallContext(run, node, scopes, call);
    try {
      for (const name of await definition.needs(values, context)) {
        const link = open.get(name);
        if (link !== undefined) asked.add(link);
        else if (definition.inputs[name] === undefined && !node.links.some((known) => known.name === name)) throw new Error(`it needs an input ${name}, which it does not have`);
      }
    } catch (error) {
      throw new CallError(error, call, values);
    } finally {
      context.close();
    }
  }
  return [...asked];
}

/** All calls. When one fails, `onFailure` hears of it at once and the others are awaited. Throws a CallError. */
export async function runCalls(run: RunScope, node: PlanNode, scopes: Scopes, inputs: readonly InputList[], onFailure: (error: unknown) => void): Promise<Outcome> {
  const { definition } = node;
  const count = callCount(inputs, definition.wholeLists === true);
  if (count === 0) {
    const empty = inputs.filter(({ values }) => values.length === 0).map(({ name }) => name);
    run.emitter.sendFor(node, { kind: 'notice', message: `${empty.join(' and ')} brought an empty list, so ${node.title} had nothing to do` });
    return { results: [], shown: [] };
  }
  if (count === 1) {
    const { result, shown } = await runCall(run, node, scopes, inputs, 0);
    return { results: [result], shown };
  }
  const done: { readonly result: unknown; readonly shown: readonly Json[] }[] = [];
  if (definition.concurrent === true) {
    const calls = Array.from({ length: count }, (_, call) => runCall(run, node, scopes, inputs, call));
    try {
      done.push(...(await Promise.all(calls)));
    } catch (error) {
      onFailure(error);
      await Promise.allSettled(calls);
      throw error;
    }
  } else {
    for (let call = 0; call < count; call++) {
      done.push(await runCall(run, node, scopes, inputs, call));
      await run.turn.give();
    }
  }
  return { results: done.map(({ result }) => result), shown: done.flatMap(({ shown }) => shown) };
}

async function runCall(run: RunScope, node: PlanNode, scopes: Scopes, inputs: readonly InputList[], call: number): Promise<{ result: unknown; shown: readonly Json[] }> {
  const { definition } = node;
  run.signal.throwIfAborted();
  const values = callInputs(inputs, call, definition.wholeLists === true);
  const stop = blockedAmong(values, definition.wholeLists === true);
  if (stop !== undefined) {
    run.emitter.sendFor(node, { kind: 'blocked', call, message: stop.message });
    // The message is told once, where it stops the first call; from here on the block is quiet.
    return { result: blocked(), shown: [] };
  }
  const context = new CallContext(run, node, scopes, call);
  try {
    const returned = definition.run(values, context);
    const result = returned instanceof Promise ? await returned : returned;
    if (isExpansion(result) && result.show !== undefined) context.show(result.show);
    return { result, shown: context.shown };
  } catch (error) {
    throw new CallError(error, call, values);
  } finally {
    context.close();
  }
}
