// Journeys 18 to 21: several runs in the queue, what a run shows while it goes, errors at their nodes, and a server that goes and comes back.
import type { Page, WebSocketRoute } from 'playwright-core';
import { expect, test } from 'vitest';
import type { EditorPage } from './editor-page.ts';
import { slowChain, workflow } from './graphs.ts';
import { journeys } from './journeys.ts';

interface Job { readonly id: string; readonly status: string }
const jobs = async (editor: EditorPage) => await editor.ask('jobs') as readonly Job[];
const count = async (editor: EditorPage, ...states: readonly string[]) => (await jobs(editor)).filter(({ status }) => states.includes(status)).length;
const press = (editor: EditorPage) => editor.runAndCatch(() => editor.page.keyboard.press('Control+Enter'));
/** Gives a seed to the slow node, so that nothing is taken from the cache. */
const chain = (seed: number, steps = 40, stepMs = 50) => slowChain(steps, stepMs, seed).replace('"fixed"', '"increment"');

/** Puts itself between the page and the server's socket, which going offline does not touch. */
async function cutLine(page: Page): Promise<{ cut(): Promise<void>; mend(): void; refused(): number }> {
  const open = new Set<WebSocketRoute>();
  let isCut = false;
  let refused = 0;
  await page.routeWebSocket(/\/ws/, (socket) => {
    if (isCut) {
      refused++;
      return void socket.close({ code: 1011 });
    }
    socket.connectToServer();
    open.add(socket);
  });
  return {
    async cut() {
      isCut = true;
      await Promise.all([...open].map((socket) => socket.close({ code: 1011 })));
    },
    mend() { isCut = false; },
    refused: () => refused,
  };
}

