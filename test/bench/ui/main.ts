// npm run bench:ui [-- --keep] [--only load|1000|5000|drag|search|type|tabs|jobs|compare] [--comfyui-frontend DIR [--counts 245,1000,5000]]: measures the page in Chromium
// on this machine, and beside ComfyUI's own (the folder `static` of comfyui-frontend-package). Nothing is asserted: machines are noisy.
import { rm } from 'node:fs/promises';
import { chromiumPath, startBrowser } from '../../ui/canvas/browser.ts';
import { startServer } from '../../ui/journeys/server.ts';
import { printTable, type Row } from '../table.ts';
import { benchComparison } from './compare.ts';
import { benchDragging, benchSearch, benchTabs, benchTyping } from './editing.ts';
import { writeGeneratedPack } from './generated-pack.ts';
import { benchJobs } from './jobs.ts';
import type { Lab } from './lab.ts';
import { benchGraph, benchLoad } from './opening.ts';

const sections: Readonly<Record<string, (lab: Lab) => Promise<Row[]>>> = {
  load: benchLoad,
  1000: (lab) => benchGraph(lab, 1000, [1, 0.3, 0.1]),
  5000: (lab) => benchGraph(lab, 5000, [0.3, 0.05]),
  drag: benchDragging,
  search: benchManyTypes,
  type: benchTyping,
  tabs: benchTabs,
  jobs: benchJobs,
};

async function benchManyTypes(lab: Lab): Promise<Row[]> {
  const pack = await writeGeneratedPack(500);
  const server = await startServer('--node-pack', pack);
  try {
    return await benchSearch({ ...lab, server }, 500);
  } finally {
    await server.close();
    await rm(pack, { recursive: true, force: true });
  }
}

const after = (flag: string): string | undefined => (process.argv.includes(flag) ? process.argv[process.argv.indexOf(flag) + 1] : undefined);

if (chromiumPath === undefined) throw new Error('no Chromium was found: install one, or name it by CHROMIUM=PATH');
const only = after('--only');
if (only !== undefined && only !== 'compare' && !(only in sections)) throw new Error(`--only ${only} is none of ${Object.keys(sections).join(', ')}, compare`);
const frontend = after('--comfyui-frontend');
if (only === 'compare' && frontend === undefined) throw new Error('--only compare needs --comfyui-frontend DIR: the folder static of comfyui-frontend-package');
const lab: Lab = { browser: await startBrowser(), server: await startServer() };
try {
  const rows: Row[] = [];
  for (const [name, run] of Object.entries(sections)) if (only === undefined || only === name) rows.push(...(await run(lab)));
  if (rows.length > 0) await printTable(rows, process.argv.includes('--keep'));
  if (frontend !== undefined && (only === undefined || only === 'compare')) await benchComparison(lab, frontend, (after('--counts') ?? '245,1000,5000').split(',').map(Number));
} finally {
  await lab.browser.close();
  await lab.server.close();
}
