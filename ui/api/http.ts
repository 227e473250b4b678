// Requests to the server the page came from: lossless JSON in and out, errors that say what was asked and what was answered.
import { encodeJson, isJsonObject, parseJson, type Json } from '../../engine/formats/json.ts';

/** The server answered with an error, or (status 0) not at all. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** The answer's JSON, where it was some. */
  readonly body: Json | undefined;

  constructor(status: number, message: string, body?: Json) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export interface HttpOptions {
  readonly method?: string;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** `path` begins with `/`; everything lies below /api. Throws an ApiError for an answer that is no success. */
export async function request(path: string, { method = 'GET', body, headers, signal }: HttpOptions = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, { method, ...(body === undefined ? {} : { body }), ...(headers === undefined ? {} : { headers }), ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, 'The server does not answer. Is it still running?');
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => '');
  const json = jsonIn(text);
  throw new ApiError(response.status, messageOf(json) ?? (text.slice(0, 500) || `${method} ${path} was answered with ${response.status}`), json);
}

export async function getJson(path: string, signal?: AbortSignal): Promise<Json> {
  return parseJson(await (await request(path, signal === undefined ? {} : { signal })).text());
}

/** Null for an answer without a body. */
export async function postJson(path: string, json: Json, signal?: AbortSignal): Promise<Json> {
  const response = await request(path, { method: 'POST', body: encodeJson(json), headers: { 'Content-Type': 'application/json' }, ...(signal === undefined ? {} : { signal }) });
  const text = await response.text();
  return text === '' ? null : parseJson(text);
}

function jsonIn(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** `{"error": "…"}` or `{"error": {"message": "…", "details": "…"}}`. */
function messageOf(json: Json | undefined): string | undefined {
  const error = isJsonObject(json) ? json.get('error') : undefined;
  if (typeof error === 'string') return error;
  if (!isJsonObject(error)) return undefined;
  const parts = [error.get('message'), error.get('details')].filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? undefined : parts.join(': ');
}
