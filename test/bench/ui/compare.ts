// npm run bench:ui -- --comfyui-frontend DIR: our page beside ComfyUI's own, on the same server program, with the same files, gestures and
// ways of measuring, one after the other in each round.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { startServer } from '../../ui/journeys/server.ts';
import { median } from '../measure.ts';
import { columns, workflowOf } from './graphs.ts';
import { heapBytes, idleShare, pan, traced, type Lab } from './lab.ts';
import { ours, theirs, type Kind, type Subject } from './subjects.ts';
import { percentile } from './trace.ts';

type Figures = Map<string, number>;

/** ComfyUI's nodes are drawn as elements only in files up to so many: larger ones take minutes. */
const mostElements = 245;
const loads = 3;
const moves = 60;

export async function benchComparison(lab: Lab, folder: string, counts: readonly number[]): Promise<void> {
  const server = await startServer('--front-end-root', path.resolve(folder));
  try {
    const version = versionOf(folder);
    const kinds = [ours(lab.server.url), theirs(server.url, version, false), theirs(server.url, version, true)];
    const figures = kinds.map((): Figures => new Map());
    await compareLoads(lab, kinds, figures);
    printHead(kinds);
    printRows(figures, '');
    for (const count of counts) {
      for (const [i, kind] of kinds.entries()) {
        if (i === 2 && count > mostElements) continue;
        await measure(lab, kind, count, figures[i]!).catch((error: unknown) => { console.error(`${kind.name}, ${count} nodes: ${String(error).split('\n')[0]}`); });
      }
      printRows(figures, `${count} nodes: `);
    }
  } finally {
    await server.close();
  }
}

async function compareLoads({ browser }: Lab, kinds: readonly Kind[], figures: readonly Figures[]): Promise<void> {
  const times = kinds.map((): number[] => []);
  for (let round = 0; round < loads; round++) {
    for (const [i, kind] of kinds.entries()) {
      const subject = await kind.open(browser);
      times[i]!.push(subject.loadMs);
      figures[i]!.set('scripts until then, kB gzip', subject.scriptBytes / 1000);
      await subject.close();
    }
  }
  for (const [i, all] of times.entries()) figures[i]!.set('cold load to interactive, ms', median(all));
}

async function measure(lab: Lab, kind: Kind, count: number, figures: Figures): Promise<void> {
  const subject = await kind.open(lab.browser);
  const { page } = subject;
  page.setDefaultTimeout(60_000);
  try {
    const put = (what: string, value: number) => figures.set(`${count} nodes: ${what}`, value);
    put('open, ms', await untilCalm(page, 'drop', `${subject.count} === ${count}`, () => drop(subject, count)));
    const middle = { x: Math.min(count, columns) * 320 / 2, y: Math.ceil(count / columns) * 360 / 2 };
    for (const scale of count > 1000 ? [0.3, 0.05] : [1, 0.3, 0.1]) {
      await subject.show(scale, middle);
      const trace = await traced(lab, page, () => pan(page, moves), { hasLatencies: true });
      putFrames(put, `pan at ${scale}`, trace.frames);
      put(`pan at ${scale}, move to screen p95, ms`, percentile(trace.latencies(/MOUSE_DRAGGED|MOUSE_MOVED/), 0.95));
    }
    await subject.show(0.3, middle);
    putFrames(put, 'zoom', (await traced(lab, page, () => zoomToAndFro(subject))).frames);
    await subject.show(0.3, middle);
    put('undo moving all, ms', await undoMovingAll(subject));
    put('main thread while idle, % of a core', await idleShare(page));
    put('heap, MB', await heapBytes(page) / 1e6);
  } finally {
    await subject.close();
  }
}

function putFrames(put: (what: string, value: number) => void, what: string, frames: readonly number[]): void {
  put(`${what}, work a frame p50, ms`, percentile(frames, 0.5));
  put(`${what}, work a frame p95, ms`, percentile(frames, 0.95));
}

/**
 * Milliseconds from the next event of a type to the end of the first frame in which the expression holds and after which three more come
 * within 50 ms of each other: the page shows what was asked for and has nothing more to do.
 */
