// Running: checks the shown workflow, sends it as often as asked, and lets its seeds go on. Says at the nodes what is in the way.
import { encodeJson, parseJson, type Json } from '../../../engine/formats/json.ts';
import type { Pick } from '../../../engine/formats/workflow.ts';
import { sendPrompt } from '../../api/prompts.ts';
import { findProblems, readServerProblems, type Problem } from '../../state/problems.ts';
import { applyValues, nextValues, withPicks } from '../../state/seeds.ts';
import { writeDocument } from '../../state/write-file.ts';
import type { Editor } from '../editor.ts';
import { t } from '../words/words.ts';
import type { Workspace } from './workspace.ts';

export interface StartOptions {
  /** Ids of a run: only these outputs and what they need. */
  readonly targets?: readonly string[];
  /** Default: the setting. A partial run is one. */
  readonly count?: number;
  readonly front?: boolean;
  /** Sends although something is wrong: the outputs that can be made are made. */
  readonly anyway?: boolean;
}

const hasRun = new WeakSet<Workspace>();

/** Resolves with the ids of the runs that were queued; what went wrong is told. */
export async function startRun(editor: Editor, { targets, count, front = false, anyway = false }: StartOptions = {}): Promise<readonly string[]> {
  const workspace = editor.active.value;
  if (workspace === undefined) {
    editor.notices.tell('note', t('run.nothing'));
    return [];
  }
  editor.field.value = undefined; // what is being typed counts
  await Promise.resolve();
  const { settings, types } = editor;
  const times = targets === undefined ? count ?? settings.all.value.runCount : 1;
  const ids: string[] = [];
  try {
    for (let i = 0; i < times; i++) {
      if (settings.all.value.controlTiming === 'before' && targets === undefined && hasRun.has(workspace)) goOn(editor, workspace);
      const { problems, prompt, picks = [] } = findProblems(workspace.document.value, types.value, targets);
      workspace.problems.value = problems;
      if (prompt === undefined || (problems.length > 0 && !anyway)) {
        reveal(editor, workspace, problems);
        return ids;
      }
      const sent = await sendPrompt(prompt, snapshot(editor, workspace, picks), { clientId: editor.clientId, front, ...(targets === undefined ? {} : { targets }) });
      const told = readServerProblems(workspace.document.value, types.value, sent.nodeErrors);
      if (told.length > 0) workspace.problems.value = told;
      if (!sent.ok) {
        if (told.length === 0) editor.notices.tell('error', sent.message);
        reveal(editor, workspace, told);
        return ids;
      }
      ids.push(sent.id);
      editor.runs.claim(sent.id, workspace.id);
      hasRun.add(workspace);
      if (settings.all.value.controlTiming === 'after' && targets === undefined) goOn(editor, workspace);
    }
  } catch (error) {
    editor.tellError(error);
  }
  return ids;
}

/** The file as it is now: what happens to the document later is not in it. */
function snapshot(editor: Editor, workspace: Workspace, picks: readonly Pick[]): Json {
  return parseJson(encodeJson(writeDocument(withPicks(workspace.document.value, picks), editor.types.value)));
}

function goOn(editor: Editor, workspace: Workspace): void {
  const values = nextValues(workspace.document.value, editor.types.value);
  if (values.length > 0) workspace.history.amend((draft) => applyValues(draft, values));
}

function reveal(editor: Editor, workspace: Workspace, problems: readonly Problem[]): void {
  const first = problems.find(({ node, layer }) => node !== undefined && layer === workspace.layer.value);
  if (first?.node !== undefined) editor.canvas.value?.reveal(first.node);
}

/** Shows a node of a run: its layer, the node in sight and selected. */
export function goToNode(editor: Editor, workspace: Workspace, around: readonly string[], node: string): void {
  workspace.leave(0);
  for (const instance of around) workspace.enter(instance);
  if (workspace.shown.nodes[node] === undefined) return;
  workspace.selection.value = { layer: workspace.layer.value, nodes: [node], groups: [], reroutes: [], links: [] };
  requestAnimationFrame(() => editor.canvas.value?.reveal(node));
}
