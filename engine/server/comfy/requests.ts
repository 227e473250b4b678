// A prompt as it is stored and listed: `[number, prompt_id, prompt, extra_data, outputs]`, and what of its extra_data is not.
import { encodeJson, isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';

/**
 * Members of extra_data that are nobody else's business: the running prompt gets them, but no file, list or log does, so they do not
 * outlive a restart. The list stands in the README.
 */
const secretNames = new Set(['auth_token_comfy_org', 'api_key_comfy_org', 'auth_token', 'api_key', 'access_token', 'authorization', 'password', 'secrets']);

export interface StoredRequest {
  readonly number: Json;
  readonly promptId: string;
  readonly prompt: Json;
  readonly extraData: JsonObject;
  /** Output nodes that were found good when it was accepted. */
  readonly targets: readonly string[];
}

/** Splits extra_data into what is kept and what is not; `bagelgraph.secrets` is not either. */
export function withoutSecrets(extraData: JsonObject): { readonly kept: JsonObject; readonly secrets: JsonObject } {
  const kept = new Map<string, Json>();
  const secrets = new Map<string, Json>();
  for (const [name, value] of extraData) (secretNames.has(name.toLowerCase()) ? secrets : kept).set(name, value);
  const own = kept.get('bagelgraph');
  if (isJsonObject(own) && own.has('secrets')) {
    secrets.set('bagelgraph', new Map([['secrets', own.get('secrets')!]]));
    kept.set('bagelgraph', new Map([...own].filter(([name]) => name !== 'secrets')));
  }
  return { kept, secrets };
}

export function writeRequest({ number, promptId, prompt, extraData, targets }: StoredRequest): string {
  return encodeJson([number, promptId, prompt, extraData, targets]);
}

/** Throws a FormatError for what `writeRequest` did not write. */
export function readRequest(text: string): StoredRequest {
  const [number, promptId, prompt, extraData, targets] = parseJson(text) as readonly Json[];
  return { number: number!, promptId: String(promptId), prompt: prompt!, extraData: isJsonObject(extraData) ? extraData : new Map<string, Json>(), targets: isJsonArray(targets) ? targets.map(String) : [] };
}

/** The number as it was written, 5 or 5.0. */
export function numberText(request: string): string {
  return request.slice(1, request.indexOf(','));
}

export function withNumber(request: string, number: number): string {
  return `[${encodeJson(Number.isSafeInteger(number) ? BigInt(number) : number)}${request.slice(request.indexOf(','))}`;
}

/** The id that pages give a workflow. */
export function workflowIdOf(extraData: JsonObject): string | undefined {
  const pnginfo = extraData.get('extra_pnginfo');
  const workflow = isJsonObject(pnginfo) ? pnginfo.get('workflow') : undefined;
  const id = isJsonObject(workflow) ? workflow.get('id') : undefined;
  return typeof id === 'string' ? id : undefined;
}
