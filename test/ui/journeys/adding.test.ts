// Journeys 2 to 4: nodes found by name and added, links drawn, refused with a reason, or dropped where something fitting is picked.
import { expect, test } from 'vitest';
import { mixed } from './graphs.ts';
import { journeys } from './journeys.ts';

journeys('adding and connecting', (given) => {
  test('journey 2: a double click, a few letters and Enter add a node there; Escape closes', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.begin('Blank');
    await page.mouse.dblclick(700, 400);
    const search = page.getByRole('combobox').or(page.getByRole('searchbox')).first();
    await search.fill('invert');
    await page.getByRole('option').first().waitFor();
    expect(await page.getByRole('option').first().textContent()).toContain('Invert');
    await page.keyboard.press('Enter');
    const node = await editor.node('ImageInvert');
    const box = (await editor.ask('nodeBox', node))!;
    expect(Math.abs(box.x + box.width / 2 - 700)).toBeLessThan(box.width);
    expect(Math.abs(box.y - 400)).toBeLessThan(80);
    await page.keyboard.press('Space');
    await search.waitFor();
    await page.keyboard.press('Escape');
    await search.waitFor({ state: 'hidden' });
    expect(await editor.ask('steps')).toHaveLength(1);
  });

  test.each([['save', 'Save Image'], ['resize', 'Upscale Image'], ['load image', 'Load Image'], ['t2i', 'BAGEL Text to Image'], ['encode text', 'BAGEL Encode Text']])('journey 2: %s finds %s among the first', async (words, title) => {
    const { editor } = given;
    const { page } = editor;
    await editor.begin('Blank');
    await page.mouse.dblclick(700, 400);
    await page.getByRole('combobox').or(page.getByRole('searchbox')).first().fill(words);
    await expect.poll(async () => (await page.getByRole('option').allTextContents()).slice(0, 3).some((text) => text.includes(title))).toBe(true);
    await page.keyboard.press('Escape');
  });

  test('journey 3: a link is dragged; a wrong type and a cycle are refused and say why', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    await editor.drag(await editor.slot('1', 'out', 0), await editor.slot('3', 'in', 'image'));
    const links = async () => Object.values((await editor.doc()).root.links).map(({ from, to }) => `${from}→${to}`).sort();
    expect(await links()).toEqual(['1→2', '1→3', '3→4']);
    await editor.drag(await editor.slot('3', 'out', 0), await editor.slot('2', 'in', 'image'));
    expect(await links()).toEqual(['1→3', '3→2', '3→4']);
    await editor.drag(await editor.slot('2', 'out', 0), await editor.slot('3', 'in', 'image'));
    await page.getByText(/circle|cycle|itself/i).first().waitFor();
    expect(await links()).toEqual(['1→3', '3→2', '3→4']);
    expect(await editor.ask('steps')).toHaveLength(2);
  });

  test('journey 4: a link dropped on nothing lists what takes it; the pick is connected', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const from = await editor.slot('1', 'out', 0);
    await editor.drag(from, { x: from.x + 60, y: from.y + 250 });
    await page.getByRole('option').first().waitFor();
    const options = await page.getByRole('option').allTextContents();
    expect(options.some((text) => text.includes('Save Image'))).toBe(true);
    expect(options.some((text) => text.includes('Fields'))).toBe(false);
    await page.keyboard.type('save image');
    await page.keyboard.press('Enter');
    const node = await editor.node('SaveImage');
    expect(Object.values((await editor.doc()).root.links).filter(({ to }) => to === node)).toMatchObject([{ from: '1', fromSlot: 0 }]);
    expect(await editor.ask('steps')).toHaveLength(1);
  });
});
