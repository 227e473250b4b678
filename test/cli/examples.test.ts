// A server's first start brings the example pictures; a later one leaves the input folder as it is.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { bringExamples, packageRoot } from '../../engine/cli/folders.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'bagelgraph-examples-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('pictures of the ready workflows come into a new input folder, and into no other', () => {
  const input = path.join(folder, 'input');
  bringExamples(input);
  expect(readdirSync(input).sort()).toEqual(readdirSync(path.join(packageRoot, 'workflows/pictures')).sort());
  const used = path.join(folder, 'used');
  mkdirSync(used);
  bringExamples(used);
  expect(readdirSync(used)).toEqual([]);
});

test('a place that cannot be written gets none', () => {
  bringExamples('/dev/null/input');
  expect(existsSync('/dev/null/input')).toBe(false);
});
