// What nodes show of their runs: pictures of results, previews, text. Says for which nodes room is kept.
import type { NodeId } from '../state/document.ts';
import type { NodeRun } from '../state/run.ts';
import type { Shown } from './draw/node.ts';
import type { Pictures } from './pictures.ts';

export interface ShownOutputs {
  has(node: NodeId): boolean;
  of(node: NodeId): Shown;
  setPictures(node: NodeId, addresses: readonly string[]): void;
  setPreview(node: NodeId, picture: Blob | undefined): void;
  setText(node: NodeId, text: string | undefined): void;
  setRuns(runs: Readonly<Record<NodeId, NodeRun>>): void;
}

const nothing: Shown = { pictures: [] };

/** `onRoom`: a node needs room now, or needs it no more. `onChange`: something else is to be drawn. */
export function createShownOutputs(pictures: Pictures, onRoom: (node: NodeId) => void, onChange: () => void): ShownOutputs {
  const addresses = new Map<NodeId, readonly string[]>();
  const previews = new Set<NodeId>();
  const texts = new Map<NodeId, string>();
  let runs: Readonly<Record<NodeId, NodeRun>> = {};

  const textOf = (node: NodeId) => texts.get(node) ?? runs[node]?.text;
  const has = (node: NodeId) => addresses.has(node) || previews.has(node) || textOf(node) !== undefined;
  const change = (node: NodeId, edit: () => void) => {
    const before = has(node);
    edit();
    if (before !== has(node)) onRoom(node);
    onChange();
  };
  return {
    has,
    of(node) {
      if (!has(node)) return nothing;
      const preview = pictures.preview(node);
      const bitmaps = preview !== undefined ? [preview] : (addresses.get(node) ?? []).flatMap((address) => pictures.get(address) ?? []);
      const text = textOf(node);
      return text === undefined ? { pictures: bitmaps } : { pictures: bitmaps, text };
    },
    setPictures: (node, given) => change(node, () => { if (given.length > 0) addresses.set(node, given); else addresses.delete(node); }),
    setPreview: (node, picture) => change(node, () => {
      if (picture === undefined) previews.delete(node);
      else previews.add(node);
      pictures.setPreview(node, picture);
    }),
    setText: (node, text) => change(node, () => { if (text === undefined) texts.delete(node); else texts.set(node, text); }),
    setRuns(given) {
      const changed = [...new Set([...Object.keys(runs), ...Object.keys(given)])].filter((node) => runs[node]?.text !== given[node]?.text);
      const before = changed.map(has);
      runs = given;
      changed.forEach((node, i) => { if (has(node) !== before[i]) onRoom(node); });
      onChange();
    },
  };
}
