// Content-addressed keys: type, constants, fingerprints and the keys of everything upstream, in one pass without recursion.
// Equal keys mean equal results, whatever the ids; a volatile key holds for one run.
import { hash } from 'node:crypto';
import { volatile, type Environment } from '../graph/node.ts';
import type { NodeId } from '../graph/graph.ts';
import type { Nodes, PlanNode } from './plan.ts';
import { contentToken, isVolatileToken, volatileMark } from './tokens.ts';

/** A dependency cycle that expansions made; `path` has its nodes in order. */
export class CycleError extends Error {
  override readonly name = 'DependencyCycle';
  readonly path: readonly PlanNode[];

  constructor(path: readonly PlanNode[]) {
    super(`dependency cycle: ${[...path, path[0]!].map(({ id }) => id).join(' → ')}`);
    this.path = path;
  }
}

export class Keys {
  readonly #nodes: Nodes;
  readonly #env: Environment;
  readonly #run: string;

  /** `run` makes volatile keys unique. */
  constructor(nodes: Nodes, env: Environment, run: string) {
    this.#nodes = nodes;
    this.#env = env;
    this.#run = run;
  }

  /** Gives keys to these nodes and all that they depend on, sources first. Returns the nodes that had none before. Throws on cycles and on links to nothing. */
  async compute(ids: Iterable<NodeId>): Promise<readonly PlanNode[]> {
    const done: PlanNode[] = [];
    const open = new Set<PlanNode>();
    for (const id of ids) {
      const root = this.#node(id, undefined);
      if (root.key !== '') continue;
      const path: { readonly node: PlanNode; next: number }[] = [{ node: root, next: 0 }];
      open.add(root);
      while (path.length > 0) {
        const top = path[path.length - 1]!;
        const link = top.node.links[top.next++];
        if (link === undefined) {
          const key = this.#key(top.node);
          if (key instanceof Promise) await key;
          open.delete(top.node);
          done.push(top.node);
          path.pop();
          continue;
        }
        const source = this.#node(link.link.node, top.node);
        if (source.key !== '') continue;
        if (open.has(source)) throw new CycleError(path.slice(path.findIndex(({ node }) => node === source)).map(({ node }) => node));
        open.add(source);
        path.push({ node: source, next: 0 });
      }
    }
    return done;
  }

  #node(id: NodeId, from: PlanNode | undefined): PlanNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(from === undefined ? `there is no node ${id}` : `node ${from.id} (${from.definition.type}) is linked to node ${id}, which does not exist`);
    return node;
  }

  /** Sets the node's key; its sources have theirs. Async only where the fingerprint is. */
  #key(node: PlanNode): void | Promise<void> {
    const { fingerprint } = node.definition;
    if (fingerprint === undefined) return this.#set(node, '');
    try {
      const given = fingerprint.call(node.definition, Object.fromEntries(node.constants.map(({ name, value }) => [name, value])), this.#env);
      if (given instanceof Promise) return given.then((print) => this.#setPrint(node, print), () => this.#setPrint(node, volatile));
      return this.#setPrint(node, given);
    } catch {
      // What cannot be fingerprinted must run, and will say itself what is wrong.
      return this.#setPrint(node, volatile);
    }
  }

  #setPrint(node: PlanNode, print: unknown): void {
    const token = print === volatile || Number.isNaN(print) ? undefined : contentToken(print);
    if (token === undefined) node.isVolatile = true;
    this.#set(node, token ?? `once ${this.#run} ${node.id}`);
  }

  #set(node: PlanNode, print: string): void {
    const inputs: string[] = [];
    for (const { name, token } of node.constants) {
      if (isVolatileToken(token)) node.isVolatile = true;
      inputs.push(`${name.length}:${name}=${token}`);
    }
    for (const { name, link } of node.links) {
      const source = this.#nodes.get(link.node)!;
      if (source.isVolatile) node.isVolatile = true;
      inputs.push(`${name.length}:${name}<${source.key}.${link.output}`);
    }
    if (inputs.length > 1) inputs.sort();
    const id = node.traits.isKeyedById ? node.id : '';
    const key = hash('sha256', `${node.definition.type}\n${id}\n${node.device ?? ''}\n${print.length}:${print}\n${inputs.join('\n')}`, 'base64url');
    node.key = node.isVolatile ? `${volatileMark}${key}` : key;
  }
}
