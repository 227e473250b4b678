// Where a link of an editor's graph really comes from: through bypassed nodes, reroutes and the walls of subgraphs. Rules: editor.md §3.
import { FormatError } from './errors.ts';
import { bypassed, instanceInput, muted, type InstanceValues, type Scope, type ScopedNode } from './flatten.ts';
import type { Json } from './json.ts';
import { inputBoundary, outputBoundary, type UiInput } from './workflow-file.ts';

export type Source =
  | { readonly node: ScopedNode; readonly output: number }
  | { readonly value: Json }
  /** Nothing: the input keeps its own value; `because` says why where the user may wonder. */
  | { readonly because: string | undefined };

const nothing: Source = { because: undefined };

/** Follows the link at an input. `valuesOf` gives what an instance of a subgraph sets. Throws on a loop without a real node in it. */
export function sourceOf(target: ScopedNode, input: UiInput, valuesOf: (instance: ScopedNode) => InstanceValues): Source {
  let scope: Scope = target.scope;
  let linkId = input.link;
  const visited = new Set<string>();
  for (;;) {
    if (linkId === undefined) return nothing;
    const link = scope.links.get(linkId);
    if (link === undefined) return { because: `link ${linkId} is not in the file` };
    const step = `${scope.prefix} ${link.from} ${link.fromSlot} ${link.to} ${link.toSlot}`;
    if (visited.has(step)) throw new FormatError(`node ${target.id} (${target.node.type}), input ${input.name}: its link runs in a circle through node ${scope.prefix}${link.from}, which is bypassed, a reroute or a subgraph`);
    visited.add(step);

    if (link.from === inputBoundary) {
      const instance: ScopedNode | undefined = scope.instance;
      const outer = instance && instanceInput(instance, link.fromSlot);
      const name = instance?.inside?.subgraph.inputs[link.fromSlot]?.name;
      if (instance === undefined || name === undefined) return { because: `link ${linkId} comes from a subgraph input that does not exist` };
      if (outer?.link === undefined) {
        const value = valuesOf(instance).inputs.get(name);
        return value === undefined ? nothing : { value };
      }
      scope = instance.scope;
      linkId = outer.link;
      continue;
    }

    const node: ScopedNode | undefined = scope.nodes.get(link.from);
    if (node === undefined) return { because: `link ${linkId} comes from node ${scope.prefix}${link.from}, which is not in the file` };
    if (node.node.mode === bypassed) {
      linkId = throughBypass(node, link.fromSlot, input.type)?.link;
    } else if (node.inside !== undefined) {
      scope = node.inside.scope;
      linkId = [...scope.links.values()].find((inner) => inner.to === outputBoundary && inner.toSlot === link.fromSlot)?.id;
    } else if (node.isVirtual) {
      linkId = node.inputs[link.fromSlot]?.link;
    } else {
      return node.node.mode === muted ? { because: `node ${node.id} (${node.node.type}) is muted` } : { node, output: link.fromSlot };
    }
  }
}

/** The input whose link a bypassed node passes on at an output. */
function throughBypass({ node, inputs }: ScopedNode, slot: number, wanted: string): UiInput | undefined {
  return passedInput(inputs, node.outputs[slot]?.type ?? '*', slot, wanted);
}

/** Of a bypassed node's inputs the one that goes on at its output `slot`, which makes `made`, to an input that takes `wanted`. */
export function passedInput<I extends { readonly type: string }>(inputs: readonly I[], made: string, slot: number, wanted: string): I | undefined {
  const same = inputs[slot];
  if (wanted === '*') return same ?? inputs[0];
  if (same !== undefined && isCompatible(same.type, made) && isCompatible(same.type, wanted)) return same;
  return inputs.find(({ type }) => type === wanted) ?? inputs.find(({ type }) => isCompatible(type, wanted));
}

/** Types match when one is `*`, or they share a name of their comma lists, whatever its case. */
function isCompatible(a: string, b: string): boolean {
  if (a === '*' || b === '*') return true;
  const names = (type: string) => type.toLowerCase().split(',').map((name) => name.trim());
  const wanted = names(b);
  return names(a).some((name) => wanted.includes(name));
}
