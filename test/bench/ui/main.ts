// npm run bench:ui [-- --keep] [--only 1000|5000|load]: measures the page in Chromium on this machine. Nothing is asserted: machines are noisy.
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { chromiumPath, startBrowser } from '../../ui/canvas/browser.ts';
import { openEditor, type EditorPage } from '../../ui/journeys/editor-page.ts';
import { startServer, type Server } from '../../ui/journeys/server.ts';
import { median } from '../measure.ts';
import { printTable, type Row } from '../table.ts';
import { workflowOf } from './graphs.ts';
import { frameTimes, percentile, traceCategories } from './trace.ts';

const rounds = 5;

interface Lab { readonly browser: Browser; readonly server: Server }

async function benchLoad({ browser, server }: Lab): Promise<Row[]> {
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

/** Opens a file by drop, as a person does. Gives milliseconds until it is drawn. */
async function open(editor: EditorPage, count: number): Promise<number> {
  await editor.begin('Blank');
  const text = Buffer.from(workflowOf(count));
  await editor.page.evaluate(`void (window.arrived = (async () => { while (__bagel.ids().length !== ${count}) await new Promise((run) => setTimeout(run)); await __bagel.idle(); return performance.now(); })())`);
  await editor.page.evaluate("document.querySelector('canvas').addEventListener('drop', () => { window.dropped = performance.now(); }, { capture: true, once: true })");
  await editor.drop(`${count}.json`, 'application/json', text);
  return editor.page.evaluate<number>('window.arrived.then((end) => end - window.dropped)');
}

/** Main thread work a frame while `act` runs. */
async function traced(lab: Lab, editor: EditorPage, act: () => Promise<void>): Promise<number[]> {
  await lab.browser.startTracing(editor.page, { categories: traceCategories });
  await act();
  return frameTimes(await lab.browser.stopTracing());
}

async function pan(editor: EditorPage): Promise<void> {
  const { mouse } = editor.page;
  await mouse.move(800, 450);
  await mouse.down({ button: 'middle' });
  for (let step = 1; step <= 120; step++) await mouse.move(800 + 300 * Math.sin(step / 12), 450 + 200 * Math.sin(step / 9));
  await mouse.up({ button: 'middle' });
}

async function zoomTo(editor: EditorPage, scale: number): Promise<void> {
  await editor.page.mouse.move(800, 450);
  await editor.page.keyboard.down('Control');
  for (let turn = 0; turn < 400; turn++) {
    const now = (await editor.ask('view'))!.scale;
    if (Math.abs(now / scale - 1) < 0.1) break;
    await editor.page.mouse.wheel(0, now > scale ? Math.min(60, 200 * Math.log(now / scale) + 4) : -Math.min(60, 200 * Math.log(scale / now) + 4));
    await editor.ask('idle');
  }
  await editor.page.keyboard.up('Control');
}

const timed = (editor: EditorPage, keys: string): Promise<number> => editor.page.evaluate('window.began = 0; addEventListener("keydown", () => { window.began = performance.now(); }, { capture: true, once: true })')
  .then(() => editor.page.keyboard.press(keys)).then(() => editor.page.evaluate<number>('__bagel.idle().then(() => performance.now() - window.began)'));

async function benchGraph(lab: Lab, count: number, scales: readonly number[]): Promise<Row[]> {
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
    const times = await traced(lab, editor, () => pan(editor));
    rows.push(
      { name: `page, pan ${count} nodes at ${scale}, p50`, value: percentile(times, 0.5), unit: 'ms', goal: '≤ 6', note: `work a frame, ${times.length} frames` },
      { name: `page, pan ${count} nodes at ${scale}, p95`, value: percentile(times, 0.95), unit: 'ms', goal: '≤ 12', note: '' },
    );
  }
  await editor.page.mouse.move(800, 450);
  await editor.page.keyboard.press('Control+a');
  await editor.page.keyboard.press('ArrowRight');
  await editor.ask('idle');
  rows.push({ name: `page, undo moving ${count} nodes`, value: await timed(editor, 'Control+z'), unit: 'ms', goal: '≤ 100', note: 'until drawn' });
  const before = (await editor.ask('perf') as { frames: number }).frames;
  await new Promise((resolve) => setTimeout(resolve, 2000));
  rows.push({ name: `page, draws while idle, ${count} nodes`, value: (await editor.ask('perf') as { frames: number }).frames - before, unit: 'in 2 s', goal: '0', note: '' });
  const cdp = await editor.context.newCDPSession(editor.page);
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  rows.push({ name: `page, heap with ${count} nodes`, value: usedSize / 1e6, unit: 'MB', goal: count > 1000 ? '' : '≤ 120', note: 'after a collection' });
  await editor.close();
  return rows;
}

if (chromiumPath === undefined) throw new Error('no Chromium was found: install one, or name it by CHROMIUM=PATH');
const lab: Lab = { browser: await startBrowser(), server: await startServer() };
try {
  const sections: Record<string, () => Promise<Row[]>> = { load: () => benchLoad(lab), 1000: () => benchGraph(lab, 1000, [1, 0.3, 0.1]), 5000: () => benchGraph(lab, 5000, [0.3, 0.05]) };
  const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
  const rows: Row[] = [];
  for (const [name, run] of Object.entries(sections)) if (only === undefined || only === name) rows.push(...(await run()));
  await printTable(rows, process.argv.includes('--keep'));
} finally {
  await lab.browser.close();
  await lab.server.close();
}
