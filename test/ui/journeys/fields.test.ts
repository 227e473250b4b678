// Journeys 5 to 8: every kind of field by mouse and by keyboard, seeds over several runs, pictures uploaded, and texts of several lines.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { EditorPage } from './editor-page.ts';
import { fields, picture } from './graphs.ts';
import { journeys } from './journeys.ts';

const values = async (editor: EditorPage, node = '1') => (await editor.doc()).root.nodes[node]!.values;
const click = async ({ page, field }: EditorPage, ...where: Parameters<EditorPage['field']>) => {
  const at = await field(...where);
  await page.mouse.click(at.x, at.y);
};

journeys('fields', (given) => {
  test('journey 5: each kind of field by mouse; what is sent is what is shown', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    await click(editor, '1', 'whole');
    await page.keyboard.type('(3 + 4) * 5');
    await page.keyboard.press('Enter');
    await click(editor, '1', 'factor');
    await page.getByRole('button', { name: 'More' }).click();
    await page.keyboard.press('Enter');
    await click(editor, '1', 'is_tiled');
    await click(editor, '1', 'sampler');
    await page.getByRole('option', { name: 'midpoint' }).click();
    await click(editor, '1', 'line');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('another line');
    await page.keyboard.press('Enter');
    await click(editor, '1', 'words');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('first\nsecond');
    await page.keyboard.press('Escape');
    expect(await values(editor)).toMatchObject({ whole: 35, factor: 4.1, is_tiled: true, sampler: 'midpoint', line: 'another line', words: 'first\nsecond' });
    expect(await editor.ask('steps')).toHaveLength(6);
    const { prompt } = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    expect(prompt['1']).toMatchObject({ class_type: 'Fields', inputs: { seed: 5, whole: 35, factor: 4.1, is_tiled: true, sampler: 'midpoint', line: 'another line', words: 'first\nsecond' } });
    // the shortcut works out of every field, with what is written in it
    await click(editor, '1', 'whole');
    await page.keyboard.type('36');
    expect((await editor.runAndCatch(() => page.keyboard.press('Control+Enter'))).prompt['1']!.inputs['whole']).toBe(36);
    await page.keyboard.press('Escape');
    await click(editor, '1', 'line');
    await page.keyboard.type('a third');
    expect((await editor.runAndCatch(() => page.keyboard.press('Control+Enter'))).prompt['1']!.inputs['line']).toBe('a third');
    await page.keyboard.press('Escape');
    await click(editor, '1', 'sampler');
    await page.keyboard.type('mid');
    await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    await page.keyboard.press('Escape');
    await editor.untilDone(4);
  });

  test('journey 5: a number is dragged sideways, as one step; a seed is not', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    const before = await values(editor);
    const drag = async (input: string, by: number, key?: 'Shift' | 'Alt') => {
      const { x, y, width, height } = (await editor.ask('widgetBox', '1', input))!;
      const from = { x: x + width / 2, y: y + height / 2 };
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      if (key !== undefined) await page.keyboard.down(key);
      await page.mouse.move(from.x + by / 2, from.y, { steps: 5 });
      await page.mouse.move(from.x + by, from.y, { steps: 5 });
      if (key !== undefined) await page.keyboard.up(key);
      await page.mouse.up();
      await editor.ask('idle');
    };
    await drag('whole', 40);
    await drag('factor', -20);
    expect(await values(editor)).toMatchObject({ whole: Number(before['whole']) + 10, factor: expect.closeTo(Number(before['factor']) - 0.5) });
    expect(await editor.ask('steps')).toHaveLength(2);
    await page.keyboard.press('Control+z');
    expect(await values(editor)).toMatchObject({ whole: Number(before['whole']) + 10, factor: before['factor'] });
    const node = (await editor.doc()).root.nodes['1']!.pos;
    await drag('seed', 30);
    expect([(await values(editor))['seed'], (await editor.doc()).root.nodes['1']!.pos]).not.toEqual([before['seed'], node]);
    expect((await values(editor))['seed']).toBe(before['seed']);
  });

  test('journey 5: from field to field by keyboard; a wrong number is refused, Escape takes back', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    await click(editor, '1', 'seed');
    await page.keyboard.type('123456789012345678901'); // beyond every bound
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Tab');
    await page.keyboard.type('nonsense');
    await page.keyboard.press('Enter');
    expect(await values(editor)).toMatchObject({ whole: 22, factor: 4 });
    expect((await values(editor))['seed']).toBeLessThanOrEqual(2 ** 53);
    await click(editor, '1', 'whole');
    await page.keyboard.type('7');
    await page.keyboard.press('Escape');
    expect(await values(editor)).toMatchObject({ whole: 22 });
  });

  test.each([['fixed', [40, 40, 40]], ['increment', [40, 41, 42]], ['decrement', [40, 39, 38]]] as const)('journey 6: a seed that is %s over three runs', async (mode, expected) => {
    const { editor } = given;
    await editor.open(fields('fixed', 40));
    await click(editor, '1', 'seed', 'control');
    await editor.page.getByRole('option', { name: mode, exact: true }).click();
    const sent: unknown[] = [];
    for (let run = 1; run <= 3; run++) {
      sent.push((await editor.runAndCatch(() => editor.page.keyboard.press('Control+Enter'))).prompt['1']!.inputs['seed']);
      await editor.untilDone(run);
    }
    expect(sent).toEqual(expected);
  });

  test('journey 6: a random seed; the last one is used again by one click, and undo knows nothing of what changed by itself', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields('randomize', 40));
    const sent = async (run: number) => {
      const seed = (await editor.runAndCatch(() => page.keyboard.press('Control+Enter'))).prompt['1']!.inputs['seed'];
      await editor.untilDone(run);
      return seed;
    };
    expect(await sent(1)).toBe(40);
    const second = await sent(2);
    expect(second).not.toBe(40);
    expect((await values(editor))['seed']).not.toBe(second);
    expect(await editor.ask('steps')).toEqual([]);
    await click(editor, '1', 'seed');
    await page.getByRole('button', { name: `${second as number}` }).click();
    expect((await values(editor))['seed']).toBe(second);
    await page.keyboard.press('Enter');
    expect(await sent(3)).toBe(second);
  });

  test('journey 7: a picture is uploaded by the button, shown, and read by a run; the server has its bytes', async () => {
    const { editor, server } = given;
    const { page } = editor;
    const bytes = await readFile('workflows/pictures/circle.png');
    await editor.open(picture);
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), click(editor, '1', 'image', 'upload')]);
    await chooser.setFiles({ name: 'mine.png', mimeType: 'image/png', buffer: bytes });
    await expect.poll(async () => (await values(editor))['image']).toBe('mine.png');
    expect(await readFile(path.join(server.folder, 'input/mine.png'))).toEqual(bytes);
    await expect.poll(async () => (await editor.ask('perf') as { pictureBytes: number }).pictureBytes).toBeGreaterThan(0);
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    expect(await editor.ask('jobs')).toMatchObject([{ status: 'completed' }]);
  });

  test('journey 7: a picture is dropped on its node, which shows it; no other node is made', async () => {
    const { editor, server } = given;
    const { page } = editor;
    const bytes = await readFile('workflows/pictures/circle.png');
    await editor.open(picture);
    await editor.drop('dropped.png', 'image/png', bytes, await editor.title('1'));
    await expect.poll(async () => (await values(editor))['image']).toBe('dropped.png');
    expect(await readFile(path.join(server.folder, 'input/dropped.png'))).toEqual(bytes);
    await expect.poll(async () => (await editor.ask('perf') as { pictureBytes: number }).pictureBytes).toBeGreaterThan(0);
    expect(await editor.ask('ids')).toEqual(['1', '2']);
    await page.keyboard.press('Control+z');
    expect((await values(editor))['image']).toBe('');
  });

  test('journey 7: a picture of the clipboard goes into the node that is selected', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(picture);
    await editor.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const other = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060c0' } }).png().toBuffer();
    await page.evaluate((text) => navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], { type: 'image/png' }) })]), other.toString('base64'));
    const at = await editor.title('1');
    await page.mouse.click(at.x, at.y);
    await page.keyboard.press('Control+v');
    await expect.poll(async () => (await values(editor))['image']).toMatch(/png$/);
    // the clipboard keeps pixels: browsers write a file of their own from them
    const pasted = await sharp(path.join(server.folder, 'input', String((await values(editor))['image']))).removeAlpha().raw().toBuffer();
    expect(pasted).toEqual(await sharp(other).raw().toBuffer());
    expect(await editor.ask('ids')).toEqual(['1', '2']);
    await page.keyboard.press('Control+z');
    expect((await values(editor))['image']).toBe('');
  });

  test('journey 8: typing is one step; undo inside the text is its own; composed characters arrive whole', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    await click(editor, '1', 'words');
    await page.keyboard.press('End');
    await page.keyboard.type(' and more');
    const area = page.locator('textarea').first();
    expect(await area.inputValue()).toBe('some words and more');
    await page.keyboard.press('Control+z');
    expect(await area.inputValue()).not.toBe('some words and more');
    expect(await editor.ask('steps')).toEqual([]);
    await page.keyboard.press('Control+a');
    const cdp = await editor.context.newCDPSession(page);
    await cdp.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 });
    await cdp.send('Input.imeSetComposition', { text: '日本', selectionStart: 2, selectionEnd: 2 });
    await cdp.send('Input.insertText', { text: '日本' });
    await page.keyboard.press('Escape');
    expect(await values(editor)).toMatchObject({ words: '日本' });
    expect(await editor.ask('steps')).toHaveLength(1);
    await page.keyboard.press('Control+z');
    expect(await values(editor)).toMatchObject({ words: 'some words' });
  });
});
