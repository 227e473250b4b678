// How fast the page comes, how fast a file of many nodes opens, and what moving about in it, undoing and doing nothing cost.
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { openEditor } from '../../ui/journeys/editor-page.ts';
import { median } from '../measure.ts';
import type { Row } from '../table.ts';
import { heapBytes, idleShare, open, pan, timed, traced, zoomTo, type Lab } from './lab.ts';
import { percentile } from './trace.ts';

const rounds = 5;

export async function benchLoad({ browser, server }: Lab): Promise<Row[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const editor = await openEditor(browser, server.url);
    await editor.ask('idle');
    await editor.page.getByRole('button').first().waitFor();
    times.push(performance.now() - start);
    await editor.close();
  }
  const page = await readFile('dist/ui/index.html', 'utf8');
  const scripts = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((found) => found[1]!);
  const sizes = await Promise.all(scripts.map(async (script) => gzipSync(await readFile(`dist/ui/${script}`)).length));
  const all = (await readdir('dist/ui/assets')).filter((name) => name.endsWith('.js')).length;
  return [
    { name: 'page, cold load to interactive', value: median(times) / 1000, unit: 's', goal: '≤ 1.5', note: 'empty profile, node types read' },
    { name: 'page, first scripts', value: sizes.reduce((sum, bytes) => sum + bytes, 0) / 1000, unit: 'kB gzip', goal: '≤ 250', note: `${scripts.length} of ${all} scripts` },
  ];
}

export async function benchGraph(lab: Lab, count: number, scales: readonly number[]): Promise<Row[]> {
  const openings: number[] = [];
  for (let round = 0; round < 3; round++) {
    const page = await openEditor(lab.browser, lab.server.url);
    openings.push(await open(page, count));
    await page.close();
  }
  const editor = await openEditor(lab.browser, lab.server.url);
  await open(editor, count);
  const rows: Row[] = [{ name: `page, open ${count} nodes`, value: median(openings), unit: 'ms', goal: count > 1000 ? '≤ 1500' : '≤ 400', note: 'from the drop to drawn' }];
  for (const scale of scales) {
    await zoomTo(editor, scale);
    const { frames, styles, layouts, blockingMs } = await traced(lab, editor.page, () => pan(editor.page));
    rows.push(
      { name: `page, pan ${count} nodes at ${scale}, p50`, value: percentile(frames, 0.5), unit: 'ms', goal: '≤ 6', note: `work a frame, ${frames.length} frames` },
      { name: `page, pan ${count} nodes at ${scale}, p95`, value: percentile(frames, 0.95), unit: 'ms', goal: '≤ 12', note: `worst ${Math.max(...frames).toFixed(1)}; styles computed ${styles} ×, layout ${layouts} ×, ${blockingMs.toFixed(0)} ms of tasks over 50 ms` },
    );
  }
  await editor.page.mouse.move(800, 450);
  await editor.page.keyboard.press('Control+a');
  await editor.page.keyboard.press('ArrowRight');
  await editor.ask('idle');
  rows.push({ name: `page, undo moving ${count} nodes`, value: await timed(editor, 'Control+z'), unit: 'ms', goal: count > 1000 ? '' : '≤ 100', note: 'until drawn' });
  const before = (await editor.ask('perf') as { frames: number }).frames;
  const share = await idleShare(editor.page);
  rows.push({ name: `page, draws while idle, ${count} nodes`, value: (await editor.ask('perf') as { frames: number }).frames - before, unit: 'in 5 s', goal: '0', note: '' });
  rows.push({ name: `page, main thread while idle, ${count} nodes`, value: share, unit: '% of a core', goal: '< 1', note: 'over 5 s' });
  rows.push({ name: `page, heap with ${count} nodes`, value: await heapBytes(editor.page) / 1e6, unit: 'MB', goal: count > 1000 ? '' : '≤ 120', note: 'after a collection' });
  await editor.close();
  return rows;
}
