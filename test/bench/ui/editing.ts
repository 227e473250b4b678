// How long the page takes to answer what a person does: dragging a node, undoing, searching, typing while a run sends previews, changing tabs.
import type { Page } from 'playwright-core';
import { openEditor, type EditorPage } from '../../ui/journeys/editor-page.ts';
import { workflow } from '../../ui/journeys/graphs.ts';
import { median } from '../measure.ts';
import type { Row } from '../table.ts';
import { workflowOf } from './graphs.ts';
import { open, traced, watchKeys, zoomTo, type Lab } from './lab.ts';
import { percentile, type Trace } from './trace.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const toPaint = 'from the key to the end of the frame that shows it, waiting for the frame counted';
const onScreen = 'from the input to the screen: EventLatency of a trace, waiting for the frame counted';

/** Drags one node of 1,000 about, and takes steps back one by one. */
export async function benchDragging(lab: Lab): Promise<Row[]> {
  const editor = await openEditor(lab.browser, lab.server.url);
  await open(editor, 1000);
  await zoomTo(editor, 0.3);
  const { x, y } = await editor.title(await nodeInSight(editor));
  await editor.page.mouse.move(x, y);
  await editor.page.mouse.down();
  const drag = await traced(lab, editor.page, async () => {
    for (let step = 1; step <= 120; step++) await editor.page.mouse.move(x + 200 * Math.sin(step / 12), y + 120 * Math.sin(step / 9));
  }, { hasLatencies: true });
  await editor.page.mouse.up();
  const steps = 20;
  for (let step = 0; step < steps; step++) await dragStep(editor, x + 200 * Math.sin(10), y + 120 * Math.sin(120 / 9), step);
  const done = (await editor.ask('steps')).length;
  const keyTimes = await watchKeys(editor.page);
  for (let step = 0; step < steps; step++) {
    await editor.page.keyboard.press('Control+z');
    await pause(53);
  }
  const undone = await keyTimes();
  const left = (await editor.ask('steps')).length;
  if (done - left !== steps) throw new Error(`${done - left} steps of ${steps} were undone`);
  await editor.close();
  const shown = drag.latencies(/MOUSE_DRAGGED/);
  return [
    { name: 'page, drag one node of 1000, p95', value: percentile(shown, 0.95), unit: 'ms', goal: '≤ 33', note: `${onScreen}; ${shown.length} moves, p50 ${percentile(shown, 0.5).toFixed(1)}` },
    { name: 'page, drag one node of 1000, work p95', value: percentile(drag.frames, 0.95), unit: 'ms', goal: '', note: `work a frame, ${drag.frames.length} frames; ${counters(drag)}` },
    { name: 'page, undo one step among 1000 nodes', value: median(undone), unit: 'ms', goal: '≤ 30', note: `${toPaint}; ${undone.length} steps, worst ${Math.max(...undone).toFixed(1)}` },
  ];
}

/** To and fro, farther than a click may slip. */
async function dragStep({ page, ask }: EditorPage, x: number, y: number, step: number): Promise<void> {
  const [from, to] = step % 2 === 0 ? [x, x + 24] : [x + 24, x];
  await page.mouse.move(from, y);
  await page.mouse.down();
  await page.mouse.move(to, y, { steps: 3 });
  await page.mouse.up();
  await ask('idle');
}

/** A node whose title lies in the middle of the canvas. */
async function nodeInSight(editor: EditorPage): Promise<string> {
  const found = await editor.page.evaluate<string | undefined>("__bagel.ids().find((id) => { const { x, y } = __bagel.nodeBox(id); return x > 600 && x < 900 && y > 300 && y < 600; })");
  if (found === undefined) throw new Error('no node lies in the middle of the canvas');
  return found;
}

/** Types words into the search of a page that knows many types. */
export async function benchSearch(lab: Lab, types: number): Promise<Row[]> {
  const editor = await openEditor(lab.browser, lab.server.url);
  await editor.begin('Blank');
  const times: number[] = [];
  for (const word of ['sharpen', 'latent', 'upscale', 'channel', 'compare']) {
    await editor.page.mouse.dblclick(700, 400);
    await editor.page.getByRole('option').first().waitFor();
    for (const letter of word) times.push(await untilListed(editor.page, letter));
    await editor.page.keyboard.press('Escape');
    await editor.page.getByRole('option').first().waitFor({ state: 'detached' });
  }
  const known = await editor.page.evaluate<number>("fetch('/object_info').then((answer) => answer.json()).then((found) => Object.keys(found).length)");
  if (known < types) throw new Error(`the server tells of ${known} node types, not of ${types}`);
  await editor.close();
  const changed = times.filter((time) => !Number.isNaN(time));
  return [{ name: `page, a key in the search, ${known} node types, p95`, value: percentile(changed, 0.95), unit: 'ms', goal: '≤ 50', note: `from the key to the changed list's paint; ${changed.length} keys of ${times.length} changed it, p50 ${percentile(changed, 0.5).toFixed(1)}` }];
}

