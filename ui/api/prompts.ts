// Sending prompts, and the node types they are made of.
import { promptJson, type ApiPrompt } from '../../engine/formats/api.ts';
import { isJsonObject, type Json } from '../../engine/formats/json.ts';
import { ApiError, getJson, postJson, request } from './http.ts';

export interface SendOptions {
  readonly clientId: string;
  /** Runs next, before what waits. */
  readonly front?: boolean;
  /** Only these outputs and what they need. */
  readonly targets?: readonly string[];
}

/** `id`: the job. `nodeErrors`: outputs that were left out, or why nothing runs, by node. */
export type Sent = { readonly ok: true; readonly id: string; readonly nodeErrors: Json } | { readonly ok: false; readonly message: string; readonly nodeErrors: Json };

/** Queues a prompt with the workflow it came from, if any. Throws an ApiError for anything but an answer to the prompt itself. */
export async function sendPrompt(prompt: ApiPrompt, workflow: Json | undefined, { clientId, front = false, targets }: SendOptions): Promise<Sent> {
  const body = new Map<string, Json>([
    ['client_id', clientId], ['prompt', promptJson(prompt)], ...(workflow === undefined ? [] : [['extra_data', new Map<string, Json>([['extra_pnginfo', new Map([['workflow', workflow]])]])] as const]),
    ...(front ? [['front', true] as const] : []), ...(targets === undefined ? [] : [['partial_execution_targets', targets] as const]),
  ]);
  try {
    const answer = await postJson('/prompt', body);
    const id = isJsonObject(answer) ? answer.get('prompt_id') : undefined;
    if (typeof id !== 'string') throw new ApiError(200, 'The server took the prompt but did not say its id.');
    return { ok: true, id, nodeErrors: nodeErrorsOf(answer) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 400) throw error;
    return { ok: false, message: error.message, nodeErrors: nodeErrorsOf(error.body ?? null) };
  }
}

function nodeErrorsOf(json: Json): Json {
  return (isJsonObject(json) ? json.get('node_errors') : undefined) ?? new Map();
}

export async function getObjectInfo(): Promise<Json> {
  return getJson('/object_info');
}

/** Stops what runs. */
export async function interrupt(id?: string): Promise<void> {
  await request('/interrupt', { method: 'POST', body: id === undefined ? '' : JSON.stringify({ prompt_id: id }) });
}
