// Broken JSON files: the message tells file, line and column, whatever the mistake.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readJsonFile } from '../../../nodes/bagel/json-file.ts';

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'json-')); });
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(text: string): Promise<unknown> {
  await writeFile(join(folder, 'x.json'), text);
  return readJsonFile(join(folder, 'x.json'));
}

test.each([
  ['{"a": 1,}', 'unexpected "}" at line 1, column 9'],
  ['{"a": 1\n "b": 2}', 'unexpected "\\"b\\": 2}" at line 2, column 2'],
  ['{\n\n  a: 1}', 'unexpected "a: 1}" at line 3, column 3'],
  ['{"a": [1, 2', 'the file ends at line 1, column 12'],
  ['{"a": [1, 2}', 'unexpected "}" at line 1, column 12'],
  ['{"a": NaN}', 'unexpected "NaN}" at line 1, column 7'],
  ['{"a": [{}, []], "b": {"c": null}} x', 'unexpected "x" at line 1, column 35'],
  ['{"a": "x\ny"}', 'unexpected "\\"x\\ny\\"}" at line 1, column 7'],
  ['<html>', 'unexpected "<html>" at line 1, column 1'],
])('%j', async (text, message) => {
  await expect(read(text)).rejects.toThrow(`x.json: is not valid JSON: ${message}`);
});

test.each([['[1]', 'holds [1], expected a JSON object'], ['', 'is empty'], ['version https://git-lfs.github.com/spec/v1\n', 'is a git-LFS pointer']])('%j', async (text, message) => {
  await expect(read(text)).rejects.toThrow(message);
});

test('a byte order mark is no mistake', async () => {
  expect(await read('\uFEFF{"a": [1, {"b": "\\u00e9"}]}')).toEqual({ a: [1, { b: 'é' }] });
});
