// What a server of ours said no to, as an error that a program can look into.
import type { ProblemBody } from '../server/jobs/protocol.ts';

export class ServerError extends Error {
  override readonly name = 'ServerError';
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Such as unknown_input; empty where the server gave none. */
  readonly code: string;
  /** The form input to blame. */
  readonly input: string | undefined;
  readonly problems: readonly ProblemBody[];

  constructor(status: number, message: string, code = '', input?: string, problems: readonly ProblemBody[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.input = input;
    this.problems = problems;
  }
}

export function unreachable(url: string, error: unknown): ServerError {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const reason = cause instanceof Error ? cause.message || (cause as { readonly code?: string }).code : message;
  return new ServerError(0, `the server ${url} cannot be reached: ${reason}`, 'unreachable');
}

/** From an answer that is no success. */
export function serverErrorOf(status: number, statusText: string, body: unknown): ServerError {
  const error = isRecord(body) ? body['error'] : undefined;
  if (typeof error === 'string') return new ServerError(status, error);
  if (!isRecord(error)) return new ServerError(status, typeof body === 'string' && body !== '' ? body.slice(0, 500) : `the server answered ${status} ${statusText}`.trim());
  const { type, message, details, input, problems } = error;
  const told = [message, details].filter((part) => typeof part === 'string' && part !== '').join(': ');
  return new ServerError(status, told, typeof type === 'string' ? type : '', typeof input === 'string' ? input : undefined, Array.isArray(problems) ? (problems as ProblemBody[]) : []);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
