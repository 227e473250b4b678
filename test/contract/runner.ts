// Prompts of the contract pack run in this process: which nodes ran, which were known, and what the saved pictures hold.
import { onTestFinished } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CachePolicy } from '../../engine/exec/cache.ts';
import { createEngine, type RunOptions, type RunResult } from '../../engine/exec/engine.ts';
import type { RunEvent } from '../../engine/exec/events.ts';
import { openFiles } from '../../engine/exec/files.ts';
import type { Graph, NodeId } from '../../engine/graph/graph.ts';
import type { Checked } from '../../engine/graph/validate.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { decode } from '../../engine/image/decode.ts';
import * as core from '../../nodes/core/index.ts';
import * as pack from './pack/index.ts';
import { graphOf } from '../exec/harness.ts';

export type Prompt = Parameters<typeof graphOf>[0];

export interface Ran extends RunResult {
  readonly events: readonly RunEvent[];
  /** Nodes of the prompt that began, or in whose place others did. */
  readonly ran: ReadonlySet<NodeId>;
  /** Nodes that were known from the start. */
  readonly cached: ReadonlySet<NodeId>;
  /** Mean of the 8-bit values of each picture that a node saved. */
  pixels(node: NodeId): Promise<readonly number[]>;
}

export interface Runner {
  run(prompt: Prompt, options?: RunOptions): Promise<Ran>;
  check(prompt: Prompt, targets?: readonly NodeId[]): Promise<Checked>;
}

/** A float as it is written, 5.0, where a bare 5 would be an integer. */
export const float = (literal: number) => ({ literal });

export function runner(cache?: CachePolicy): Runner {
  const folder = mkdtempSync(path.join(tmpdir(), 'bagelgraph-contract-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = openFiles({ input: path.join(folder, 'input'), output: path.join(folder, 'output'), temp: path.join(folder, 'temp') });
  const registry = createRegistry([{ name: 'core', nodes: core.nodes }, { name: 'pack', nodes: pack.nodes }]);
  const engine = createEngine({ registry, devices: new Map(), files, ...(cache === undefined ? {} : { cache }) });
  return {
    check: (prompt, targets) => engine.validate(graphOf(prompt), targets === undefined ? {} : { targets }),
    async run(prompt, options = {}) {
      const graph: Graph = graphOf(prompt);
      const events: RunEvent[] = [];
      const result = await engine.run(graph, {
        ...options,
        emit(event) {
          events.push(event);
          options.emit?.(event);
        },
      });
      const pixels = async (node: NodeId) => {
        const ui = result.known.get(node)?.ui as ReadonlyMap<string, readonly ReadonlyMap<string, string>[]> | undefined;
        const saved = ui?.get('images') ?? [];
        return Promise.all(saved.map(async (file) => {
          const { data } = await decode(path.join(folder, file.get('type')!, file.get('subfolder')!, file.get('filename')!));
          return data.reduce((sum, v) => sum + v, 0) / data.length;
        }));
      };
      return {
        ...result, events, pixels,
        ran: new Set(events.flatMap((event) => (event.kind === 'begun' ? [event.display] : []))),
        cached: new Set(events.flatMap((event) => (event.kind === 'hits' ? event.nodes : []))),
      };
    },
  };
}

const size = { height: 16, width: 16, batch_size: 1 };
export const white = ['StubImage', { content: 'WHITE', ...size }] as const;
export const black = ['StubImage', { content: 'BLACK', ...size }] as const;
export const noise = ['StubImage', { content: 'NOISE', ...size }] as const;
export const mask = (value: number) => ['StubMask', { value: float(value), ...size }] as const;
export const save = (node: NodeId, output = 0) => ['SaveImage', { images: [node, output], filename_prefix: 'contract' }] as const;
export const mix = (image1: NodeId, image2: NodeId, by: NodeId) => ['TestLazyMixImages', { image1: [image1, 0], image2: [image2, 0], mask: [by, 0] }] as const;
export const sleep = (node: NodeId, seconds: number) => ['TestSleep', { value: [node, 0], seconds: float(seconds) }] as const;
