// Content-addressed keys: type, constants, fingerprints and the keys of everything upstream, in one pass without recursion.
// Equal keys mean equal results, whatever the ids; a volatile key holds for one run.
import { hash } from 'node:crypto';
import { volatile, type Environment } from '../graph/node.ts';
import type { NodeId } from '../graph/graph.ts';
import { constantsOf, type Nodes, type PlanNode } from './plan.ts';
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
    // The way from a root to here: nodes, and which of its links each follows next.
    const path: PlanNode[] = [];
    const next: number[] = [];
    const enter = (node: PlanNode) => {
      node.isOpen = true;
      path.push(node);
      next.push(0);
    };
    for (const id of ids) {
      const root = this.#node(id, undefined);
      if (root.key === '') enter(root);
      while (path.length > 0) {
        const node = path[path.length - 1]!;
        const link = node.links[next[next.length - 1]!++];
        if (link === undefined) {
          const key = this.#key(node);
          if (key instanceof Promise) await key;
          node.isOpen = false;
          done.push(node);
          path.pop();
          next.pop();
          continue;
        }
        const source = (link.source ??= this.#node(link.link.node, node));
        if (source.isOpen) throw new CycleError(path.slice(path.indexOf(source)));
        if (source.key === '') enter(source);
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
      const given = fingerprint.call(node.definition, constantsOf(node), this.#env);
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
    for (const input of node.inputs) {
      if ('link' in input) {
        const source = input.source!;
        if (source.isVolatile) node.isVolatile = true;
        inputs.push(`${input.name.length}:${input.name}<${source.key}.${input.link.output}`);
      } else {
        if (isVolatileToken(input.token)) node.isVolatile = true;
        inputs.push(`${input.name.length}:${input.name}=${input.token}`);
      }
    }
    if (inputs.length > 1) inputs.sort();
    const id = node.traits.isKeyedById ? node.id : '';
    const key = hash('sha256', `${node.definition.type}\n${id}\n${node.device ?? ''}\n${print.length}:${print}\n${inputs.join('\n')}`, 'base64url');
    node.key = node.isVolatile ? `${volatileMark}${key}` : key;
  }
}
