// The final entry of a prompt: what ComfyUI's history tells of it, and what lists of jobs show.
import type { RunResult } from '../../exec/engine.ts';
import { RefusedError } from '../../exec/errors.ts';
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../formats/json.ts';
import type { Ending, JobFailure } from '../../store/store.ts';
import type { HistoryMessage } from './messages.ts';

/** After a run. `error` is what it broke off with, when it has no result. */
export function endingOf(result: RunResult | undefined, error: unknown, told: readonly HistoryMessage[]): Ending {
  const known = [...(result?.known ?? [])];
  const state = result === undefined || result.status === 'running' ? 'error' : result.status;
  const outputs = new Map(known.map(([id, { ui }]) => [id, ui]));
  const meta = new Map(known.map(([id, { place }]) => [id, new Map<string, Json>([['node_id', place.node], ['display_node', place.display], ['parent_node', place.parent], ['real_node_id', place.real]])]));
  const shown = known.flatMap(([id, { ui }]) => itemsOf(id, ui));
  return {
    state, endedAt: Date.now(), result: resultText(outputs, state === 'success', told, meta), outputs: shown.length,
    preview: previewOf(shown), tempFiles: tempFilesOf(shown), failure: state === 'error' ? failureOf(result, error) : undefined,
  };
}

/** For a prompt that did not run again. */
export function endingWithError(promptId: string, name: string, message: string): Ending {
  const at = Date.now();
  const details = new Map<string, Json>([
    ['prompt_id', promptId], ['node_id', ''], ['node_type', ''], ['executed', []], ['exception_message', message], ['exception_type', name], ['traceback', []],
    ['current_inputs', new Map()], ['current_outputs', []], ['timestamp', BigInt(at)],
  ]);
  return { state: 'error', endedAt: at, result: resultText(new Map(), false, [['execution_error', details]], new Map()), failure: { node: '', type: '', name, message } };
}

function resultText(outputs: JsonObject, isSuccess: boolean, told: readonly HistoryMessage[], meta: JsonObject): string {
  const messages = encodeJson(told.map(([type, data]) => [type, data]));
  return `{"outputs":${encodeJson(outputs)},"status":{"status_str":"${isSuccess ? 'success' : 'error'}","completed":${isSuccess},"messages":${messages}},"meta":${encodeJson(meta)}}`;
}

function failureOf(result: RunResult | undefined, error: unknown): JobFailure {
  if (result?.failure !== undefined) {
    const { real, type, name, message } = result.failure;
    return { node: real, type, name, message };
  }
  if (error instanceof RefusedError) return { node: error.refusal.node ?? '', type: error.refusal.type ?? '', name: error.name, message: error.message };
  return error instanceof Error ? { node: '', type: '', name: error.name, message: error.message } : { node: '', type: '', name: 'Error', message: String(error) };
}

interface Shown {
  readonly node: string;
  /** `images`, `text`, … */
  readonly kind: string;
  readonly item: Json;
}

function itemsOf(node: string, ui: Json): readonly Shown[] {
  return isJsonObject(ui) ? [...ui].flatMap(([kind, items]) => (isJsonArray(items) ? items.map((item) => ({ node, kind, item })) : [])) : [];
}

/** The first file in the output folder, else the first file. */
function previewOf(shown: readonly Shown[]): string | undefined {
  const files = shown.filter(({ item }) => isJsonObject(item) && typeof item.get('filename') === 'string');
  const chosen = files.find(({ item }) => (item as JsonObject).get('type') === 'output') ?? files[0];
  return chosen === undefined ? undefined : encodeJson(new Map<string, Json>([...(chosen.item as JsonObject), ['nodeId', chosen.node], ['mediaType', chosen.kind]]));
}

function tempFilesOf(shown: readonly Shown[]): readonly string[] {
  const names = shown.flatMap(({ item }) => {
    if (!isJsonObject(item) || item.get('type') !== 'temp' || typeof item.get('filename') !== 'string') return [];
    const subfolder = item.get('subfolder');
    return [typeof subfolder === 'string' && subfolder !== '' ? `${subfolder}/${String(item.get('filename'))}` : String(item.get('filename'))];
  });
  return [...new Set(names)];
}