async function untilCalm(page: Page, event: string, expression: string, act: () => Promise<void>): Promise<number> {
  await page.evaluate(`void (window.calm = new Promise((done) => {
    let began, since, last = 0, calm = 0;
    const { port1, port2 } = new MessageChannel(); // a message sent within a frame is delivered when that frame has been painted
    port1.onmessage = () => { since = performance.now(); };
    addEventListener('${event}', ({ key, timeStamp }) => { if (key !== 'Control') began ??= timeStamp; }, { capture: true });
    const look = () => {
      const now = performance.now();
      const isThere = began !== undefined && ${expression};
      if (!isThere || now - last > 50) calm = 0;
      if (isThere && calm++ === 0) port2.postMessage(0);
      last = now;
      if (calm > 3) done(since - began); else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }))`);
  await act();
  return page.evaluate<number>("Promise.race([calm, new Promise((_, fail) => setTimeout(() => fail(new Error('the page never came to rest')), 120000))])");
}

async function drop({ page, begin }: Subject, count: number): Promise<void> {
  await begin();
  const transfer = await page.evaluateHandle(({ name, text }) => {
    const given = new DataTransfer();
    given.items.add(new File([text], name, { type: 'application/json' }));
    return given;
  }, { name: `${count}.json`, text: workflowOf(count) });
  const canvases = await page.locator('canvas').evaluateAll((found) => found.map((one) => one.clientWidth * one.clientHeight));
  const target = page.locator('canvas').nth(canvases.indexOf(Math.max(...canvases)));
  for (const step of ['dragenter', 'dragover', 'drop']) await target.dispatchEvent(step, { dataTransfer: transfer, clientX: 700, clientY: 400 });
}

/** Out by 1.1 fifteen times and in again, twice. */
async function zoomToAndFro({ page, zoom: { key, turn } }: Subject): Promise<void> {
  await page.mouse.move(800, 450);
  if (key !== undefined) await page.keyboard.down(key);
  for (let step = 0; step < 60; step++) await page.mouse.wheel(0, Math.floor(step / 15) % 2 === 0 ? turn : -turn);
  if (key !== undefined) await page.keyboard.up(key);
}

async function undoMovingAll(subject: Subject): Promise<number> {
  const { page } = subject;
  const { node, x, y } = await page.evaluate<{ node: number; x: number; y: number }>(`${subject.titles}.toSorted((a, b) => Math.hypot(a.x - 780, a.y - 450) - Math.hypot(b.x - 780, b.y - 450))[0]`);
  await page.mouse.click(x, y);
  await page.keyboard.press('Control+a');
  await page.waitForTimeout(500);
  const before = await page.evaluate<number>(subject.across(node));
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 60, y, { steps: 4 });
  await page.mouse.up();
  await page.waitForTimeout(2000);
  if (await page.evaluate<number>(subject.across(node)) === before) throw new Error('the nodes did not move');
  return untilCalm(page, 'keydown', `Math.abs(${subject.across(node)} - ${before}) < 2`, () => page.keyboard.press('Control+z'));
}

/** As the package's folder beside it is called; pip names it by the version. */
function versionOf(folder: string): string {
  const packages = path.resolve(folder, '../..');
  return readdirSync(packages).map((name) => /^comfyui_frontend_package-(.+)\.dist-info$/.exec(name)?.[1]).find((found) => found !== undefined) ?? '';
}

function printHead(kinds: readonly Kind[]): void {
  console.log(`\n| measure | ${kinds.map(({ name }, i) => (i === 0 ? name : `${name} | ratio`)).join(' | ')} |\n| --- ${kinds.map((_, i) => (i === 0 ? '| ---' : '| --- | ---')).join(' ')} |`);
}

/** The rows whose names begin so. */
function printRows(figures: readonly Figures[], beginning: string): void {
  for (const name of new Set(figures.flatMap((one) => [...one.keys()].filter((key) => key.startsWith(beginning))))) {
    const own = figures[0]!.get(name);
    const cells = figures.slice(1).map((one) => {
      const value = one.get(name);
      return value === undefined ? ' | ' : `${value.toFixed(1)} | ${own === undefined || own === 0 ? '' : `${(value / own).toFixed(1)} ×`}`;
    });
    console.log(`| ${name} | ${own?.toFixed(1) ?? ''} | ${cells.join(' | ')} |`);
  }
}
