// Journeys 9 to 13: undo and redo of many different actions, copies, selections and groups, muted and bypassed nodes, reroutes.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { pageIn, type EditorPage } from './editor-page.ts';
import { mixed, workflow } from './graphs.ts';
import { journeys } from './journeys.ts';

const hashOf = async (editor: EditorPage) => createHash('sha256').update(JSON.stringify(await editor.doc())).digest('hex');
const select = async (editor: EditorPage, ...nodes: readonly string[]) => {
  for (const [i, node] of nodes.entries()) {
    const at = await editor.title(node);
    if (i > 0) await editor.page.keyboard.down('Shift');
    await editor.page.mouse.click(at.x, at.y);
    if (i > 0) await editor.page.keyboard.up('Shift');
  }
  await editor.ask('idle');
};
/** Picks from a menu inside the menu of a node. */
const choose = async ({ page, title, ask }: EditorPage, node: string, menu: string, entry: string) => {
  const at = await title(node);
  await page.mouse.click(at.x, at.y, { button: 'right' });
  await page.getByRole('menuitem', { name: menu, exact: true }).click();
  await page.getByRole('menuitem', { name: entry, exact: true }).click();
  await ask('idle');
};
const nothing = { x: 900, y: 700 };

journeys('arranging', (given) => {
  test('journey 9: fifty actions of all kinds; each undo and redo gives the very document', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const hashes = [await hashOf(editor)];
    const actions: (() => Promise<unknown>)[] = [
      async () => { const at = await editor.title('5'); await editor.drag(at, { x: at.x + 37, y: at.y + 11 }); },
      async () => { await select(editor, '2'); await page.keyboard.press('Control+m'); },
      async () => { await select(editor, '3'); await page.keyboard.press('Control+b'); },
      async () => { await select(editor, '2', '3'); await page.keyboard.press('ArrowDown'); },
      async () => { await select(editor, '5'); await page.keyboard.press('Control+d'); },
      async () => { await select(editor, '1'); await page.keyboard.press('Alt+c'); },
      async () => { const at = await editor.field('5', 'is_tiled'); await page.mouse.click(at.x, at.y); },
      async () => { await select(editor, '2'); await page.keyboard.press('p'); await page.keyboard.press('p'); },
      async () => { await select(editor, '4'); await page.keyboard.press('Control+g'); },
      async () => { const at = await editor.field('5', 'whole'); await page.mouse.click(at.x, at.y); await page.keyboard.press('ArrowUp'); await page.keyboard.press('Enter'); },
    ];
    let steps = 0;
    for (let i = 0; i < 50; i++) {
      await actions[(i * 7) % actions.length]!();
      await editor.ask('idle');
      const now = (await editor.ask('steps')).length;
      if (now > steps) hashes.push(...new Array<string>(now - steps - 1).fill(''), await hashOf(editor));
      steps = now;
    }
    expect(steps).toBeGreaterThanOrEqual(35);
    expect(hashes).toHaveLength(steps + 1);
    const known = hashes.map((hash, i) => [hash, i] as const).filter(([hash]) => hash !== '');
    expect(await hashOf(editor)).toBe(hashes.at(-1));
    for (let step = steps - 1; step >= 0; step--) {
      await page.keyboard.press('Control+z');
      if (hashes[step] !== '') expect([step, await hashOf(editor)]).toEqual([step, hashes[step]]);
    }
    for (let step = 1; step <= steps; step++) {
      await page.keyboard.press('Control+Shift+z');
      if (hashes[step] !== '') expect([step, await hashOf(editor)]).toEqual([step, hashes[step]]);
    }
    expect(known.length).toBeGreaterThan(30);
    expect(await editor.ask('differences')).toEqual([]);
  });

  test('journey 10: copied nodes keep their links among each other; into another tab of the browser; cut and duplicated', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    await editor.open(mixed);
    await select(editor, '2', '3');
    await page.keyboard.press('Control+c');
    await page.mouse.click(nothing.x, nothing.y);
    await page.keyboard.press('Control+v');
    await expect.poll(async () => Object.keys((await editor.doc()).root.nodes).length).toBe(7);
    const { nodes, links } = (await editor.doc()).root;
    const copies = Object.keys(nodes).filter((id) => Number(id) > 5);
    expect(Object.values(links).filter(({ from, to }) => copies.includes(from) && copies.includes(to))).toHaveLength(1);
    expect(Object.values(links).filter(({ to }) => copies.includes(to))).toHaveLength(1);
    await page.keyboard.press('Control+z');
    await select(editor, '2', '3');
    await page.keyboard.press('Control+c');
    await page.mouse.click(nothing.x, nothing.y);
    await page.keyboard.press('Control+Shift+v');
    await expect.poll(async () => Object.values((await editor.doc()).root.links).length).toBe(5);
    await select(editor, '5');
    await page.keyboard.press('Control+x');
    expect((await editor.doc()).root.nodes['5']).toBeUndefined();

    const other = await pageIn(editor.context, server.url);
    await other.open(workflow([]));
    await other.page.mouse.click(700, 400);
    await other.page.keyboard.press('Control+v');
    await other.node('Fields');
    await other.page.mouse.click(nothing.x, nothing.y + 80);
    const [fields] = Object.keys((await other.doc()).root.nodes);
    await select(other, fields!);
    await other.page.keyboard.press('Control+d');
    await expect.poll(async () => Object.keys((await other.doc()).root.nodes).length).toBe(2);
    expect(other.complaints).toEqual([]);
    await other.page.close();
  });

  test('journey 11: a box selects, Shift adds, a group takes its nodes along', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const [two, three] = [(await editor.ask('nodeBox', '2'))!, (await editor.ask('nodeBox', '3'))!];
    await page.keyboard.down('Control');
    await editor.drag({ x: two.x - 12, y: two.y - 12 }, { x: three.x + 20, y: three.y + 40 });
    await page.keyboard.up('Control');
    expect((await editor.ask('selection') as { nodes: string[] }).nodes.toSorted()).toEqual(['2', '3']);
    await select(editor, '2', '3', '4');
    expect((await editor.ask('selection') as { nodes: string[] }).nodes.toSorted()).toEqual(['2', '3', '4']);
    await page.keyboard.press('Control+g');
    const group = Object.values((await editor.doc()).root.groups)[0]!;
    const before = (await editor.doc()).root.nodes['3']!.pos;
    const view = (await editor.ask('view'))!;
    const origin = (await page.locator('.stage').boundingBox())!;
    for (const id of ['2', '3', '4']) {
      const box = (await editor.ask('nodeBox', id))!;
      expect((box.y + box.height - origin.y) / view.scale - view.offset[1]).toBeLessThan(group.box[1]! + group.box[3]!);
    }
    const corner = { x: origin.x + (group.box[0]! + view.offset[0] + 40) * view.scale, y: origin.y + (group.box[1]! + view.offset[1] + 12) * view.scale };
    await page.mouse.click(nothing.x, nothing.y);
    await editor.drag(corner, { x: corner.x + 50 * view.scale, y: corner.y + 30 * view.scale });
    const after = (await editor.doc()).root.nodes['3']!.pos;
    expect(after).not.toEqual(before);
    await page.keyboard.press('Control+z');
    expect((await editor.doc()).root.nodes['3']!.pos).toEqual(before);
  });

  test('journey 11: edges are lined up by the menu, and by a drag that comes near', async () => {
    const { editor } = given;
    await editor.open(mixed);
    const at = await editor.title('3');
    await editor.drag(at, { x: at.x + 20, y: at.y + 90 });
    const tops = async () => Object.values((await editor.doc()).root.nodes).map(({ pos }) => pos[1]!).slice(1, 4);
    expect(new Set(await tops()).size).toBe(2);
    await select(editor, '2', '3', '4');
    await choose(editor, '3', 'Align', 'Top edges');
    expect(new Set(await tops()).size).toBe(1);
    await editor.page.mouse.click(nothing.x, nothing.y);
    const lower = await editor.title('5');
    await editor.drag(lower, { x: lower.x + 4, y: lower.y + 30 });
    const { nodes } = (await editor.doc()).root;
    expect([nodes['5']!.pos[0], nodes['5']!.pos[1]! > 390]).toEqual([nodes['1']!.pos[0], true]);
  });

  test('journey 12: what is muted or bypassed is sent as ComfyUI sends it', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    await select(editor, '2');
    await page.keyboard.press('Control+b');
    await select(editor, '5');
    await page.keyboard.press('Control+m');
    expect(Object.values((await editor.doc()).root.nodes).map(({ id, mode }) => `${id}:${mode}`)).toEqual(['1:0', '2:4', '3:0', '4:0', '5:2']);
    const { prompt } = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    expect(Object.keys(prompt)).toEqual(['1', '3', '4']);
    expect(prompt['3']!.inputs['image']).toEqual(['1', 0]);
    await editor.untilDone(1);
  });

  test('journey 13: a double click on a link adds a point, deleting it joins the link; what is set at nodes is written', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const [from, to] = [await editor.slot('3', 'out', 0), await editor.slot('4', 'in', 0)];
    await page.mouse.dblclick((from.x + to.x) / 2, (from.y + to.y) / 2);
    await expect.poll(async () => Object.keys((await editor.doc()).root.reroutes).length).toBe(1);
    await select(editor, '2');
    await page.keyboard.press('Alt+c');
    await select(editor, '1');
    await page.keyboard.press('p');
    const title = await editor.title('3');
    await page.mouse.dblclick(title.x, title.y);
    await page.getByRole('dialog').getByRole('textbox').waitFor();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('Turned');
    await page.keyboard.press('Enter');
    await choose(editor, '3', 'Colour', 'Red');
    const { nodes } = (await editor.doc()).root;
    expect([nodes['2']!.flags.collapsed, nodes['1']!.flags.pinned, nodes['3']!.title]).toEqual([true, true, 'Turned']);
    const written = await editor.ask('file');
    const file = JSON.parse(written!) as { nodes: { id: number; title?: string; color?: string; flags: object }[]; extra: { reroutes?: unknown[] } };
    expect(file.nodes).toMatchObject([{ id: 1, flags: { pinned: true } }, { id: 2, flags: { collapsed: true } }, { id: 3, title: 'Turned', color: '#5a2d2d' }, { id: 4 }, { id: 5 }]);
    expect(file.extra.reroutes).toHaveLength(1);
    await page.reload();
    await editor.until('window.__bagel?.doc() !== undefined');
    await editor.ask('idle');
    expect(await editor.ask('file')).toBe(written);
    await page.mouse.click((from.x + to.x) / 2, (from.y + to.y) / 2);
    await page.keyboard.press('Delete');
    await expect.poll(async () => Object.keys((await editor.doc()).root.reroutes).length).toBe(0);
    expect(Object.values((await editor.doc()).root.links)).toHaveLength(3);
  });
});
