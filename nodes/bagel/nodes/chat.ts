// A conversation: messages with pictures are read one after another, as the model was tuned on them, and answered.
import { stat } from 'node:fs/promises';
import { decodeFrames } from '../../../engine/image/decode.ts';
import { floatFromPixels, overWhite } from '../../../engine/image/pixels.ts';
import { defineNode, type Files } from '../../../engine/graph/node.ts';
import { BOOLEAN, FLOAT, INT, STRING } from '../../../engine/graph/types.ts';
import { UserError } from '../errors.ts';
import { seedInput, textInputs } from '../inputs.ts';
import { BAGEL_MODEL } from '../types.ts';
import { thinkPrompts } from './contexts.ts';

type Piece = { readonly text: string } | { readonly image: string };

const roles: readonly unknown[] = ['system', 'user', 'assistant'];
const example = '[{"role": "user", "content": [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "what is this?"}]}]';

/**
 * Texts and pictures of a conversation in their order. The model knows no roles: turns follow one another, each text between a begin and an end
 * token (upstream's vlm_dataset.py packs conversations so). Throws a UserError that names the message.
 */
export function readMessages(json: string): readonly Piece[] {
  const messages = parsed(json);
  if (!Array.isArray(messages)) throw new UserError(`messages must be a list, such as ${example}`);
  const pieces = messages.flatMap((message: unknown, i) => {
    const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as Readonly<Record<string, unknown>>;
    if (!roles.includes(role)) throw new UserError(`messages[${i}].role is ${JSON.stringify(role)}: give ${roles.join(', ')}`);
    if (typeof content === 'string') return content === '' ? [] : [{ text: content }];
    if (!Array.isArray(content)) throw new UserError(`messages[${i}].content must be a text or a list of texts and pictures, as in ${example}`);
    return content.flatMap((part: unknown, j) => readPart(part, `messages[${i}].content[${j}]`));
  });
  if (pieces.length === 0) throw new UserError('messages hold no text and no picture');
  return pieces;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UserError(`messages is no JSON (${(error as Error).message}); write it as ${example}`);
  }
}

function readPart(part: unknown, where: string): readonly Piece[] {
  const { type, text, image } = (typeof part === 'object' && part !== null ? part : {}) as Readonly<Record<string, unknown>>;
  if (type === 'text' && typeof text === 'string') return text === '' ? [] : [{ text }];
  if (type === 'image' && typeof image === 'string') return [{ image }];
  throw new UserError(`${where} must be {"type": "text", "text": …} or {"type": "image", "image": file in the input folder}`);
}

export const chat = defineNode({
  type: 'Bagel.Chat',
  title: 'BAGEL Chat',
  description: 'Answers a conversation of texts and pictures. What was read for earlier turns is not read again.',
  category: 'BAGEL',
  inputs: {
    model: { type: BAGEL_MODEL },
    messages: { type: STRING, default: '[{"role": "user", "content": "hello"}]', ui: { multiline: true, tooltip: `JSON, such as ${example}. Pictures are files of the input folder.` } },
    think: { type: BOOLEAN, default: false, ui: { tooltip: 'Think in words first.' } },
    ...textInputs(512),
    top_p: { type: FLOAT, default: 1, min: 0, max: 1, step: 0.05, optional: true, ui: { tooltip: 'Sample from the most likely tokens that make up this probability.' } },
    seed: { ...seedInput, optional: true },
  },
  outputs: [{ name: 'text', type: STRING }, { name: 'tokens_read', type: INT }, { name: 'tokens_written', type: INT }],
  validate: {
    inputs: ['messages'],
    async check({ messages }, _types, { files }) {
      if (typeof messages !== 'string') return true;
      try {
        for (const piece of readMessages(messages)) if ('image' in piece) await files.resolve(piece.image);
        return true;
      } catch (error) {
        return (error as Error).message;
      }
    },
  },
  fingerprint: ({ messages }, { files }) => (typeof messages === 'string' ? stampOfPictures(messages, files).catch(() => null) : null),
  async run({ model, messages, think, max_tokens, sample, temperature, top_p, seed }, context) {
    const build = context.expand();
    const pieces = [...(think ? [{ text: thinkPrompts.understand }] : []), ...readMessages(messages)];
    let read: unknown;
    for (const [i, piece] of pieces.entries()) {
      const before = read === undefined ? {} : { context: read };
      const node = 'text' in piece
        ? build.node('Bagel.EncodeText', { model, text: piece.text, ...before }, { id: `read${i}` })
        : build.node('Bagel.EncodeImageViT', { model, image: await pictureOf(piece.image, context.files), ...before }, { id: `read${i}` });
      read = node.out(0);
    }
    const answer = build.node('Bagel.GenerateText', { model, context: read, max_tokens, sample, temperature, top_p: top_p ?? 1, seed: sample ? seed ?? 0n : 0n }, { id: 'answer' });
    return build.finish([answer.out(0), answer.out(1), answer.out(2)]);
  },
});

/** What is transparent shows white, as the reference does. */
async function pictureOf(name: string, files: Files) {
  return floatFromPixels((await decodeFrames(await files.resolve(name), { name })).map(overWhite));
}

/** Sizes and times of the pictures: their names stay when their content changes. */
async function stampOfPictures(messages: string, files: Files): Promise<string> {
  const stamps = readMessages(messages).map(async (piece) => {
    if ('text' in piece) return '';
    const { size, mtimeMs } = await stat(await files.resolve(piece.image));
    return `${size} ${mtimeMs}`;
  });
  return (await Promise.all(stamps)).join('\n');
}
