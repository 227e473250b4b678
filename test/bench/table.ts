// The table that npm run bench prints, beside the figures that were kept last.
import { readFile, writeFile } from 'node:fs/promises';

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
  readonly note: string;
}

const keptFile = 'test/bench/kept.json';

/** Prints the rows as Markdown; with `keep` they become the kept ones. */
export async function printTable(rows: readonly Row[], keep: boolean): Promise<void> {
  const kept = JSON.parse(await readFile(keptFile, 'utf8').catch(() => '{}')) as Record<string, number>;
  const shown = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));
  console.log('| measure | now | kept | goal | |\n| --- | --- | --- | --- | --- |');
  for (const { name, value, unit, goal, note } of rows) console.log(`| ${name} | ${shown(value)} ${unit} | ${shown(kept[name])} | ${goal} | ${note} |`);
  if (keep) await writeFile(keptFile, `${JSON.stringify({ ...kept, ...Object.fromEntries(rows.map(({ name, value }) => [name, Number(value.toFixed(3))])) }, null, 1)}\n`);
}
