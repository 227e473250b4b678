// Errors in OpenAI's shape: {error: {message, type, param, code}}. Whatever goes wrong below these routes becomes one.
import type { Response } from 'express';
import { encodeJson, type Json } from '../../formats/json.ts';
import type { JobFailure } from '../../store/store.ts';
import { FormRunError } from '../jobs/errors.ts';
import type { FormResult } from '../jobs/run-form.ts';
import { HttpError } from '../http-error.ts';
import { sendJson } from '../web.ts';

export interface OpenAiErrorOptions {
  readonly status?: number;
  /** The member of the request to blame. */
  readonly param?: string | undefined;
  readonly code?: string | undefined;
}

export class OpenAiError extends Error {
  override readonly name = 'OpenAiError';
  readonly status: number;
  readonly param: string | undefined;
  readonly code: string | undefined;

  /** Default: 400, the asker's mistake. */
  constructor(message: string, { status = 400, param, code }: OpenAiErrorOptions = {}) {
    super(message);
    this.status = status;
    this.param = param;
    this.code = code;
  }

  json(): Json {
    const type = this.status < 500 ? 'invalid_request_error' : 'server_error';
    return new Map([['error', new Map<string, Json>([['message', this.message], ['type', type], ['param', this.param ?? null], ['code', this.code ?? null]])]]);
  }
}

/** What OpenAI calls the inputs of forms. */
const params = new Map([['width', 'size'], ['height', 'size'], ['image1', 'image'], ['image2', 'image'], ['image3', 'image'], ['image4', 'image'], ['sample', 'temperature']]);

export function paramOf(input: string | undefined): string | undefined {
  return input === undefined ? undefined : params.get(input) ?? input;
}

/** Undefined for what is our own mistake. */
export function openAiErrorOf(error: unknown): OpenAiError | undefined {
  if (error instanceof OpenAiError) return error;
  if (error instanceof FormRunError) return new OpenAiError(error.message, { status: error.status, param: paramOf(error.input), code: error.code });
  if (error instanceof HttpError && !error.isJson) return new OpenAiError(error.message, { status: error.status, code: error.status === 413 ? 'request_too_large' : undefined });
  return undefined;
}

/** What nodes refuse by their words is the asker's to change; all else is not. */
const askersMistakes: ReadonlySet<string> = new Set(['UserError', 'PictureError']);

/** Why a run made nothing. */
export function failureError({ state, error }: FormResult, failure: JobFailure | undefined): OpenAiError {
  if (state !== 'error') return new OpenAiError('the run was cancelled', { status: 409, code: 'cancelled' });
  const isAskers = failure !== undefined && askersMistakes.has(failure.name);
  return new OpenAiError(error?.message ?? 'the run failed', { status: isAskers ? 400 : 500, code: 'run_failed' });
}

export function sendError(response: Response, error: OpenAiError): void {
  if (error.status === 503) response.setHeader('Retry-After', '5');
  else if (error.status !== 429) response.setHeader('x-should-retry', 'false'); // OpenAI's clients would run it all again, with the same end
  if (error.status === 413) response.setHeader('Connection', 'close');
  sendJson(response, encodeJson(error.json()), error.status);
}
