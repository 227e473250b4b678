// Journeys 22 and 23: moving over the canvas by mouse, wheel, trackpad, fingers and map, in windows of any size and density; themes.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openEditor, type EditorPage } from './editor-page.ts';
import { mixed } from './graphs.ts';
import { journeys } from './journeys.ts';

const view = async (editor: EditorPage) => (await editor.ask('view'))!;

journeys('looking around', (given) => {
  test('journey 22: the wheel zooms at the pointer, a drag pans, a key shows everything', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const before = (await editor.ask('nodeBox', '3'))!;
    const at = { x: before.x + 20, y: before.y + 10 };
    await page.mouse.move(at.x, at.y);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -120);
    await page.keyboard.up('Control');
    await editor.ask('idle');
    const after = (await editor.ask('nodeBox', '3'))!;
    expect(after.width).toBeGreaterThan(before.width * 1.02);
    const ratio = after.width / before.width;
    expect(at.x - after.x).toBeCloseTo((at.x - before.x) * ratio, 0);
    expect(at.y - after.y).toBeCloseTo((at.y - before.y) * ratio, 0);
    const old = await view(editor);
    await page.mouse.move(900, 700);
    await page.mouse.down();
    await page.mouse.move(960, 720, { steps: 4 });
    await page.mouse.up();
    const moved = await view(editor);
    expect((moved.offset[0] - old.offset[0]) * moved.scale).toBeCloseTo(60, 0);
    expect((moved.offset[1] - old.offset[1]) * moved.scale).toBeCloseTo(20, 0);
    await page.keyboard.press('Period');
    await editor.ask('idle');
    const { x, y, width, height } = (await page.locator('.stage').boundingBox())!;
    for (const id of await editor.ask('ids')) {
      const box = (await editor.ask('nodeBox', id))!;
      expect(box.x >= x && box.y >= y && box.x + box.width <= x + width && box.y + box.height <= y + height).toBe(true);
    }
  });

  test('journey 22: fingers on a trackpad move the view; so does dragging in the map', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const old = await view(editor);
    await page.mouse.move(900, 700);
    for (let i = 0; i < 5; i++) await page.mouse.wheel(12, 6);
    await editor.ask('idle');
    const moved = await view(editor);
    expect(moved.scale).toBe(old.scale);
    expect((moved.offset[0] - old.offset[0]) * moved.scale).toBeCloseTo(-60, 0);
    expect((moved.offset[1] - old.offset[1]) * moved.scale).toBeCloseTo(-30, 0);

    await page.keyboard.press('Period');
    for (let i = 0; i < 5; i++) await page.keyboard.press('Alt+Equal');
    await editor.ask('idle');
    const canvas = (await page.locator('.stage').boundingBox())!;
    const isSeen = async (id: string) => {
      const box = (await editor.ask('nodeBox', id))!;
      return box.x < canvas.x + canvas.width && box.x + box.width > canvas.x && box.y < canvas.y + canvas.height && box.y + box.height > canvas.y;
    };
    const map = (await page.getByTitle('Map', { exact: true }).boundingBox())!;
    // the graph fills the map's width: its first nodes lie at the left edge, its last at the right
    const row = map.y + map.height * 0.35;
    await editor.drag({ x: map.x + map.width / 2, y: row }, { x: map.x + 8, y: row });
    expect([await isSeen('1'), await isSeen('4')]).toEqual([true, false]);
    await editor.drag({ x: map.x + 8, y: row }, { x: map.x + map.width - 12, y: row });
    expect([await isSeen('1'), await isSeen('4')]).toEqual([false, true]);
  });

  test('journey 22: in a window that becomes smaller and larger everything stays where it is pointed at', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    for (const [width, height] of [[1000, 600], [1900, 1000]] as const) {
      await page.setViewportSize({ width, height });
      // the bitmap reaches equally far beyond the view on each side, as before the view changed its size
      await editor.until("(() => { const [bitmap, view] = ['canvas', '.stage'].map((one) => document.querySelector(one)); return bitmap.clientWidth - view.clientWidth === bitmap.clientHeight - view.clientHeight; })()");
      await page.keyboard.press('Period');
      await editor.ask('idle');
      for (const id of ['2', '5']) {
        const at = await editor.title(id);
        await page.mouse.click(at.x, at.y);
        expect((await editor.ask('selection') as { nodes: string[] }).nodes).toEqual([id]);
      }
    }
  });

  test('journey 22: two fingers zoom and move; one finger moves a node', async () => {
    const editor = await openEditor(given.browser, given.server.url, { hasTouch: true, deviceScaleFactor: 2 });
    await editor.open(mixed);
    const cdp = await editor.context.newCDPSession(editor.page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...points: readonly (readonly [number, number])[]) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    const before = await view(editor);
    await touch('touchStart', [700, 650], [800, 650]);
    for (let i = 1; i <= 5; i++) await touch('touchMove', [700 - i * 10, 650], [800 + i * 10, 650]);
    await touch('touchEnd');
    await editor.ask('idle');
    expect((await view(editor)).scale / before.scale).toBeGreaterThan(1.5);
    await editor.page.keyboard.press('Period');
    await editor.ask('idle');
    const at = await editor.title('2');
    await touch('touchStart', [at.x, at.y]);
    for (let i = 1; i <= 6; i++) await touch('touchMove', [at.x, at.y + i * 15]);
    await touch('touchEnd');
    await expect.poll(async () => (await editor.doc()).root.nodes['2']!.pos[1]).toBeGreaterThan(100);
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });

  test.each([1, 2])('journey 22: at %d pixels a unit a click hits what is drawn there', async (dpr) => {
    const editor = await openEditor(given.browser, given.server.url, { deviceScaleFactor: dpr });
    await editor.open(mixed);
    const { bitmap, shown } = await editor.page.evaluate<{ bitmap: number; shown: number }>("(() => { const one = document.querySelector('canvas'); return { bitmap: one.width, shown: one.clientWidth }; })()");
    expect(bitmap).toBe(shown * dpr);
    /** The pixels of a node's left edge, where the frame of a selected one is drawn. */
    const edge = async (id: string) => {
      await editor.ask('idle');
      const box = (await editor.ask('nodeBox', id))!;
      return (await editor.page.screenshot({ clip: { x: box.x - 4, y: box.y + 40, width: 8, height: 8 } })).toString('base64');
    };
    await editor.page.mouse.move(900, 750);
    for (const id of ['1', '4', '5']) {
      const before = { own: await edge(id), other: await edge('2') };
      const at = await editor.title(id);
      await editor.page.mouse.click(at.x, at.y);
      expect((await editor.ask('selection') as { nodes: string[] }).nodes).toEqual([id]);
      await editor.page.mouse.move(900, 750);
      expect([await edge(id) === before.own, await edge('2') === before.other]).toEqual([false, true]);
    }
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });

  test.each(['dark', 'light', 'contrast'] as const)('journey 23: axe finds nothing serious in the %s theme', async (theme) => {
    const { editor } = given;
    const { page } = editor;
    await page.evaluate(`localStorage.setItem('bagelgraph.settings', JSON.stringify({ theme: ${JSON.stringify(theme)} }))`);
    await page.reload();
    await editor.until('window.__bagel !== undefined');
    const found = [await seriousOf(editor)];
    await editor.begin('Make an image');
    found.push(await seriousOf(editor));
    expect(found.flat()).toEqual([]);
  });
});

const axe = await readFile('node_modules/axe-core/axe.min.js', 'utf8');

async function seriousOf({ page }: EditorPage): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary.replaceAll(/\\s+/g, ' ').slice(0, 200)})`).join('; ')}`))");
}
