// Which tokenizer files a folder has, and the ids of its added tokens read off the smallest of them. Knows no text.
import { readJsonFile } from '../json-file.ts';

/** Absolute paths; absent where the folder has no such file. */
export interface TokenizerFiles {
  /** For messages. */
  readonly folder?: string;
  readonly tokenizerJson?: string;
  readonly vocab?: string;
  readonly merges?: string;
  readonly config?: string;
  readonly added?: string;
}

/** Names of the files, as in a Hugging Face folder. */
export const tokenizerFileNames = {
  tokenizerJson: 'tokenizer.json', vocab: 'vocab.json', merges: 'merges.txt', config: 'tokenizer_config.json', added: 'added_tokens.json',
} as const;

/** A token that is cut out of the text before anything else. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out when text is decoded without special tokens. */
  readonly special: boolean;
}

function asAdded(value: unknown, id: number): AddedToken[] {
  const { content, special } = (value ?? {}) as Record<string, unknown>;
  return typeof content === 'string' && Number.isInteger(id) ? [{ id, content, special: special === true }] : [];
}

/** Added tokens of a parsed tokenizer.json. */
export function addedOfTokenizer(json: Readonly<Record<string, unknown>>): AddedToken[] {
  const list = Array.isArray(json['added_tokens']) ? (json['added_tokens'] as Record<string, unknown>[]) : [];
  return list.flatMap((one) => asAdded(one, Number(one['id'])));
}

/** Added tokens from tokenizer_config.json, else from added_tokens.json; none where neither names any. */
export async function readAddedTokens(files: TokenizerFiles): Promise<AddedToken[]> {
  const config = files.config === undefined ? {} : await readJsonFile(files.config);
  const listed = Object.entries((config['added_tokens_decoder'] ?? {}) as Record<string, unknown>).flatMap(([id, one]) => asAdded(one, Number(id)));
  if (listed.length > 0 || files.added === undefined) return listed;
  return Object.entries(await readJsonFile(files.added)).flatMap(([content, id]) => asAdded({ content, special: true }, Number(id)));
}

/** Ids of added tokens by text, without reading a vocabulary where a smaller file names them. */
export async function readTokenIds(files: TokenizerFiles): Promise<ReadonlyMap<string, number>> {
  let added = await readAddedTokens(files);
  if (added.length === 0 && files.tokenizerJson !== undefined) added = addedOfTokenizer(await readJsonFile(files.tokenizerJson));
  return new Map(added.map(({ content, id }) => [content, id]));
}
