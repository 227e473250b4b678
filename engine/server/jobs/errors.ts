// What can be wrong with a request to run a workflow, in plain words: what, which input of the form, which node.
import type { JsonObject, Json } from '../../formats/json.ts';
import { sentence, type NodeProblem, type Refusal } from '../../graph/problems.ts';

export type FormErrorCode = 'invalid_request' | 'unknown_workflow' | 'unknown_input' | 'invalid_input' | 'invalid_workflow' | 'server_stopping' | 'not_stored' | 'queue_full' | 'webhook_refused';

export interface FormProblem {
  readonly message: string;
  readonly node?: string;
  readonly title?: string;
  /** The node's input. */
  readonly input?: string;
  /** Name of the form's input that it belongs to. */
  readonly formInput?: string;
}

/** The asker's mistake (400, 404) or that nothing is taken now (429, 503). The message says what to do. */
export class FormRunError extends Error {
  override readonly name = 'FormRunError';
  readonly code: FormErrorCode;
  readonly status: number;
  readonly problems: readonly FormProblem[];

  constructor(code: FormErrorCode, message: string, problems: readonly FormProblem[] = [], status = code === 'unknown_workflow' ? 404 : code === 'queue_full' ? 429 : code === 'server_stopping' || code === 'not_stored' ? 503 : 400) {
    super(message);
    this.code = code;
    this.status = status;
    this.problems = problems;
  }

  /** Name of the form's input that is to blame, where one is. */
  get input(): string | undefined {
    return this.problems.find(({ formInput }) => formInput !== undefined)?.formInput;
  }

  /** `{"error": {type, message, input?, problems: […]}}` */
  json(): JsonObject {
    const problems = this.problems.map(problemJson);
    const { input } = this;
    return new Map<string, Json>([['error', new Map<string, Json>([['type', this.code], ['message', this.message], ...(input === undefined ? [] : [['input', input] as const]), ...(problems.length === 0 ? [] : [['problems', problems] as const])])]]);
  }
}

export function problemJson({ message, node, title, input, formInput }: FormProblem): Json {
  return new Map<string, Json>(Object.entries({ message, node, title, input, form_input: formInput }).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** `names` gives the form's name of a node's input. */
export function formProblemOf(problem: NodeProblem | Refusal, names: (node: string, input: string) => string | undefined): FormProblem {
  const { node, title, input } = problem;
  const formInput = node === undefined || input === undefined ? undefined : names(node, input);
  return {
    message: formInput === undefined ? sentence(problem) : `input ${JSON.stringify(formInput)}: ${sentence(problem)}`,
    ...(node === undefined ? {} : { node }), ...(title === undefined ? {} : { title }), ...(input === undefined ? {} : { input }), ...(formInput === undefined ? {} : { formInput }),
  };
}
