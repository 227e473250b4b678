// The Chinese words: each is Chinese, and says the same numbers and names as the English one.
import { expect, test } from 'vitest';
import { englishWords, type WordKey } from '../../../ui/app/words/words.ts';
import { zh } from '../../../ui/app/words/zh.ts';
import { zhViews } from '../../../ui/app/words/zh-views.ts';

const chinese: Readonly<Record<WordKey, string>> = { ...zh, ...zhViews };
const keys = Object.keys(englishWords) as WordKey[];
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('every word is Chinese but names and numbers', () => {
  expect(keys.filter((key) => !/\p{Script=Han}/u.test(chinese[key]) && /\p{Letter}/u.test(chinese[key].replaceAll(/\{\w+\}/g, '')))).toMatchInlineSnapshot(`
    [
      "app.name",
      "settings.language.en",
    ]
  `);
});

test('what is filled in is filled in', () => {
  expect(keys.filter((key) => placeholders(chinese[key]).some((name) => !placeholders(englishWords[key]).includes(name)))).toEqual([]);
});
