// The known node definitions by exact name. Packs are data: where their code comes from is not known here.
import type { AnyNode, Registry } from './node.ts';
import { nearestNames } from './nearest.ts';

export interface NamedPack {
  readonly name: string;
  readonly nodes: readonly AnyNode[];
}

export interface NodeRegistry extends Registry {
  /** Name of the pack a type or alias comes from. */
  packOf(type: string): string | undefined;
  /** Known names that look like `type`, best first. */
  nearest(type: string): readonly string[];
}

/** Collects packs in order. Throws when two nodes claim one name, naming their packs. Names are case-sensitive. */
export function createRegistry(packs: readonly NamedPack[]): NodeRegistry {
  const byName = new Map<string, { readonly node: AnyNode; readonly pack: string }>();
  const nodes: AnyNode[] = [];
  for (const pack of packs) {
    for (const written of pack.nodes) {
      // whatever a request calls an input, such as __proto__: only what was declared is found
      const node: AnyNode = { ...written, inputs: Object.assign(Object.create(null) as AnyNode['inputs'], written.inputs) };
      for (const name of [node.type, ...(node.aliases ?? [])]) {
        const taken = byName.get(name);
        if (taken !== undefined) throw new Error(clash(name, taken, { node, pack: pack.name }));
        byName.set(name, { node, pack: pack.name });
      }
      nodes.push(node);
    }
  }
  return {
    get: (type) => byName.get(type)?.node,
    all: () => nodes,
    packOf: (type) => byName.get(type)?.pack,
    nearest: (type) => nearestNames(type, byName.keys()),
  };
}

interface Claim { readonly node: AnyNode; readonly pack: string }

function clash(name: string, first: Claim, second: Claim): string {
  const as = ({ node, pack }: Claim) => (node.type === name ? `pack ${pack}` : `pack ${pack} (alias of ${node.type})`);
  const where = first.pack === second.pack ? `twice in ${as(first)}` : `in ${as(first)} and in ${as(second)}`;
  return `node type ${name} is declared ${where}; rename one, or load only one of the packs`;
}
