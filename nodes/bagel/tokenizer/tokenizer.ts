// Text ⇄ token ids with the model folder's own files: Qwen2's byte-level BPE. Splitting and merging is done by @huggingface/tokenizers;
// decoding is ours, because streamed text must never show half a character. Knows no model.
import { readFile } from 'node:fs/promises';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import { addedOfTokenizer, readAddedTokens, type AddedToken, type TokenizerFiles } from './files.ts';
import { tokenBytes } from './token-bytes.ts';

export interface Tokenizer {
  /** Ids of a text. Texts of added tokens (`<|im_end|>`) become those tokens. */
  encode(text: string): number[];
  /** Text of ids. Bytes that are no UTF-8 become U+FFFD; unknown ids give nothing. Added tokens stay in, as in the reference, unless `skipSpecial`. */
  decode(ids: readonly number[], options?: { readonly skipSpecial?: boolean }): string;
  /** The id of one token by its text, as the vocabulary writes it. */
  idOf(token: string): number | undefined;
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Decodes as ids come in: what `push` and `end` give, joined, is what `decode` gives. */
  stream(): TextStream;
}

export interface TextStream {
  /** The text that this id completes; '' in the middle of a character. */
  push(id: number): string;
  /** What was left unfinished. */
  end(): string;
}

/**
 * Reads a tokenizer. Prefers vocab.json and merges.txt, which the reference reads, to tokenizer.json.
 * Throws a UserError when there is neither, or when a file is damaged or of another kind.
 */
export async function openTokenizer(files: TokenizerFiles): Promise<Tokenizer> {
  if (files.vocab !== undefined && files.merges !== undefined) return buildTokenizer(await readVocabulary(files.vocab, files.merges, await readAddedTokens(files)));
  if (files.tokenizerJson !== undefined) return buildTokenizer(await readTokenizerJson(files.tokenizerJson));
  throw new UserError(`${files.folder ?? 'the model folder'} has no tokenizer: expected vocab.json, merges.txt and tokenizer_config.json, or tokenizer.json. Text needs one`);
}

/** A tokenizer.json, parsed. */
interface Description {
  readonly json: Readonly<Record<string, unknown>>;
  readonly added: readonly AddedToken[];
  readonly vocab: Readonly<Record<string, number>>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readTokenizerJson(file: string): Promise<Description> {
  const json = await readJsonFile(file);
  const model = isRecord(json['model']) ? json['model'] : {};
  // Old files leave the type out.
  if ((model['type'] ?? 'BPE') !== 'BPE' || !isRecord(model['vocab']) || !Array.isArray(model['merges'])) {
    throw new UserError(`${file}: the model is ${JSON.stringify(model['type'])}, expected a BPE with vocab and merges, as Qwen2 has`);
  }
  return { json, added: addedOfTokenizer(json), vocab: checkVocabulary(file, model['vocab']) };
}

function checkVocabulary(file: string, vocab: Record<string, unknown>): Record<string, number> {
  for (const token in vocab) if (!Number.isInteger(vocab[token])) throw new UserError(`${file}: the token ${JSON.stringify(token)} has the id ${JSON.stringify(vocab[token])}, expected a whole number`);
  return vocab as Record<string, number>;
}

// Source: tokenization_qwen2.py, PRETOKENIZE_REGEX. The text is brought to NFC first (prepare_for_tokenization).
const qwen2Pattern = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

async function readVocabulary(vocabFile: string, mergesFile: string, added: readonly AddedToken[]): Promise<Description> {
  const vocab = checkVocabulary(vocabFile, await readJsonFile(vocabFile));
  const lines = (await readFile(mergesFile, 'utf8')).split('\n').map((line) => line.trim());
  if (lines[0]?.startsWith('#version:') === true) lines.shift();
  const merges = lines.map((line, i) => ({ line, pair: line.split(/ +/), number: i + 1 })).filter(({ line }) => line !== '');
  const odd = merges.find(({ pair }) => pair.length !== 2);
  if (odd !== undefined) throw new UserError(`${mergesFile}: ${JSON.stringify(odd.line.slice(0, 40))} (merge ${odd.number}) is not a pair of tokens. Download the file again`);
  return {
    added, vocab,
    json: {
      version: '1.0',
      added_tokens: added.map((one) => ({ ...one, single_word: false, lstrip: false, rstrip: false, normalized: false })),
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: qwen2Pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      model: { type: 'BPE', vocab, merges: merges.map(({ pair }) => pair) },
    },
  };
}

function buildTokenizer({ json, added, vocab }: Description): Tokenizer {
  const library = new LibraryTokenizer(json, {});
  const tokens: string[] = [];
  for (const token in vocab) tokens[vocab[token]!] = token;
  const addedById = new Map(added.map((one) => [one.id, one]));
  const idByAdded = new Map(added.map((one) => [one.content, one.id]));
  const utf8 = new TextEncoder();
  const bytesOf = (id: number): Uint8Array => {
    const one = addedById.get(id);
    return one === undefined ? tokenBytes(tokens[id] ?? '') : utf8.encode(one.content);
  };
  const stream = (): TextStream => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // a byte order mark is text like any other
    return { push: (id) => decoder.decode(bytesOf(id), { stream: true }), end: () => decoder.decode() };
  };
  return {
    encode: (text) => (text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids),
    decode(ids, { skipSpecial = false } = {}) {
      const { push, end } = stream();
      const shown = skipSpecial ? ids.filter((id) => addedById.get(id)?.special !== true) : ids;
      return shown.map(push).join('') + end();
    },
    idOf: (token) => idByAdded.get(token) ?? (Object.hasOwn(vocab, token) ? vocab[token] : undefined),
    vocabSize: added.reduce((size, { id }) => Math.max(size, id + 1), tokens.length),
    stream,
  };
}
