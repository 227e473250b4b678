// What must hold for every document, whatever commands made it.
import { inputBoundary, layersOf, outputBoundary, type Document } from '../../../ui/state/document.ts';
import type { NodeTypes } from '../../../ui/state/node-types.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { findCycle } from '../../../ui/state/walk.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';

/** Every broken rule, in words; empty for a sound document. */
export function brokenRules(document: Document): readonly string[] {
  const broken: string[] = [];
  const check = (holds: boolean, rule: string) => void (holds || broken.push(rule));
  for (const [id, layer] of layersOf(document)) {
    const where = `layer ${JSON.stringify(id)}`;
    const definition = document.subgraphs[id];
    for (const [kind, record, last] of [['node', layer.nodes, layer.lastNodeId], ['link', layer.links, layer.lastLinkId], ['group', layer.groups, layer.lastGroupId], ['reroute', layer.reroutes, layer.lastRerouteId]] as const) {
      for (const [key, item] of Object.entries(record)) {
        check(item.id === key, `${where}: ${kind} ${item.id} stands under ${key}`);
        check(!/^\d+$/.test(key) || Number(key) <= last, `${where}: ${kind} ${key} is beyond the last id ${last}`);
      }
    }
    for (const link of Object.values(layer.links)) {
      const source = layer.nodes[link.from];
      check(link.from === inputBoundary ? link.fromSlot < (definition?.inputs.length ?? 0) : link.fromSlot < (source?.outputs.length ?? 0), `${where}: link ${link.id} starts at ${link.from} slot ${link.fromSlot}, which is not there`);
      check(link.to === outputBoundary ? link.toSlot < (definition?.outputs.length ?? 0) : layer.nodes[link.to]?.inputs[link.toSlot]?.link === link.id, `${where}: link ${link.id} ends at ${link.to} slot ${link.toSlot}, which does not name it`);
      check(link.parent === undefined || layer.reroutes[link.parent] !== undefined, `${where}: link ${link.id} lies on point ${link.parent}, which is gone`);
    }
    for (const node of Object.values(layer.nodes)) {
      node.inputs.forEach(({ name, link }, slot) => check(link === null || (layer.links[link]?.to === node.id && layer.links[link].toSlot === slot), `${where}: node ${node.id}, input ${name} names link ${link}, which does not end there`));
      const names = node.inputs.map(({ name }) => name);
      check(new Set(names).size === names.length, `${where}: node ${node.id} has two inputs of one name`);
      check(Number.isFinite(node.pos[0]) && Number.isFinite(node.pos[1]), `${where}: node ${node.id} is nowhere`);
    }
    for (const reroute of Object.values(layer.reroutes)) check(reroute.parent === undefined || layer.reroutes[reroute.parent] !== undefined, `${where}: point ${reroute.id} follows ${reroute.parent}, which is gone`);
    check(findCycle(layer) === undefined, `${where}: nodes ${findCycle(layer)?.join(' → ')} form a circle`);
  }
  for (const { node } of [...(document.form?.inputs ?? []), ...(document.form?.outputs ?? [])]) check(document.root.nodes[node.split(':')[0]!] !== undefined, `the form names node ${node}, which is gone`);
  return broken;
}

/** The document as its file tells it, without the JSON that came along and the counters that old files lack: for comparing. */
export function throughFile(document: Document, types: NodeTypes): unknown {
  return withoutRaw(readDocument(writeDocument(document, types), types).document);
}

export function withoutRaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRaw);
  if (typeof value !== 'object' || value === null || value instanceof Map) return value;
  return Object.fromEntries(Object.entries(value).filter(([key, item]) => !['raw', 'lastGroupId', 'lastRerouteId'].includes(key) && item !== undefined).map(([key, item]) => [key, withoutRaw(item)]));
}
