// The canvas with real input on real documents in Chromium: what each gesture does, once, and what of litegraph must not happen.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundle, chromiumPath, openPage, startBrowser, touch, type OpenPage } from './browser.ts';
import { chain, objectInfo, workflow } from './graphs.ts';

interface Editor {
  canvas: {
    slotPoint(node: string, side: string, slot: string | number): { x: number; y: number };
    nodeBox(node: string): { x: number; y: number; width: number; height: number };
    view(): { scale: number; offset: [number, number] };
    [name: string]: unknown;
  };
  document(): { nodes: Record<string, { pos: number[]; size: number[]; flags: object }>; links: Record<string, { from: string; fromSlot: number; to: string; toSlot: number }>; groups: Record<string, { box: number[] }>; reroutes: Record<string, { pos: number[]; parent?: string }> };
}

describe.skipIf(chromiumPath === undefined)('the canvas in Chromium', () => {
  let browser: Browser;
  let open: OpenPage;
  beforeAll(async () => {
    browser = await startBrowser();
    open = await openPage(browser, await bundle('editor.ts'), { touch: true });
  });
  afterAll(() => browser.close());
  beforeEach(() => load(chain));
  afterEach(async () => {
    expect(await ask('canvas.differences()')).toEqual([]);
    expect(open.complaints).toEqual([]);
  });

  const ask = <T>(expression: string) => open.page.evaluate<T>(`editor.${expression}`);
  const told = () => ask<unknown[]>('told()');
  const commands = async () => (await told()).filter((one) => (one as unknown[])[0] === 'command').map((one) => (one as unknown[])[1]);
  const document = () => ask<ReturnType<Editor['document']>>('document()');
  const slot = (node: string, side: 'in' | 'out', name: string | number) => ask<{ x: number; y: number }>(`canvas.slotPoint('${node}', '${side}', ${JSON.stringify(name)})`);
  const steps = () => ask<number>('history.undoSteps.length');
  const selection = () => ask<{ nodes: string[]; links: string[]; groups: string[]; reroutes: string[] }>('selection()');

  /** Opens a workflow at scale 1, its origin at the corner of the stage, which lies at 20,10. */
  async function load(text: string): Promise<void> {
    await open.page.evaluate(`editor.load(${JSON.stringify(objectInfo)}, ${JSON.stringify(text)}); editor.canvas.setView({ scale: 1, offset: [0, 0] }); editor.canvas.setSelection({ layer: '', nodes: [], groups: [], reroutes: [], links: [] }); editor.told()`);
    await open.page.mouse.move(5, 5);
  }

  async function drag(from: { x: number; y: number }, to: { x: number; y: number }, { keep = false, button = 'left' as 'left' | 'middle' } = {}): Promise<void> {
    await open.page.mouse.move(from.x, from.y);
    await open.page.mouse.down({ button });
    await open.page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2);
    await open.page.mouse.move(to.x, to.y);
    if (!keep) await open.page.mouse.up({ button });
  }

  // node 1 lies at 40,80 of the graph, so its title at 60..220 × 60..90 of the window
  const title = (x: number, y: number) => ({ x: x + 20 + 60, y: y + 10 - 15 });

  test('dragging a node moves it by whole units, in one step; a click selects and changes nothing', async () => {
    await open.page.mouse.click(title(40, 80).x, title(40, 80).y);
    expect([(await selection()).nodes, await steps()]).toEqual([['1'], 0]);
    await drag(title(40, 80), { x: title(40, 80).x + 33, y: title(40, 80).y + 170 });
    expect((await document()).nodes['1']!.pos).toEqual([73, 250]);
    expect([await steps(), await commands()]).toEqual([1, [{ kind: 'move', moves: { nodes: { 1: [73, 250] }, groups: {}, reroutes: {} } }]]);
    await ask('history.undo()');
    expect((await document()).nodes['1']!.pos).toEqual([40, 80]);
  });

  test('several selected nodes move together; a pinned one stays', async () => {
    await ask("run({ kind: 'setPinned', layer: '', nodes: ['2'], isPinned: true })");
    await ask("canvas.setSelection({ layer: '', nodes: ['1', '2', '3'], groups: [], reroutes: [], links: [] })");
    await open.page.evaluate("editor.canvas.setSettings({ snap: { gridStep: 0, guides: false } })");
    // the page keeps the selection that the canvas tells
    await open.page.mouse.click(title(40, 80).x, title(40, 80).y);
    await open.page.keyboard.down('Shift');
    for (const [x, y] of [[300, 80], [600, 80]] as const) await open.page.mouse.click(title(x, y).x, title(x, y).y);
    await open.page.keyboard.up('Shift');
    expect((await selection()).nodes.toSorted()).toEqual(['1', '2', '3']);
    await drag(title(40, 80), { x: title(40, 80).x + 10, y: title(40, 80).y + 100 });
    const { nodes } = await document();
    expect([nodes['1']!.pos, nodes['2']!.pos, nodes['3']!.pos]).toEqual([[50, 180], [300, 80], [610, 180]]);
    await open.page.evaluate('editor.canvas.setSettings({ snap: { gridStep: 0, guides: true } })');
  });

  test('a dragged node comes into line with its neighbours', async () => {
    await drag(title(300, 300), { x: title(300, 300).x + 3, y: title(300, 300).y + 60 });
    expect((await document()).nodes['4']!.pos).toEqual([300, 360]);
  });

  test('the canvas is panned by dragging where nothing is, and by the middle button anywhere', async () => {
    await drag({ x: 100, y: 400 }, { x: 150, y: 380 });
    await drag(title(300, 80), { x: title(300, 80).x + 10, y: title(300, 80).y + 5 }, { button: 'middle' });
    expect(await ask('canvas.view()')).toEqual({ scale: 1, offset: [60, -15] });
    expect([await steps(), await told()]).toEqual([0, []]);
  });

  test('a box drawn with Ctrl selects what it touches; with Shift more; Escape takes it back', async () => {
    const { keyboard } = open.page;
    await keyboard.down('Control');
    await drag({ x: 40, y: 200 }, { x: 400, y: 60 });
    await keyboard.up('Control');
    expect((await selection()).nodes.toSorted()).toEqual(['1', '2']);
    await keyboard.down('Shift');
    await drag({ x: 300, y: 450 }, { x: 500, y: 380 });
    await keyboard.up('Shift');
    expect((await selection()).nodes.toSorted()).toEqual(['1', '2', '4']);
    await keyboard.down('Control');
    await drag({ x: 600, y: 250 }, { x: 850, y: 60 }, { keep: true });
    await keyboard.press('Escape');
    await open.page.mouse.up();
    await keyboard.up('Control');
    expect((await selection()).nodes.toSorted()).toEqual(['1', '2', '4']);
  });

  test('fault 5: a link dragged to a slot is one command and one step', async () => {
    await drag(await slot('2', 'out', 0), await slot('4', 'in', 'b'));
    expect(await commands()).toEqual([{ kind: 'connect', from: { node: '2', slot: 0 }, to: { node: '4', input: 'b' } }]);
    expect(await steps()).toBe(1);
    expect(Object.values((await document()).links).map(({ from, to, toSlot }) => `${from}→${to}.${toSlot}`)).toEqual(['1→2.0', '2→3.0', '2→4.1']);
  });

  test('a link goes both ways, and onto a node means the slot that suits best', async () => {
    await drag(await slot('4', 'in', 'a'), await slot('1', 'out', 0));
    const box = await ask<{ x: number; y: number; width: number; height: number }>("canvas.nodeBox('4')");
    await drag(await slot('1', 'out', 0), { x: box.x + box.width / 2, y: box.y + 12 });
    expect(Object.values((await document()).links).filter(({ to }) => to === '4').map(({ from, toSlot }) => `${from}.${toSlot}`)).toEqual(['1.0', '1.1']);
  });

  test('the socket of a widget takes links of its type alone', async () => {
    const factor = await slot('4', 'in', 'factor');
    await drag(await slot('2', 'out', 0), factor);
    expect((await told()).slice(-1)).toEqual([['refusedLink', 'IMAGE does not fit FLOAT.', '2', 'input', null]]);
  });

  test('a link that does not fit is refused with the reason, and with what would go between', async () => {
    await drag(await slot('1', 'out', 'MASK'), await slot('4', 'in', 'a'), { keep: true });
    expect(await told()).toContainEqual(['refusal', 'MASK does not fit IMAGE. Put Mask to Image between them.']);
    await open.page.mouse.up();
    expect(await told()).toEqual([['refusedLink', 'MASK does not fit IMAGE. Put Mask to Image between them.', '1', 'input', 'MaskToImage']]);
    expect(await steps()).toBe(0);
  });

  test('a circle is refused while dragging', async () => {
    await drag(await slot('4', 'in', 'a'), await slot('2', 'out', 0));
    await drag(await slot('4', 'out', 0), await slot('2', 'in', 'image'));
    expect((await told()).slice(-1)).toEqual([['refusedLink', 'This would be a circle: Join already depends on this node.', '4', 'input', null]]);
    expect(await steps()).toBe(1);
  });

  test('a link dropped where nothing is asks what to add', async () => {
    await drag(await slot('1', 'out', 'MASK'), { x: 150, y: 400 });
    expect(await told()).toEqual([['dropped', { kind: 'output', node: '1', slot: 1, type: 'MASK' }, 'place']]);
  });

  test('fault 6: a link taken up at its input is laid elsewhere, put back, or removed; always that one link', async () => {
    await drag(await slot('3', 'in', 'images'), await slot('4', 'in', 'a'));
    await drag(await slot('4', 'in', 'a'), await slot('4', 'in', 'a'));
    expect(await commands()).toEqual([{ kind: 'connect', from: { node: '2', slot: 0 }, to: { node: '4', input: 'a' }, replaces: '2' }]);
    const [id] = Object.entries((await document()).links).find(([, { to }]) => to === '4')!;
    await drag(await slot('4', 'in', 'a'), { x: 150, y: 400 });
    expect(await commands()).toEqual([{ kind: 'disconnect', link: id }]);
    expect(Object.keys((await document()).links)).toEqual(['1']);
  });

  test('a double click on a link puts a point on it, which can be moved; on the piece that was clicked', async () => {
    const [a, b] = [await slot('1', 'out', 0), await slot('2', 'in', 'image')];
    await open.page.mouse.dblclick((a.x + b.x) / 2, a.y);
    const point = { x: Math.round((a.x + b.x) / 2), y: a.y };
    await drag(point, { x: point.x, y: point.y + 80 });
    await open.page.mouse.dblclick((a.x + point.x) / 2, a.y + 40);
    const { reroutes } = await document();
    expect(Object.entries(reroutes).map(([id, { parent }]) => [id, parent])).toEqual([['1', '2'], ['2', undefined]]);
    expect(reroutes['1']!.pos[1]).toBe(Math.round(a.y - 10 + 80));
    await open.page.mouse.click(point.x, point.y + 80);
    expect((await selection()).reroutes).toEqual(['1']);
  });

  test('a node let go on a link goes between its ends', async () => {
    await ask("run({ kind: 'addNode', layer: '', type: 'Invert', at: [480, 300] })");
    await ask("run({ kind: 'disconnect', layer: '', link: '2' })");
    const added = Object.keys((await document()).nodes).find((id) => !['1', '2', '3', '4'].includes(id))!;
    const [a, b] = [await slot('1', 'out', 0), await slot('2', 'in', 'image')];
    await drag(title(480, 300), { x: (a.x + b.x) / 2, y: a.y });
    expect((await commands()).map((one) => (one as { kind: string }).kind)).toEqual(['insertNode']);
    expect(Object.values((await document()).links).map(({ from, to }) => `${from}→${to}`)).toEqual([`1→${added}`, `${added}→2`]);
  });

  test('a node is resized by its corner, not below what it needs; collapsed by its arrow', async () => {
    const corner = { x: 20 + 600 + 180 - 4, y: 10 + 80 + 80 - 4 };
    await drag(corner, { x: corner.x + 45, y: corner.y + 30 });
    expect((await document()).nodes['3']!.size).toEqual([225, 110]);
    await drag({ x: corner.x + 45, y: corner.y + 30 }, { x: 300, y: 50 });
    expect((await document()).nodes['3']!.size).toEqual([120, 56]);
    await open.page.mouse.click(20 + 300 + 12, 10 + 80 - 15);
    expect((await document()).nodes['2']!.flags).toEqual({ collapsed: true });
    expect((await ask<{ height: number }>("canvas.nodeBox('2')")).height).toBe(30);
  });

  test('a group takes along what is in it, and is resized', async () => {
    await ask("run({ kind: 'addGroup', layer: '', title: 'Group', box: [20, 10, 500, 180] })");
    await drag({ x: 20 + 400, y: 10 + 26 }, { x: 20 + 410, y: 10 + 226 });
    const { nodes, groups } = await document();
    expect([groups['1']!.box, nodes['1']!.pos, nodes['2']!.pos, nodes['3']!.pos]).toEqual([[30, 210, 500, 180], [50, 280], [310, 280], [600, 80]]);
    await drag({ x: 20 + 526, y: 10 + 386 }, { x: 20 + 566, y: 10 + 406 });
    expect((await document()).groups['1']!.box).toEqual([30, 210, 540, 200]);
  });

  test('Alt drags a copy', async () => {
    await open.page.mouse.click(title(300, 300).x, title(300, 300).y);
    await open.page.keyboard.down('Alt');
    await drag(title(300, 300), { x: title(300, 300).x - 200, y: title(300, 300).y + 20 });
    await open.page.keyboard.up('Alt');
    const { nodes } = await document();
    expect(Object.keys(nodes)).toHaveLength(5);
    expect([nodes['4']!.pos, Object.values(nodes).at(-1)!.pos]).toEqual([[300, 300], [100, 320]]);
  });

  test('a dragged link at the edge moves the view along', async () => {
    await drag(await slot('1', 'out', 0), { x: 890, y: 300 }, { keep: true });
    await expect.poll(() => ask<number>('canvas.view().offset[0]')).toBeLessThan(-100);
    await open.page.keyboard.press('Escape');
    await open.page.mouse.up();
    expect(await steps()).toBe(0);
  });

  test('the second button opens a menu for what is under it; double clicks are told', async () => {
    await open.page.mouse.click(title(300, 80).x, title(300, 80).y, { button: 'right' });
    expect([await told(), (await selection()).nodes]).toEqual([[['menu', { kind: 'node', node: '2', part: 'title' }, 'place']], ['2']]);
    await open.page.mouse.dblclick(150, 450);
    expect(await told()).toEqual([['double', { kind: 'empty' }, 'place']]);
  });

  test('fingers: a tap selects, a drag moves a node or the view, two zoom, a rest opens the menu', async () => {
    await touch(open, 'touchStart', [title(40, 80).x, title(40, 80).y]);
    await touch(open, 'touchEnd');
    expect((await selection()).nodes).toEqual(['1']);
    await touch(open, 'touchStart', [title(40, 80).x, title(40, 80).y]);
    await touch(open, 'touchMove', [title(40, 80).x + 20, title(40, 80).y + 100]);
    await touch(open, 'touchMove', [title(40, 80).x + 40, title(40, 80).y + 200]);
    await touch(open, 'touchEnd');
    expect((await document()).nodes['1']!.pos).toEqual([80, 280]);
    await touch(open, 'touchStart', [400, 500]);
    await touch(open, 'touchStart', [400, 500], [500, 500]);
    await touch(open, 'touchMove', [350, 500], [550, 500]);
    await touch(open, 'touchEnd');
    const { scale, offset } = await ask<{ scale: number; offset: [number, number] }>('canvas.view()');
    expect(scale).toBeCloseTo(2, 5);
    // what was between the fingers stays there: 450,500 of the window
    expect([(430 / scale) - offset[0], (490 / scale) - offset[1]].map(Math.round)).toEqual([430, 490]);
    await ask('told()');
  });

  test('a finger that rests opens the menu of what is under it; on nothing, when it is lifted, or it draws a box', async () => {
    const rest = () => open.page.evaluate('new Promise((done) => setTimeout(done, 600))');
    await touch(open, 'touchStart', [title(300, 80).x, title(300, 80).y]);
    await expect.poll(told).toEqual([['menu', { kind: 'node', node: '2', part: 'title' }, 'place']]);
    await touch(open, 'touchMove', [title(300, 80).x + 60, title(300, 80).y + 60]);
    await touch(open, 'touchEnd');
    expect([await steps(), await told()]).toEqual([0, []]);
    await touch(open, 'touchStart', [100, 300]);
    await rest();
    await touch(open, 'touchEnd');
    expect(await told()).toEqual([['menu', { kind: 'empty' }, 'place']]);
    await touch(open, 'touchStart', [40, 250]);
    await rest();
    await touch(open, 'touchMove', [200, 100]);
    await touch(open, 'touchMove', [350, 70]);
    await touch(open, 'touchEnd');
    expect([(await selection()).nodes.toSorted(), await told()]).toEqual([['1', '2'], []]);
  });

  test('fault 10: the wheel zooms at the pointer: what is under it stays', async () => {
    const at = await slot('4', 'in', 'a');
    await open.page.mouse.move(at.x, at.y);
    for (let i = 0; i < 5; i++) await open.page.mouse.wheel(0, -120);
    await expect.poll(() => ask<number>('canvas.view().scale')).toBeGreaterThan(2);
    const now = await slot('4', 'in', 'a');
    expect([now.x, now.y]).toEqual([expect.closeTo(at.x, 3), expect.closeTo(at.y, 3)]);
  });

  test('fault 11: texts of a file stay texts: no element, no script, no HTML is made of them', async () => {
    await open.page.evaluate(`Object.defineProperty(Element.prototype, 'innerHTML', { configurable: true, set() { throw new Error('innerHTML was set'); } }); window.hacked = false`);
    const evil = '<img src=x onerror="window.hacked=true">';
    await load(workflow([{ id: 1, type: evil, pos: [40, 80], title: evil, color: 'url(javascript:alert(1))', inputs: [{ name: evil, type: evil, link: null }], outputs: [{ name: evil, type: '*', links: [] }], widgets_values: [evil] }], [], { groups: [{ title: evil, bounding: [10, 20, 400, 300], color: evil }] }));
    const elements = await open.page.evaluate('document.querySelectorAll("*").length');
    const { mouse, keyboard } = open.page;
    for (const button of ['left', 'right'] as const) for (const [x, y] of [[100, 75], [62, 105], [240, 105], [150, 120], [400, 300]] as const) await mouse.click(x, y, { button });
    await mouse.dblclick(100, 75);
    await keyboard.press('a');
    expect(await open.page.evaluate('[document.querySelectorAll("*").length, window.hacked]')).toEqual([elements, false]);
    await open.page.evaluate('delete Element.prototype.innerHTML');
    await open.page.reload();
  });

  test('fault 13: a click brings a node to the front on the screen, but not in the document', async () => {
    await load(workflow([{ id: 1, type: 'Invert', pos: [100, 100], size: [200, 100] }, { id: 2, type: 'Invert', pos: [180, 120], size: [200, 100] }]));
    const under = () => ask<{ node: string }>('canvas.targetAt({ x: 260, y: 170 })');
    expect((await under()).node).toBe('2');
    const before = await ask('document()');
    await open.page.mouse.click(220, 95);
    expect((await under()).node).toBe('1');
    expect([await ask('document()'), await steps()]).toEqual([before, 0]);
  });

  test('fault 15: dropped files are the page\'s', async () => {
    const prevented = await open.page.evaluate(`(() => { const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: new DataTransfer() }); document.querySelector('canvas').dispatchEvent(event); return event.defaultPrevented; })()`);
    expect(prevented).toBe(false);
  });

  test('fault 16: a value is set at once, by a command', async () => {
    expect(await open.page.evaluate(`editor.run({ kind: 'setValue', layer: '', node: '4', input: 'factor', value: 0.75 }) && editor.canvas.differences().length`)).toBe(0);
    expect((await document()).nodes['4']).toMatchObject({ values: { factor: 0.75 } });
  });

  test('fault 17: keys do nothing by themselves', async () => {
    const before = await ask('document()');
    await open.page.mouse.click(title(40, 80).x, title(40, 80).y);
    for (const key of ['Delete', 'Backspace', 'Control+a', 'Control+c', 'Control+v', 'Space']) await open.page.keyboard.press(key);
    expect([await ask('document()'), (await selection()).nodes, await steps()]).toEqual([before, ['1'], 0]);
    await drag(title(300, 80), { x: title(300, 80).x + 50, y: title(300, 80).y + 50 });
    expect(await steps()).toBe(1);
  });

  test('settings: everything snaps to a grid, links are hidden, nothing can be edited', async () => {
    const set = (settings: object) => open.page.evaluate(`editor.canvas.setSettings(${JSON.stringify(settings)})`);
    await set({ snap: { gridStep: 10, guides: false } });
    await drag(title(300, 300), { x: title(300, 300).x + 33, y: title(300, 300).y + 26 });
    expect((await document()).nodes['4']!.pos).toEqual([330, 330]);
    await set({ snap: { gridStep: 0, guides: true }, linkStyle: 'hidden' });
    const [a, b] = [await slot('1', 'out', 0), await slot('2', 'in', 'image')];
    const between = `canvas.targetAt({ x: ${(a.x + b.x) / 2}, y: ${a.y} })`;
    expect(await ask(between)).toEqual({ kind: 'empty' });
    await set({ linkStyle: 'spline', isReadOnly: true });
    expect(await ask(between)).toEqual({ kind: 'link', link: '1' });
    await drag(title(40, 80), { x: title(40, 80).x + 33, y: title(40, 80).y + 26 });
    await drag(a, await slot('4', 'in', 'b'));
    await set({ isReadOnly: false });
    expect(await steps()).toBe(1);
  });

  test('inside a subgraph its own inputs and outputs are places to link to', async () => {
    await ask("run({ kind: 'createSubgraph', layer: '', nodes: ['2'], name: 'Inside', id: '7f2c1c7e-0000-4000-8000-000000000001' })");
    await ask("enter('7f2c1c7e-0000-4000-8000-000000000001')");
    expect(await ask('canvas.perf().nodes')).toBe(3);
    await drag(await slot('-10', 'out', 0), await slot('-20', 'in', 0));
    expect((await commands()).map((one) => [(one as { from: object }).from, (one as { to: { node: string } }).to.node])).toEqual([[{ node: '-10', slot: 0 }, '-20']]);
    await open.page.mouse.move(300, 300);
    expect(await ask('canvas.differences()')).toEqual([]);
    await ask("enter('')");
  });

  test('a document that changes under a drag ends as the document says', async () => {
    await drag(title(40, 80), { x: 300, y: 400 }, { keep: true });
    await ask("run({ kind: 'removeItems', layer: '', nodes: ['1'] })");
    await open.page.mouse.move(320, 420);
    await open.page.mouse.up();
    expect(Object.keys((await document()).nodes)).toEqual(['2', '3', '4']);
  });
});