journeys('the queue', (given) => {
  test('journey 18: five runs wait, one is put first, the running one is stopped, the rest are cleared', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(chain(100, 800)); // long: none may end by itself
    for (let run = 0; run < 5; run++) await press(editor);
    await expect.poll(() => count(editor, 'in_progress')).toBe(1);
    await expect.poll(() => count(editor, 'pending')).toBe(4);
    const last = (await jobs(editor))[0]!.id;
    const place = async () => {
      const { queue_pending: waiting } = await (await fetch(`${server.url}/queue`)).json() as { queue_pending: [number, string][] };
      return waiting.toSorted(([a], [b]) => a - b).findIndex(([, id]) => id === last);
    };
    for (const to of [2, 1, 0]) {
      await page.getByRole('button', { name: 'Run earlier' }).nth(to + 1).click();
      await expect.poll(place).toBe(to);
    }
    await page.getByRole('button', { name: 'Stop', exact: true }).first().click();
    await expect.poll(() => count(editor, 'cancelled')).toBe(1);
    await expect.poll(async () => (await jobs(editor)).find(({ status }) => status === 'in_progress')?.id).toBe(last);
    await page.getByRole('button', { name: 'Clear all that waits' }).click();
    await expect.poll(() => count(editor, 'pending')).toBe(0);
    await page.getByRole('button', { name: 'Stop', exact: true }).first().click();
    await editor.untilDone(2);
    expect(await count(editor, 'in_progress', 'pending', 'failed')).toBe(0);
  });

  test('journey 18: a result is opened with its workflow', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(chain(200, 2, 5));
    await press(editor);
    await editor.untilDone(1);
    await page.getByRole('img', { name: /\.png/ }).first().waitFor();
    const before = (await editor.ask('tabs') as { tabs: unknown[] }).tabs.length;
    await page.getByRole('button', { name: 'Load this workflow' }).first().click();
    await expect.poll(async () => (await editor.ask('tabs') as { tabs: unknown[] }).tabs.length).toBe(before + 1);
    expect((await editor.doc()).root.nodes['1']!.values).toMatchObject({ seed: 200, steps: 2 });
  });

  test('journey 19: steps go up to the end, previews come, the title of the page tells', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(chain(300, 30, 60));
    const plain = await page.title();
    await page.evaluate(`(() => {
      window.seen = { values: [], titles: new Set(), previews: new Set() };
      const look = () => {
        const run = Object.values(__bagel.runs().runs)[0];
        const progress = run?.nodes?.[1]?.progress ?? run?.nodes?.[1];
        if (progress?.value !== undefined && window.seen.values.at(-1) !== progress.value) window.seen.values.push(progress.value);
        window.seen.titles.add(document.title);
        const preview = document.querySelector('img[src^="blob:"]');
        if (preview?.naturalWidth > 0) window.seen.previews.add(preview.src);
        requestAnimationFrame(look);
      };
      look();
    })()`);
    await press(editor);
    await page.getByText(/step \d+ of 30/i).first().waitFor();
    await editor.untilDone(1);
    const { values, titles, previews } = await page.evaluate<{ values: number[]; titles: string[]; previews: number }>('({ values: window.seen.values, titles: [...window.seen.titles], previews: window.seen.previews.size })');
    expect(values.length).toBeGreaterThan(5);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect(values.at(-1)).toBe(30);
    expect(titles.length).toBeGreaterThan(2);
    expect(previews).toBeGreaterThan(2);
    await expect.poll(() => page.title()).toBe(plain);
  });

  test('journey 20: what is missing is told at its node before anything is sent', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(workflow([{ id: 1, type: 'SaveImage', pos: [300, 200], inputs: [{ name: 'images', type: 'IMAGE', link: null }], widgets_values: ['x'] }]));
    await page.keyboard.press('Control+Enter');
    await expect.poll(async () => (await editor.ask('problems') as unknown[]).length).toBe(1);
    expect(await editor.ask('problems')).toMatchObject([{ node: '1' }]);
    await page.getByText(/images/).first().waitFor();
    expect(await jobs(editor)).toEqual(expect.not.arrayContaining([expect.objectContaining({ status: 'failed' })]));
  });

  test('journey 20: a node that fails is named with its message; the way to it is one click', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(workflow([
      { id: 1, type: 'EmptyImage', pos: [40, 80], size: [220, 160], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [1] }], widgets_values: [8, 8, 1, 0] },
      { id: 2, type: 'Fail', pos: [3000, 80], inputs: [{ name: 'image', type: 'IMAGE', link: 1 }], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [2] }] },
      { id: 3, type: 'PreviewImage', pos: [3400, 80], inputs: [{ name: 'images', type: 'IMAGE', link: 2 }] },
    ], [[1, 1, 0, 2, 0, 'IMAGE'], [2, 2, 0, 3, 0, 'IMAGE']]));
    await press(editor);
    await editor.untilDone(1);
    await page.getByText('this node always fails').first().waitFor();
    await page.getByRole('button', { name: 'Go to node' }).first().click();
    await expect.poll(async () => (await editor.ask('selection') as { nodes: string[] }).nodes).toEqual(['2']);
    const box = (await editor.ask('nodeBox', '2'))!;
    expect(box.x).toBeGreaterThan(0);
    expect(box.x).toBeLessThan(1600);
  });

  test('journey 20: a node of unknown type is kept as it is', async () => {
    const { editor } = given;
    const file = workflow([
      { id: 1, type: 'EmptyImage', pos: [40, 80], size: [220, 160], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [1] }], widgets_values: [8, 8, 1, 0] },
      { id: 2, type: 'Nobody.Knows', pos: [400, 80], inputs: [{ name: 'a', type: 'IMAGE', link: 1 }], widgets_values: [1, 'x', { deep: [null] }], properties: { secret: 1 } },
    ], [[1, 1, 0, 2, 0, 'IMAGE']]);
    await editor.open(file);
    expect(JSON.parse((await editor.ask('file'))!)).toEqual(JSON.parse(file));
  });
});

journeys('a server that goes', (given) => {
  test('journey 21: the socket is lost during a run and comes back; nothing is missed, nothing runs twice', async () => {
    const { editor } = given;
    const { page } = editor;
    const line = await cutLine(page);
    await page.reload();
    await editor.until('window.__bagel');
    await editor.open(chain(400, 60, 60));
    await press(editor);
    await expect.poll(() => count(editor, 'in_progress')).toBe(1);
    await editor.withoutServer(async () => {
      await editor.context.setOffline(true);
      await line.cut();
      await page.getByText(/Connection lost/).first().waitFor();
      await expect.poll(() => line.refused()).toBeGreaterThan(1); // it went on trying
      line.mend();
      await editor.context.setOffline(false);
    });
    await editor.untilDone(1);
    expect(await jobs(editor)).toMatchObject([{ status: 'completed' }]);
    await expect.poll(async () => Object.values((await editor.ask('runs') as { runs: Record<string, { status: string }> }).runs).map(({ status }) => status)).toEqual(['success']);
  });
});
