// Reads ComfyUI's extra_model_paths.yaml: sections with a base_path and folders by kind. Of YAML it knows what such files use.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './arguments.ts';

/** Absolute folders by kind (`checkpoints`, `vae`, …) of all sections. Throws a UsageError naming file and line. */
export function readExtraPaths(file: string): Map<string, string[]> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--extra-model-paths-config ${file}: ${(error as Error).message}`);
  }
  const folders = new Map<string, string[]>();
  for (const section of sectionsOf(text, file)) {
    const base = path.resolve(path.dirname(file), section.get('base_path')?.[0] ?? '.');
    for (const [kind, values] of section) {
      if (kind === 'base_path' || kind === 'is_default') continue;
      folders.set(kind, [...(folders.get(kind) ?? []), ...values.map((value) => path.resolve(base, value))]);
    }
  }
  return folders;
}

/** Every section as its keys with one value, or the lines of a `|` block. */
function sectionsOf(text: string, file: string): Map<string, string[]>[] {
  const sections: Map<string, string[]>[] = [];
  let block: { readonly indent: number; readonly values: string[] } | undefined;
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)#.*$/, '').trimEnd();
    if (line.trim() === '') continue;
    const indent = line.length - line.trimStart().length;
    if (block !== undefined && indent > block.indent) {
      block.values.push(unquoted(line.trim().replace(/^- /, '')));
      continue;
    }
    block = undefined;
    const [, key, value = ''] = /^\s*([\w.-]+):\s*(.*)$/.exec(line) ?? [];
    if (key === undefined) throw new UsageError(`${file}, line ${i + 1}: expected "name:" or "kind: folder", found ${JSON.stringify(line.trim())}`);
    if (indent === 0) {
      sections.push(new Map());
      continue;
    }
    const values = value === '' || /^[|>][+-]?$/.test(value) ? [] : [unquoted(value)];
    if (values.length === 0) block = { indent, values };
    sections.at(-1)?.set(key, values);
  }
  return sections;
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
