// Every word of the page is used somewhere: what nobody shows need not be translated.
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { englishWords } from '../../../ui/app/words/words.ts';

/** Keys that are put together, such as t(`settings.${name}`). */
const together = /^(control\.|menu\.color-|rename\.|settings\.|simple\.(field|hint)\.)/;

test('every word is used', async () => {
  const root = path.resolve('ui');
  const files = (await readdir(root, { recursive: true })).filter((file) => /\.(ts|vue)$/.test(file) && !file.includes(`words${path.sep}`));
  const source = (await Promise.all(files.map((file) => readFile(path.join(root, file), 'utf8')))).join('\n');
  const quoted = new Set([...source.matchAll(/['"`]([a-z]+\.[\w.-]+)['"`]/gi)].map(([, key]) => key));
  expect(Object.keys(englishWords).filter((key) => !together.test(key) && !quoted.has(key))).toEqual([]);
});
