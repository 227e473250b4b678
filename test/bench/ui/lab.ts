// What every measurement of the page uses: the browser, the server, a trace while something is done, and the gestures.
import type { Browser, Page } from 'playwright-core';
import type { EditorPage } from '../../ui/journeys/editor-page.ts';
import type { Server } from '../../ui/journeys/server.ts';
import { workflowOf } from './graphs.ts';
import { latencyCategories, readTrace, traceCategories, type Trace } from './trace.ts';

export interface Lab { readonly browser: Browser; readonly server: Server }

/** What a trace tells of the time while `act` runs; how long input takes to the screen only where it is asked for. */
export async function traced({ browser }: Pick<Lab, 'browser'>, page: Page, act: () => Promise<unknown>, { hasLatencies = false } = {}): Promise<Trace> {
  await browser.startTracing(page, { categories: hasLatencies ? [...traceCategories, ...latencyCategories] : traceCategories });
  await act();
  return readTrace(await browser.stopTracing());
}

/** Opens a file by drop, as a person does. Gives milliseconds until it is drawn. */
export async function open(editor: EditorPage, count: number): Promise<number> {
  await editor.begin('Blank');
  const text = Buffer.from(workflowOf(count));
  await editor.page.evaluate(`void (window.arrived = (async () => { while (__bagel.ids().length !== ${count}) await new Promise((run) => setTimeout(run)); await __bagel.idle(); return performance.now(); })())`);
  await editor.page.evaluate("document.querySelector('canvas').addEventListener('drop', () => { window.dropped = performance.now(); }, { capture: true, once: true })");
  await editor.drop(`${count}.json`, 'application/json', text);
  return editor.page.evaluate<number>('window.arrived.then((end) => end - window.dropped)');
}

/** Drags the view about with the middle button and back to where it was. */
export async function pan({ mouse }: Page, moves = 120): Promise<void> {
  await mouse.move(800, 450);
  await mouse.down({ button: 'middle' });
  for (let move = 1; move <= moves; move++) await mouse.move(800 + 300 * Math.sin(move / moves * 4 * Math.PI), 450 + 200 * Math.sin(move / moves * 6 * Math.PI));
  await mouse.up({ button: 'middle' });
}

export async function zoomTo(editor: EditorPage, scale: number): Promise<void> {
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

/** Milliseconds from a key to the page at rest, two frames after the last that was drawn. */
export async function timed(editor: EditorPage, keys: string): Promise<number> {
  await editor.page.evaluate('window.began = 0; addEventListener("keydown", () => { window.began = performance.now(); }, { capture: true, once: true })');
  await editor.page.keyboard.press(keys);
  return editor.page.evaluate<number>('__bagel.idle().then(() => performance.now() - window.began)');
}

/** From now on keys are timed: milliseconds from each (its own time stamp) to the end of the next frame, which shows what it did. The answer gives them and forgets them. */
export async function watchKeys(page: Page): Promise<() => Promise<number[]>> {
  await page.evaluate(`void (() => {
    window.keyTimes = [];
    addEventListener('keydown', ({ key, timeStamp }) => {
      if (key === 'Control' || key === 'Shift') return;
      // a message sent within a frame is delivered when that frame has been painted
      requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { window.keyTimes.push(performance.now() - timeStamp); }; port2.postMessage(0); });
    }, { capture: true });
  })()`);
  return () => page.evaluate<number[]>('keyTimes.splice(0)');
}

/** Share of one core, in per cent, that the page's main thread works while nobody does anything; what was done before (drafts are written a while after an edit) may end first. */
export async function idleShare(page: Page, seconds = 5): Promise<number> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable');
  const taskSeconds = async () => (await cdp.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')!.value;
  await page.waitForTimeout(2000);
  const before = await taskSeconds();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const share = (await taskSeconds() - before) / seconds * 100;
  await cdp.detach();
  return share;
}

/** Bytes of script values that are in use after a collection. */
export async function heapBytes(page: Page): Promise<number> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  await cdp.detach();
  return usedSize;
}
