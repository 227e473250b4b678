// A text that should be a workflow → the document: the UI form, the API form (laid out then), or what a clipboard or picture held.
import { fromPrompt } from './read-prompt.ts';
import { FormatError } from '../../engine/formats/errors.ts';
import { isApiForm, parsePrompt } from '../../engine/formats/api.ts';
import { importGroupNodes } from '../../engine/formats/import-groups.ts';
import { describeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { isWorkflow } from '../../engine/formats/workflow-file.ts';
import { message } from './messages.ts';
import type { NodeTypes } from './node-types.ts';
import { readDocument, type ReadDocument } from './read-file.ts';

/** Longest text that is read, in characters. */
export const longestFile = 64_000_000;

/** Reads either form. Throws a FormatError (with line and column where the text is not JSON). */
export function readWorkflowText(text: string, types: NodeTypes): ReadDocument {
  if (text.length > longestFile) throw new FormatError(`the file has ${text.length} characters; at most ${longestFile} can be opened`);
  return readWorkflowJson(parseJson(text), types);
}

/** As `readWorkflowText`, for JSON that is parsed already. An object with a `workflow` or `prompt` member (history entries, requests) is looked into. */
export function readWorkflowJson(json: Json, types: NodeTypes): ReadDocument {
  if (isWorkflow(json)) return readFile(json, types);
  if (isApiForm(json)) return fromPrompt(parsePrompt(json), types);
  for (const key of ['workflow', 'prompt']) {
    const inner = isJsonObject(json) ? json.get(key) : undefined;
    if (inner !== undefined && isWorkflow(inner)) return readFile(inner, types);
    if (inner !== undefined && isApiForm(inner)) return fromPrompt(parsePrompt(inner), types);
  }
  throw new FormatError(`this is no workflow: expected an object with a list of "nodes" (as editors save it) or nodes by id with a "class_type" (the API form), got ${describeJson(json)}`);
}

/** A workflow file, its old group nodes as subgraphs. */
function readFile(json: JsonObject, types: NodeTypes): ReadDocument {
  const { json: file, imported, kept } = importGroupNodes(json, types.definitions);
  const { document, notices } = readDocument(file, types);
  const told = [
    ...(imported.length === 0 ? [] : [message('file.groups-imported', { names: imported.join(', ') })]),
    ...(kept.length === 0 ? [] : [message('file.groups-kept', { names: kept.join(', ') })]),
  ];
  return { document, notices: [...told, ...notices] };
}

/** Spaces a level in a JSON text: what its second line begins with; 0 for one line. */
export function indentOf(text: string): number {
  return /^[^\n]*\n( *)/.exec(text)?.[1]?.length ?? 0;
}
