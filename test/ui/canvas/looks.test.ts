// What is drawn, by its pixels: sharp on dense screens, typed colours, how nodes stand, progress and pictures; and that nothing is left
// behind or drawn when nothing changes.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle, chromiumPath, openPage, startBrowser, type OpenPage, type PageOptions } from './browser.ts';
import { chain, objectInfo, workflow } from './graphs.ts';

type Color = readonly [red: number, green: number, blue: number];
/** The dark theme's colours, as ui/canvas/theme.ts has them. */
const image: Color = [0x64, 0xb5, 0xf6];
const mask: Color = [0x81, 0xc7, 0x84];
const error: Color = [0xf0, 0x71, 0x6a];
const running: Color = [0x6c, 0xb6, 0xf0];
const accent: Color = [0xe0, 0xa4, 0x58];
const bypass: Color = [0xa7, 0x8b, 0xda];
const background: Color = [0x17, 0x18, 0x1b];

describe.skipIf(chromiumPath === undefined)('the look of the canvas', () => {
  let browser: Browser;
  let script: string;
  beforeAll(async () => { [browser, script] = await Promise.all([startBrowser(), bundle('editor.ts')]); });
  afterAll(() => browser.close());

  async function withPage(options: PageOptions, run: (open: OpenPage) => Promise<void>, text = chain): Promise<void> {
    const open = await openPage(browser, script, options);
    try {
      await open.page.evaluate(`window.shown = ${shown}; editor.load(${JSON.stringify(objectInfo)}, ${JSON.stringify(text)}); editor.canvas.setView({ scale: 1, offset: [0, 0] })`);
      await settled(open);
      await run(open);
      // that these tests read pixels is told to their author
      expect(open.complaints.filter((one) => !one.includes('willReadFrequently'))).toEqual([]);
    } finally {
      await open.close();
    }
  }
  const settled = (open: OpenPage) => expect.poll(() => open.page.evaluate('editor.canvas.isIdle()')).toBe(true);
  /** The colour at a point of the stage, in CSS pixels, as the bitmap has it. */
  const pixel = async (open: OpenPage, x: number, y: number) => {
    await settled(open);
    return open.page.evaluate<Color>(`[...shown(${x}, ${y}, 1 / devicePixelRatio, 1 / devicePixelRatio)].slice(0, 3)`);
  };
  /** What the stage shows of the bitmap, which is larger and lies behind it; in CSS pixels of the stage. */
  const shown = `(x = 0, y = 0, width = document.querySelector('#stage').clientWidth, height = document.querySelector('#stage').clientHeight) => {
    const [c, stage] = ['canvas', '#stage'].map((one) => document.querySelector(one));
    const [to, from, d] = [stage.getBoundingClientRect(), c.getBoundingClientRect(), devicePixelRatio];
    return c.getContext('2d').getImageData(Math.round((x + to.left - from.left) * d), Math.round((y + to.top - from.top) * d), width * d, height * d).data;
  }`;
  const near = (color: Color) => color.map((value) => expect.closeTo(value, -1.3)); // ± 10

  for (const dpr of [1, 2]) {
    test(`fault 12: at ${dpr} device pixels a CSS pixel, the bitmap has them all, and slots are where a click finds them`, () => withPage({ dpr, width: 820, height: 510 }, async (open) => {
      expect(await open.page.evaluate('(() => { const { width, height } = document.querySelector("canvas"), box = document.querySelector("canvas").getBoundingClientRect(); return [width / box.width, height / box.height]; })()')).toEqual([dpr, dpr]);
      // output IMAGE of node 1 lies at 200,94, MASK at 200,114 of the stage
      expect([await pixel(open, 200, 94), await pixel(open, 200, 114), await pixel(open, 20, 20)]).toEqual([near(image), near(mask), near(background)]);
      expect(await open.page.evaluate('[editor.canvas.targetAt({ x: 220, y: 104 }), editor.canvas.targetAt({ x: 220, y: 124 })]')).toEqual([{ kind: 'output', node: '1', slot: 0 }, { kind: 'output', node: '1', slot: 1 }]);
      await open.page.evaluate('editor.canvas.setView({ scale: 2, offset: [-60, -20] })');
      expect(await pixel(open, 280, 148)).toEqual(near(image));
      expect(await open.page.evaluate('editor.canvas.slotPoint("1", "out", "IMAGE")')).toEqual({ x: 300, y: 158 });
    }));
  }

  test('a link has the colour of its type, by its whole way', () => withPage({}, async (open) => {
    expect(await pixel(open, 250, 94)).not.toEqual(near(background));
    await open.page.mouse.move(220, 104); // the output it comes from
    expect(await pixel(open, 250, 94)).toEqual(near(image));
    await open.page.mouse.move(700, 500);
    expect(await pixel(open, 250, 94)).not.toEqual(near(image));
    await open.page.evaluate("editor.canvas.setSelection({ layer: '', nodes: ['1'], groups: [], reroutes: [], links: [] })");
    expect(await pixel(open, 250, 94)).toEqual(near(image));
  }));

  for (const { dpr, scale } of [{ dpr: 1, scale: 1 }, { dpr: 2, scale: 0.72 }, { dpr: 1, scale: 0.2 }]) {
    test(`a view that moves shows what a fresh drawing shows, but for the last bit of curves (${dpr} device pixels, scale ${scale})`, () => withPage({ dpr }, async (open) => {
      const pixels = 'shown()';
      await open.page.evaluate(`editor.canvas.setView({ scale: ${scale}, offset: [80, 40] })`);
      await settled(open);
      for (const [x, y] of [[-37, 0], [0, 61], [-120, -45], [90, 30], [0.3, 0.4], [0.5, 0], [-700, 10], [705, 0], [-140, 120], [-150, 130], [-160, 110], [200, -190], [240, -230], [3, 2]] as const) {
        await open.page.evaluate(`(() => { const { scale, offset } = editor.canvas.view(); editor.canvas.setView({ scale, offset: [offset[0] + ${x} / scale, offset[1] + ${y} / scale] }); })()`);
        await settled(open);
        const seen = await open.page.evaluate(`window.moved = ${pixels}; editor.canvas.perf().visible`);
        await open.page.evaluate('editor.canvas.setSettings({})'); // all is drawn anew
        await settled(open);
        const [most, many] = await open.page.evaluate<[number, number]>(`(() => { let most = 0, many = 0; ${pixels}.forEach((value, i) => { const by = Math.abs(value - window.moved[i]); most = Math.max(most, by); if (by > 2) many++; }); return [most, many]; })()`);
        // a curve that is clipped elsewhere is cut into other pieces
        expect(most <= 8 && many <= 60, `after ${x}, ${y}: ${many} values differ, by ${most} at most`).toBe(true);
        expect(await open.page.evaluate('editor.canvas.perf().visible')).toBe(seen);
      }
    }));
  }

  test('slots of different types differ by shape too: a square and a ring look different without colour', () => withPage({}, async (open) => {
    const filled = async (x: number, y: number) => open.page.evaluate<number>(`(() => { const data = shown(${x} - 8, ${y} - 8, 16, 16); let n = 0; for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] > 330) n++; return n; })()`);
    await open.page.evaluate("editor.run({ kind: 'addNode', layer: '', type: 'Reroute', at: [40, 400] })");
    await settled(open);
    const [square, ring] = [await filled(200, 114), await filled(40, 413)];
    expect(Math.abs(square - ring)).toBeGreaterThan(20);
  }));

  test('selected, failed, running and bypassed nodes are framed in their colours', () => withPage({}, async (open) => {
    const frame = () => pixel(open, 380, 50); // the top edge of node 2
    await open.page.evaluate("editor.run({ kind: 'setMode', layer: '', nodes: ['2'], mode: 4 })");
    await settled(open);
    const dashes = await Promise.all([...Array(16).keys()].map((i) => open.page.evaluate<Color>(`[...shown(${360 + i}, 50, 1, 1)].slice(0, 3)`)));
    const isPurple = ([r, , b]: Color) => b > bypass[2] * 0.6 && r > bypass[0] * 0.6;
    expect([dashes.some(isPurple), dashes.every(isPurple)]).toEqual([true, false]);
    await open.page.evaluate("editor.run({ kind: 'setMode', layer: '', nodes: ['2'], mode: 0 }); editor.canvas.setSelection({ layer: '', nodes: ['2'], groups: [], reroutes: [], links: [] })");
    expect(await frame()).toEqual(near(accent));
    await open.page.evaluate("editor.canvas.setRuns({ 2: { status: 'running', notices: [], movedBytes: 0, counts: {}, inner: [] } })");
    expect(await frame()).toEqual(near(running));
    await open.page.evaluate("editor.canvas.setProblems({ 2: { severity: 'error', inputs: ['image'] } })");
    expect(await frame()).toEqual(near(error));
  }));

  test('the bar below the title is as long as the run is far', () => withPage({}, async (open) => {
    const at = (value: number) => open.page.evaluate(`editor.canvas.setRuns({ 2: { status: 'running', progress: { source: '2', value: ${value}, max: 20, at: 0, firstValue: 0, firstAt: 0 }, notices: [], movedBytes: 0, counts: {}, inner: [] } })`);
    await at(5);
    expect([await pixel(open, 320, 78), await pixel(open, 350, 78)]).toEqual([near(running), expect.not.arrayContaining([...running])]);
    await at(15);
    expect(await pixel(open, 410, 78)).toEqual(near(running));
  }));

  test('a picture of a result is drawn in its node, and a preview over it until it ends; memory is given back', () => withPage({}, async (open) => {
    const png = (color: string) => open.page.evaluate<string>(`(() => { const c = document.createElement('canvas'); c.width = c.height = 8; const x = c.getContext('2d'); x.fillStyle = '${color}'; x.fillRect(0, 0, 8, 8); return c.toDataURL(); })()`);
    const red = await png('#ff0000');
    await open.page.evaluate(`editor.canvas.setPictures('3', [${JSON.stringify(red)}])`);
    await expect.poll(() => pixel(open, 690, 200)).toEqual([255, 0, 0]);
    expect(await open.page.evaluate('editor.canvas.targetAt({ x: 710, y: 210 })')).toEqual({ kind: 'picture', node: '3', index: 0 });
    await open.page.evaluate(`new Promise((done) => { const c = document.createElement('canvas'); c.width = c.height = 4; const x = c.getContext('2d'); x.fillStyle = '#00ff00'; x.fillRect(0, 0, 4, 4); c.toBlob((blob) => { editor.canvas.setPreview('3', blob); done(); }); })`);
    await expect.poll(() => pixel(open, 690, 200)).toEqual([0, 255, 0]);
    expect(await open.page.evaluate('editor.canvas.perf().pictureBytes')).toBe(8 * 8 * 4 + 4 * 4 * 4);
    await open.page.evaluate("editor.canvas.setPreview('3', undefined)");
    expect(await pixel(open, 690, 200)).toEqual([255, 0, 0]);
    await open.page.evaluate("editor.canvas.setPictures('3', [])");
    expect((await open.page.evaluate<{ height: number }>("editor.canvas.nodeBox('3')")).height).toBe(110);
  }));

  test('from afar nodes are boxes, and thousands are drawn at once', () => withPage({}, async (open) => {
    await open.page.evaluate('editor.grow(2000, 50); editor.canvas.fit()');
    await settled(open);
    const { visible, nodes } = await open.page.evaluate<{ visible: number; nodes: number }>('editor.canvas.perf()');
    expect([visible, nodes]).toEqual([2000, 2000]);
    const box = await open.page.evaluate<{ x: number; y: number; width: number; height: number }>("editor.canvas.nodeBox('120')");
    expect(await pixel(open, box.x - 20 + box.width / 2, box.y - 10 + box.height / 2)).not.toEqual(near(background));
    expect(await open.page.evaluate(`editor.canvas.targetAt({ x: ${box.x + box.width / 2}, y: ${box.y + box.height / 2} })`)).toEqual({ kind: 'node', node: '120', part: 'title' });
  }));

  test('at rest nothing is drawn; a change draws one frame', () => withPage({}, async (open) => {
    const frames = () => open.page.evaluate<number>('editor.canvas.perf().frames');
    const before = await frames();
    await open.page.evaluate('new Promise((done) => setTimeout(done, 250))');
    expect(await frames()).toBe(before);
    await open.page.evaluate("for (let i = 0; i < 20; i++) editor.run({ kind: 'move', layer: '', moves: { nodes: { 1: [i, i] } } })");
    await settled(open);
    expect(await frames()).toBe(before + 1);
  }));

  test('colours come from CSS variables, and are read again on request', () => withPage({ css: ':root { --c-canvas: #102030 } .light { --c-canvas: #f0f0f0 }' }, async (open) => {
    expect(await pixel(open, 20, 20)).toEqual([0x10, 0x20, 0x30]);
    await open.page.evaluate("document.documentElement.className = 'light'; editor.canvas.refreshTheme()");
    expect(await pixel(open, 20, 20)).toEqual([0xf0, 0xf0, 0xf0]);
  }));

  test('a canvas that changes its size keeps its picture and fills its place', () => withPage({}, async (open) => {
    await open.page.setViewportSize({ width: 700, height: 500 });
    // the bitmap reaches beyond the place equally far on every side
    const beyond = "(() => { const [c, stage] = ['canvas', '#stage'].map((one) => document.querySelector(one).getBoundingClientRect()); return [stage.left - c.left, stage.top - c.top, c.right - stage.right, c.bottom - stage.bottom]; })()";
    await expect.poll(async () => { const [left, ...others] = await open.page.evaluate<number[]>(beyond); return left! > 0 && others.every((one) => one === left); }).toBe(true);
    expect(await pixel(open, 200, 94)).toEqual(near(image));
  }));

  test('widgets in sight are told with their places; none while the view is too small for fields', () => withPage({}, async (open) => {
    const count = () => open.page.evaluate<number>('editor.widgets()');
    expect(await count()).toBe(2);
    expect(await open.page.evaluate("editor.canvas.widgetBox('3', 'prefix')")).toEqual({ x: 634, y: 116, width: 152, height: 20 });
    await open.page.evaluate('editor.canvas.setView({ scale: 0.4, offset: [0, 0] })');
    await expect.poll(count).toBe(0);
    await open.page.evaluate('editor.canvas.setView({ scale: 1, offset: [-560, 0] })');
    await expect.poll(count).toBe(1);
    await open.page.evaluate("editor.canvas.setText('3', 'a thought')");
    await expect.poll(count).toBe(2);
  }));

  test('the minimap shows every node and the part in sight, and moves the view', () => withPage({ css: '#map { position: absolute; right: 10px; bottom: 10px; width: 200px; height: 120px; }' }, async (open) => {
    await open.page.evaluate("const map = document.createElement('div'); map.id = 'map'; document.body.append(map); window.map = editor.canvas.minimap(map)");
    await open.page.evaluate('editor.grow(400, 20); editor.canvas.setView({ scale: 1, offset: [0, 0] })');
    await settled(open);
    const colors = await open.page.evaluate<number>(`(() => { const c = document.querySelector('#map canvas'); const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height); const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]); return seen.size; })()`);
    expect(colors).toBeGreaterThan(2);
    const box = (await open.page.locator('#map').boundingBox())!;
    await open.page.mouse.click(box.x + box.width - 30, box.y + box.height - 20);
    const { offset } = await open.page.evaluate<{ offset: number[] }>('editor.canvas.view()');
    expect([offset[0]! < -2000, offset[1]! < -2000]).toEqual([true, true]);
    await open.page.evaluate('map.destroy()');
    expect(await open.page.locator('#map canvas').count()).toBe(0);
  }));

  test('fault 8: made and destroyed fifty times, no listener, element or frame stays', () => withPage({}, async (open) => {
    const listeners = async () => {
      await open.cdp.send('HeapProfiler.enable');
      await open.cdp.send('HeapProfiler.collectGarbage');
      await open.cdp.send('Performance.enable');
      const { metrics } = await open.cdp.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'JSEventListeners')!.value;
    };
    await open.page.evaluate('editor.remake()');
    const before = await listeners();
    await open.page.evaluate('for (let i = 0; i < 50; i++) editor.remake()');
    expect([await listeners(), await open.page.locator('canvas').count()]).toEqual([before, 1]);
  }));

  test('numbers of a file that are no places harm nothing', () => withPage({}, async (open) => {
    await open.page.evaluate('editor.canvas.setView({ scale: Number.NaN, offset: [Infinity, 0] })');
    expect(await open.page.evaluate('editor.canvas.view()')).toEqual({ scale: 1, offset: [0, 0] });
    await open.page.evaluate('editor.canvas.setView({ scale: 1e9, offset: [0, 0] })');
    expect(await open.page.evaluate('editor.canvas.view().scale')).toBe(4);
  }, workflow([{ id: 1, type: 'Invert', pos: [1e308, -1e308] }, { id: 2, type: 'Invert', pos: [40, 80], size: [1e12, -5] }])));
});
