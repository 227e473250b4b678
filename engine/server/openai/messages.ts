// The messages of a chat as the form that serves it takes them: either all of them as JSON, or one question with its picture.
import type { Request } from 'express';
import { encodeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../formats/json.ts';
import type { FormValue } from '../jobs/form-inputs.ts';
import type { FormRuns } from '../jobs/run-form.ts';
import { OpenAiError } from './errors.ts';
import { pictureOf } from './pictures.ts';
import type { TaskForm } from './workflows.ts';

type Piece = { readonly text: string } | { readonly picture: FormValue };
interface Turn { readonly role: string; readonly pieces: readonly Piece[] }

/** Sets the inputs of a form: `messages` where it has that, else `prompt` and its picture. Throws an OpenAiError for what cannot be said in them. */
export async function setMessages(form: TaskForm, forms: FormRuns, messages: readonly Json[], request: Request): Promise<void> {
  const turns = messages.map((message, i) => turnOf(message as JsonObject, `messages[${i}]`, request));
  if (turns.every(({ pieces }) => pieces.length === 0)) throw new OpenAiError('messages hold no text and no picture', { param: 'messages', code: 'invalid_value' });
  if (form.has('messages')) form.set('messages', encodeJson(await Promise.all(turns.map((turn) => messageJson(turn, forms)))));
  else setQuestion(form, turns);
}

function turnOf(message: JsonObject, where: string, request: Request): Turn {
  const [role, content] = [String(message.get('role')), message.get('content')];
  const parts = isJsonArray(content) ? content : typeof content === 'string' && content !== '' ? [new Map([['type', 'text'], ['text', content]])] : [];
  const pieces = parts.map((part, i) => pieceOf(part as JsonObject, `${where}.content[${i}]`, request)).filter((piece) => !('text' in piece) || piece.text !== '');
  return { role: role === 'developer' ? 'system' : role, pieces: inOrder(pieces) };
}

function pieceOf(part: JsonObject, where: string, request: Request): Piece {
  if (part.get('type') === 'text') {
    const text = part.get('text');
    if (typeof text !== 'string') throw new OpenAiError(`${where}.text is missing`, { param: 'messages', code: 'missing_required_parameter' });
    return { text };
  }
  const given = part.get('image_url');
  return { picture: pictureOf((isJsonObject(given) ? given.get('url') : given) ?? null, `${where}.image_url`, 'messages', request) };
}

/** One text with its pictures behind it, as many clients send it, is read pictures first, as the model was trained; what is interleaved stays so. */
function inOrder(pieces: readonly Piece[]): readonly Piece[] {
  const [first, ...rest] = pieces;
  return first !== undefined && 'text' in first && rest.length > 0 && rest.every((piece) => 'picture' in piece) ? [...rest, first] : pieces;
}

async function messageJson({ role, pieces }: Turn, forms: FormRuns): Promise<Json> {
  const content = await Promise.all(pieces.map(async (piece): Promise<Json> => ('text' in piece
    ? new Map([['type', 'text'], ['text', piece.text]])
    : new Map([['type', 'image'], ['image', await forms.keepPicture('messages', piece.picture)]]))));
  return new Map<string, Json>([['role', role], ['content', content]]);
}

function setQuestion(form: TaskForm, turns: readonly Turn[]): void {
  const pieces = turns.flatMap((turn) => turn.pieces);
  const pictures = pieces.flatMap((piece) => ('picture' in piece ? [piece.picture] : []));
  const texts = pieces.flatMap((piece) => ('text' in piece ? [piece.text] : []));
  const inputs = form.pictures;
  if (turns.some(({ role }) => role === 'assistant') || texts.length !== 1 || pictures.length !== inputs.length) {
    throw new OpenAiError(`the workflow ${JSON.stringify(form.workflow)} answers one text with ${inputs.length} picture${inputs.length === 1 ? '' : 's'}, without earlier turns`, { param: 'messages', code: 'unsupported_value' });
  }
  form.set('prompt', texts[0]!);
  pictures.forEach((picture, i) => form.set(inputs[i]!, picture));
}
