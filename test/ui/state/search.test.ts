// The table of what a search finds first, over our own nodes; then use, filters and mistakes in typing.
import { describe, expect, test } from 'vitest';
import { categoriesOf, searchTypes, type SearchOptions } from '../../../ui/state/search.ts';
import { comfyTypes, ourTypes } from './files.ts';

const types = await ourTypes();
const find = (query: string, options: SearchOptions = {}) => searchTypes(types, query, options).map(({ type }) => type.type);

test.each([
  ['LoadImage', 'LoadImage', 'exact'], ['load image', 'LoadImage', 'exact'], ['Bagel.Load', 'Bagel.Load', 'exact'], ['bagelload', 'Bagel.Load', 'exact'], ['save', 'SaveImage', 'prefix'], ['resize', 'ImageScale', 'synonym'],
  ['note', 'Note', 'exact'], ['comment', 'Note', 'exact'], ['noise', 'Bagel.Noise', 'word'], ['previw', 'PreviewAny', 'fuzzy'], ['t2i', 'Bagel.TextToImage', 'synonym'], ['describe', 'Bagel.UnderstandImage', 'synonym'], ['image save', 'SaveImage', 'all-words'],
  ['ksampler', 'Bagel.Denoise', 'synonym'], ['concat', 'StringConcatenate', 'prefix'], ['join', 'StringConcatenate', 'synonym'],
] as const)('%s finds %s (%s)', (query, type, tier) => {
  const [first] = searchTypes(types, query);
  expect([first?.type.type, first?.tier]).toEqual([type, tier]);
});

test('"prompt" finds what takes a text before what has it inside a word', () => {
  const tiersOf = searchTypes(types, 'prompt').map(({ tier }) => tier);
  expect(tiersOf[0]).toBe('synonym');
  expect(find('prompt')).toContain('Bagel.EncodeText');
});

test('nothing is found for nonsense, all that can be picked for nothing', () => {
  expect(find('xqzzyv')).toEqual([]);
  expect(find('').length).toBe(types.all.length - 2);
  expect(find('', { recent: ['SaveImage', 'Bagel.Load'] }).slice(0, 2)).toEqual(['SaveImage', 'Bagel.Load']);
});

test('what is used often comes before its equals, not before what matches better', () => {
  const plain = find('image');
  const last = searchTypes(types, 'image').filter(({ tier }) => tier === searchTypes(types, 'image')[0]!.tier).at(-1)!.type.type;
  expect(plain[0]).not.toBe(last);
  expect(find('image', { usage: { [last]: 50 } })[0]).toBe(last);
  expect(find('load image', { usage: { 'Bagel.Load': 1e9 } })[0]).toBe('LoadImage');
});

describe('a dropped link', () => {
  test('from an output: only types that take its value', () => {
    const found = searchTypes(types, '', { accepts: 'BAGEL_MODEL' }).map(({ type }) => type);
    expect(found.length).toBeGreaterThan(3);
    expect(found.every(({ inputs }) => inputs.some(({ type }) => type === 'BAGEL_MODEL' || type === '*'))).toBe(true);
    // what names the type comes before what takes anything
    expect(found[0]!.inputs.some(({ type }) => type === 'BAGEL_MODEL')).toBe(true);
  });
  test('from an input: only types that make such a value', () => {
    expect(find('', { makes: 'BAGEL_MODEL' })).toContain('Bagel.Load');
    expect(find('', { makes: 'BAGEL_MODEL' })).not.toContain('SaveImage');
    expect(find('save', { makes: 'BAGEL_MODEL' })).toEqual([]);
  });
});

test('types that are on their way out come last', () => {
  const old = types.all.map((type) => (type.type === 'SaveImage' ? { ...type, isDeprecated: true } : type));
  expect(searchTypes({ ...types, all: old }, 'save').map(({ type }) => type.type).at(-1)).toBe('SaveImage');
});

test('parts of the title that match are told', () => {
  const [first] = searchTypes(types, 'image sa');
  expect(first!.matches.map(([start, end]) => first!.type.title.slice(start, end).toLowerCase())).toEqual(['image', 'sa']);
});

test('categories count what lies below them', () => {
  const counts = new Map(categoriesOf(comfyTypes).map(({ path, count }) => [path, count]));
  expect(counts.get('image')).toBeGreaterThan([...counts].find(([path]) => path.startsWith('image/'))![1]);
});
