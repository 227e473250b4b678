// The pointer and touch layer with real input: mouse, fingers and wheel as Chromium gets them from its devices.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundle, chromiumPath, openPage, startBrowser, touch, type OpenPage } from './browser.ts';

const css = '.surface{position:absolute;inset:0;width:100%;height:100%;touch-action:none} .field{position:absolute;left:400px;top:300px;width:100px;height:60px} .panel{position:absolute;left:600px;top:300px;width:100px;height:60px}';

describe.skipIf(chromiumPath === undefined)('the pointer layer in Chromium', () => {
  let browser: Browser;
  let script: string;
  let open: OpenPage;
  beforeAll(async () => { [browser, script] = await Promise.all([startBrowser(), bundle('gestures.ts')]); });
  afterAll(() => browser.close());
  beforeEach(async () => { open = await openPage(browser, script, { css, touch: true }); });
  afterEach(async () => {
    expect(open.complaints).toEqual([]);
    await open.close();
  });
  const told = () => open.page.evaluate<string[]>('told.splice(0).filter((one) => one !== "leave")');

  // the stage lies at 20,10
  test('fault 9: clicks and double clicks of a mouse, with modifiers, on the main and other buttons', async () => {
    await open.page.mouse.dblclick(120, 110);
    expect(await told()).toEqual(['press 100,100', 'click×1 100,100 mouse 0', 'press 100,100', 'click×2 100,100 mouse 0']);
    await open.page.keyboard.down('Shift');
    await open.page.mouse.click(300, 110, { button: 'right' });
    expect(await told()).toEqual(['press 280,100', 'click×1 280,100 mouse 2 shift']);
  });

  test('a drag of the mouse goes on outside the window, and Escape undoes it', async () => {
    const { mouse, keyboard } = open.page;
    await mouse.move(120, 110);
    await mouse.down();
    await mouse.move(-50, -40);
    await mouse.up();
    expect(await told()).toEqual(['press 100,100', 'dragStart -70,-50', 'drag -70,-50', 'dragEnd -70,-50']);
    await mouse.move(120, 110);
    await mouse.down();
    await mouse.move(220, 110);
    await keyboard.press('Escape');
    await mouse.move(260, 110);
    await mouse.up();
    expect(await told()).toEqual(['press 100,100', 'dragStart 200,100', 'drag 200,100', 'dragCancel']);
  });

  test('fault 9: a finger taps, taps twice, drags and holds', async () => {
    await touch(open, 'touchStart', [120, 110]);
    await touch(open, 'touchEnd');
    await touch(open, 'touchStart', [121, 111]);
    await touch(open, 'touchEnd');
    expect(await told()).toEqual(['press 100,100', 'click×1 100,100 touch 0', 'press 101,101', 'click×2 101,101 touch 0']);
    await touch(open, 'touchStart', [120, 110]);
    await touch(open, 'touchMove', [150, 110]);
    await touch(open, 'touchMove', [180, 110]);
    await touch(open, 'touchEnd');
    expect((await told()).filter((one) => !one.startsWith('drag '))).toEqual(['press 100,100', 'dragStart 130,100', 'dragEnd 160,100']);
    await touch(open, 'touchStart', [120, 110]);
    await expect.poll(() => open.page.evaluate('told.includes("hold 100,100")')).toBe(true);
    await touch(open, 'touchEnd');
    expect(await told()).toEqual(['press 100,100', 'hold 100,100', 'holdEnd 100,100']);
  });

  test('two fingers pinch, and the page itself neither scrolls nor zooms', async () => {
    await touch(open, 'touchStart', [220, 210]);
    await touch(open, 'touchStart', [220, 210], [320, 210]);
    await touch(open, 'touchMove', [170, 210], [370, 210]);
    await touch(open, 'touchEnd', [170, 210]);
    await touch(open, 'touchEnd');
    const seen = await told();
    expect(seen[0]).toBe('press 200,200');
    expect(seen.filter((one) => /^pinch(Start|End)$/.test(one))).toEqual(['pinchStart', 'pinchEnd']);
    const factors = seen.flatMap((one) => /^pinch .*×(.*)$/.exec(one)?.[1] ?? []).map(Number);
    expect(factors.reduce((product, factor) => product * factor, 1)).toBeCloseTo(2, 1);
    expect(await open.page.evaluate('[visualViewport.scale, scrollX, scrollY]')).toEqual([1, 0, 0]);
  });

  test('a touch that the browser takes away is undone', async () => {
    await touch(open, 'touchStart', [120, 110]);
    await touch(open, 'touchMove', [180, 110]);
    await touch(open, 'touchCancel');
    expect((await told()).at(-1)).toBe('dragCancel');
  });

  test('fault 10: the wheel zooms at the pointer, with ctrl as a pinch, slanted as a trackpad', async () => {
    await open.page.mouse.move(120, 110);
    await open.page.mouse.wheel(0, -100);
    await expect.poll(told).toEqual(['zoom 1.16 at 100,100']);
    await open.page.keyboard.down('Control');
    await open.page.mouse.wheel(0, 10);
    await open.page.keyboard.up('Control');
    await expect.poll(told).toEqual(['zoom 0.90 at 100,100']);
    await open.page.mouse.wheel(12, 7);
    await expect.poll(told).toEqual(['pan -12,-7 at 100,100']);
    expect(await open.page.evaluate('devicePixelRatio')).toBe(1);
  });

  test('a field over the canvas keeps its clicks, and its wheel while it has the focus; the middle button goes through', async () => {
    const { mouse } = open.page;
    await mouse.move(440, 330);
    await mouse.wheel(0, 100);
    await expect.poll(told).toEqual(['zoom 0.86 at 420,320']);
    await mouse.click(440, 330);
    expect(await told()).toEqual([]);
    await mouse.wheel(0, 100);
    await expect.poll(() => open.page.evaluate<number>('document.querySelector(".field").scrollTop')).toBeGreaterThan(0);
    expect(await told()).toEqual([]);
    await mouse.down({ button: 'middle' });
    await mouse.move(480, 330);
    await mouse.up({ button: 'middle' });
    expect(await told()).toEqual(['press 420,320', 'dragStart 460,320', 'drag 460,320', 'dragEnd 460,320']);
  });

  test('a panel over the canvas keeps everything', async () => {
    await open.page.mouse.move(660, 340);
    await open.page.mouse.wheel(0, 100);
    await open.page.mouse.click(660, 340, { button: 'middle' });
    await open.page.mouse.click(660, 340);
    await open.page.mouse.click(120, 110);
    expect(await told()).toEqual(['press 100,100', 'click×1 100,100 mouse 0']);
  });

  test('destroyed, it hears nothing', async () => {
    await open.page.evaluate('layer.destroy()');
    await open.page.mouse.click(120, 110);
    await open.page.mouse.wheel(0, 100);
    expect(await told()).toEqual([]);
  });
});
