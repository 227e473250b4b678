// Shows on the canvas what runs of a workflow do: states, problems, pictures, previews, texts of the layer that is shown. Kept apart from the
// component, for it has a state of its own: what it put onto the canvas must go when another layer is shown.
import { watchEffect } from 'vue';
import { namedAddress, viewAddress } from '../../api/files.ts';
import type { GraphCanvas } from '../../canvas/graph-canvas.ts';
import type { NodeProblem } from '../../canvas/look.ts';
import type { Layer, NodeId } from '../../state/document.ts';
import { pictureInput } from '../../state/node-types.ts';
import type { NodeRun } from '../../state/run.ts';
import { moveText, nodeRunAt, transfersOf } from '../../state/run-view.ts';
import type { Editor } from '../editor.ts';
import type { Workspace } from '../editor/workspace.ts';

/** Follows until the scope that it was called in ends. */
export function followRuns(canvas: GraphCanvas, editor: Editor): () => void {
  const put = { pictures: new Map<NodeId, string>(), texts: new Set<NodeId>(), previews: new Set<NodeId>() };

  watchEffect(() => {
    const workspace = editor.active.value;
    const runs = workspace === undefined ? {} : runsOf(editor, workspace);
    const transfers = workspace === undefined ? { links: {}, nodes: {} } : transfersOf(workspace.shown, runs);
    // what stands on a link is not told again on its node
    for (const [id, run] of Object.entries(runs)) runs[id] = { ...run, moves: transfers.nodes[id] ?? [] };
    canvas.setRuns(runs);
    canvas.setLinkNotes(Object.fromEntries(Object.entries(transfers.links).map(([link, moves]) => [link, moves.map(moveText).join(', ')])));
  });
  watchEffect(() => canvas.setDevices(editor.devices.value));
  watchEffect(() => canvas.setProblems(editor.active.value === undefined ? {} : problemsOf(editor.active.value)));
  watchEffect(() => {
    const workspace = editor.active.value;
    const shown = workspace === undefined ? undefined : editor.shown.value.get(workspace.id);
    const wanted = new Map<NodeId, { readonly pictures: readonly string[]; readonly text: string | undefined }>();
    if (workspace !== undefined) {
      for (const node of Object.keys(layerNow(workspace))) {
        const chosen = chosenPicture(editor, workspace, node);
        if (chosen !== undefined) wanted.set(node, { pictures: [chosen], text: undefined });
        const found = shown?.get(workspace.runId(node));
        if (found !== undefined) wanted.set(node, { pictures: found.pictures.map((file) => viewAddress(file)), text: found.texts.length === 0 ? undefined : found.texts.join('\n\n') });
      }
    }
    for (const node of [...put.pictures.keys()]) if ((wanted.get(node)?.pictures.length ?? 0) === 0) { put.pictures.delete(node); canvas.setPictures(node, []); }
    for (const node of [...put.texts]) if (wanted.get(node)?.text === undefined) { put.texts.delete(node); canvas.setText(node, undefined); }
    for (const [node, { pictures, text }] of wanted) {
      const key = pictures.join('\n');
      if (pictures.length > 0 && put.pictures.get(node) !== key) { put.pictures.set(node, key); canvas.setPictures(node, pictures); }
      if (text !== undefined) { put.texts.add(node); canvas.setText(node, text); }
    }
  });
  watchEffect(() => {
    const workspace = editor.active.value;
    for (const node of put.previews) canvas.setPreview(node, undefined);
    put.previews.clear();
    if (workspace === undefined) return;
    const latest = editor.previews.get(workspace.id);
    for (const node of Object.keys(layerNow(workspace))) {
      const picture = latest?.get(workspace.runId(node));
      if (picture !== undefined) { put.previews.add(node); canvas.setPreview(node, picture); }
    }
  });
  return editor.onPreview((tab, node, picture) => {
    const workspace = editor.active.value;
    if (workspace?.id !== tab || document.hidden) return;
    const prefix = workspace.runId('');
    const local = node.startsWith(prefix) ? node.slice(prefix.length).split(':')[0]! : '';
    if (workspace.shown.nodes[local] === undefined) return;
    if (picture === undefined) put.previews.delete(local);
    else put.previews.add(local);
    canvas.setPreview(local, picture);
  });
}

/** The address of the picture that a node loads: it is shown before any run. */
function chosenPicture(editor: Editor, workspace: Workspace, id: NodeId): string | undefined {
  const node = workspace.shown.nodes[id]!;
  const type = editor.types.value.get(node.type);
  const input = type && pictureInput(type);
  const value = input === undefined ? undefined : node.values[input.name];
  // one that is not there would only be an error in the console
  return input?.widget?.kind === 'choice' && typeof value === 'string' && input.widget.choices.includes(value) ? namedAddress(value) : undefined;
}

/** Read through the refs, so that effects follow. */
function layerNow(workspace: Workspace): Layer['nodes'] {
  return workspace.document.value && workspace.shown.nodes;
}

function runsOf(editor: Editor, workspace: Workspace): Record<NodeId, NodeRun> {
  const { state } = editor.runs;
  const run = state.value && editor.runs.latestOf(workspace.id);
  const runs: Record<NodeId, NodeRun> = {};
  if (run === undefined) return runs;
  const { nodeTimes, deviceStripes } = editor.settings.all.value;
  const { subgraphs } = workspace.document.value;
  for (const [id, node] of Object.entries(layerNow(workspace))) {
    const runId = workspace.runId(id);
    // only instances are looked for among all nodes of the run
    const isInstance = subgraphs[node.type] !== undefined || node.type.startsWith('workflow');
    const found = run.nodes[runId] ?? (isInstance ? nodeRunAt(run, runId) : undefined);
    if (found === undefined) continue;
    const { ms, device, moves, ...rest } = found;
    runs[id] = { ...rest, ...(deviceStripes && moves !== undefined ? { moves } : {}), ...(nodeTimes && ms !== undefined ? { ms } : {}), ...(deviceStripes && device !== undefined ? { device } : {}) };
  }
  return runs;
}

function problemsOf(workspace: Workspace): Readonly<Record<NodeId, NodeProblem>> {
  const found: Record<NodeId, { severity: 'error'; inputs: string[] }> = {};
  for (const { layer, node, input } of workspace.problems.value) {
    if (node === undefined || layer !== workspace.layer.value) continue;
    found[node] ??= { severity: 'error', inputs: [] };
    if (input !== undefined) found[node].inputs.push(input);
  }
  return found;
}