/** Milliseconds from a key to the end of the frame that shows the list's last change; NaN where the list stayed. */
async function untilListed(page: Page, key: string): Promise<number> {
  await page.evaluate(`void (() => {
    let began = 0;
    window.listed = NaN;
    addEventListener('keydown', (event) => { began = event.timeStamp; }, { capture: true, once: true });
    const afterPaint = () => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { window.listed = performance.now() - began; }; port2.postMessage(0); });
    const watch = new MutationObserver(afterPaint);
    watch.observe(document.querySelector('[role=listbox]'), { childList: true, subtree: true, characterData: true });
    window.stopWatching = () => watch.disconnect();
  })()`);
  await page.keyboard.press(key);
  await pause(250);
  return page.evaluate<number>('stopWatching(), window.listed');
}

const running = workflow([
  { id: 1, type: 'SlowImage', pos: [40, 80], size: [260, 160], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [1] }], widgets_values: [1, 'fixed', 1000, 100] },
  { id: 3, type: 'PreviewImage', pos: [400, 80], size: [260, 240], inputs: [{ name: 'images', type: 'IMAGE', link: 1 }] },
  { id: 5, type: 'Fields', pos: [40, 380], size: [320, 300], widgets_values: [5, 'fixed', 20, 4, false, 'euler', 'one line', 'some words'] },
], [[1, 1, 0, 3, 0, 'IMAGE']]);

/** Types into a field of many lines while a run sends ten previews a second. */
export async function benchTyping(lab: Lab): Promise<Row[]> {
  const editor = await openEditor(lab.browser, lab.server.url);
  let frames = 0;
  editor.page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => { if (typeof payload !== 'string') frames++; }));
  await editor.page.reload(); // so that the socket is heard
  await editor.until('window.__bagel');
  await editor.open(running);
  await editor.page.keyboard.press('Control+Enter');
  await editor.until("__bagel.jobs().some((one) => one.status === 'in_progress')");
  const { x, y } = await editor.field('5', 'words');
  await editor.page.mouse.click(x, y);
  await editor.page.locator('textarea').first().waitFor();
  await pause(1000);
  const [before, start] = [frames, performance.now()];
  const words = 'a picture of a boat in the rain, with lanterns on a long pier at dusk';
  const keyTimes = await watchKeys(editor.page);
  const trace = await traced(lab, editor.page, async () => {
    for (const letter of words) {
      await editor.page.keyboard.type(letter);
      await pause(41);
    }
  });
  const rate = (frames - before) / (performance.now() - start) * 1000;
  if (!(await editor.page.locator('textarea').first().inputValue()).includes(words)) throw new Error('the field did not take what was typed');
  const [shown, work] = [await keyTimes(), trace.workUntilFrame('keydown')];
  await fetch(`${lab.server.url}/interrupt`, { method: 'POST' });
  await editor.close();
  return [
    { name: 'page, a letter while previews arrive, work p95', value: percentile(work, 0.95), unit: 'ms', goal: '≤ 16', note: `main thread, until the frame that shows it; p50 ${percentile(work, 0.5).toFixed(1)}; ${work.length} letters, ${rate.toFixed(1)} previews a second; ${counters(trace)}` },
    { name: 'page, a letter while previews arrive, p95', value: percentile(shown, 0.95), unit: 'ms', goal: '≤ 33', note: `${toPaint}; p50 ${percentile(shown, 0.5).toFixed(1)}` },
  ];
}

/** Goes to and fro between two open files of 1,000 nodes. */
export async function benchTabs(lab: Lab): Promise<Row[]> {
  const editor = await openEditor(lab.browser, lab.server.url);
  await editor.open(workflowOf(1000), 'first');
  await editor.open(workflowOf(1000), 'second');
  const times: number[] = [];
  for (let round = 0; round < 10; round++) {
    await editor.page.evaluate("addEventListener('click', (event) => { window.began = event.timeStamp; }, { capture: true, once: true })");
    await editor.page.getByRole('tab', { name: round % 2 === 0 ? 'first' : 'second' }).click();
    times.push(await editor.page.evaluate<number>('__bagel.idle().then(() => performance.now() - window.began)'));
  }
  await editor.close();
  return [{ name: 'page, to another tab, both 1000 nodes', value: median(times), unit: 'ms', goal: '≤ 250', note: `from the click to at rest; worst ${Math.max(...times).toFixed(0)}` }];
}

const counters = ({ styles, layouts, blockingMs }: Trace): string => `styles computed ${styles} ×, layout ${layouts} ×, ${blockingMs.toFixed(0)} ms of tasks over 50 ms`;
