// What can be done with a result: its seeds, its workflow opened again, what its nodes showed.
import { parsePrompt } from '../../../engine/formats/api.ts';
import { isJsonObject, type Json } from '../../../engine/formats/json.ts';
import { sendPrompt } from '../../api/prompts.ts';
import type { Command } from '../../state/commands/commands.ts';
import { placeOf } from '../../state/places.ts';
import { readWorkflowJson } from '../../state/read-any.ts';
import type { Editor } from '../editor.ts';
import { t } from '../words/words.ts';
import { readShown } from './shown.ts';

export interface Seed { readonly node: string; readonly input: string; readonly seed: bigint }

/** The seeds of a run: as it told them, else as they were asked for. */
export function seedsOf({ runs }: Editor, id: string): readonly Seed[] {
  const told = runs.state.value.runs[id]?.seeds ?? [];
  if (told.length > 0) return told;
  const prompt = runs.details.value.get(id)?.prompt;
  return !isJsonObject(prompt) ? [] : [...prompt].flatMap(([node, entry]) => {
    const inputs = isJsonObject(entry) ? entry.get('inputs') : undefined;
    return !isJsonObject(inputs) ? [] : [...inputs].flatMap(([input, value]): Seed[] => (/^(noise_)?seed$/.test(input) && typeof value === 'bigint' ? [{ node, input, seed: value }] : []));
  });
}

/** Sets the seeds of a run in the shown workflow and keeps them there. One step. */
export function reuseSeed(editor: Editor, id: string): void {
  const workspace = editor.active.value;
  if (workspace === undefined) return;
  const commands = seedsOf(editor, id).flatMap(({ node, input, seed }): Command[] => {
    const place = placeOf(workspace.document.value, node);
    if (place === undefined) return [];
    const target = { layer: place.layer, node: place.node.id, input };
    return [{ kind: 'setValue', ...target, value: seed }, ...(place.node.controls[input] === undefined ? [] : [{ kind: 'setControl' as const, ...target, control: { mode: 'fixed' as const } }])];
  });
  if (commands.length === 0) return editor.notices.tell('note', t('results.no-seed'));
  if (editor.run(...commands) !== undefined) editor.notices.tell('success', t('results.seed-set', { seed: String(seedsOf(editor, id)[0]!.seed) }));
}

/** Opens the workflow of a run in a tab of its own, with what its nodes showed. */
export async function loadJob(editor: Editor, id: string): Promise<void> {
  const job = await editor.runs.detail(id);
  if (job === undefined) return;
  const source: Json = job.workflow ?? job.prompt;
  if (job.workflow === undefined) editor.notices.tell('note', t('results.no-workflow'));
  try {
    const { document, notices } = readWorkflowJson(source, editor.types.value);
    for (const message of notices) editor.notices.tell('warning', editor.say(message));
    const tab = editor.tabs.value.tabs.find((one) => one.id === editor.runs.tabOf(id));
    const workspace = editor.openDocument(document, { title: tab?.title ?? t('results.loaded-title'), isDirty: true });
    for (const [node, ui] of job.shown) {
      const shown = readShown(ui);
      if (shown !== undefined) editor.setShown(workspace.id, node, shown);
    }
  } catch (error) {
    editor.tellError(error);
  }
}

/** Queues a run anew, just as it was sent: the same values and seeds. */
export async function runAgain(editor: Editor, id: string): Promise<void> {
  const job = await editor.runs.detail(id);
  if (job === undefined) return;
  try {
    const sent = await sendPrompt(parsePrompt(job.prompt), job.workflow, { clientId: editor.clientId });
    if (!sent.ok) return editor.notices.tell('error', sent.message);
    const tab = editor.runs.tabOf(id);
    if (tab !== undefined) editor.runs.claim(sent.id, tab);
    editor.runs.refresh();
  } catch (error) {
    editor.tellError(error);
  }
}
