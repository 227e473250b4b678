// Journey 27: subgraphs made of nodes, entered, left, run and unpacked.
import { expect, test } from 'vitest';
import { mixed } from './graphs.ts';
import { journeys } from './journeys.ts';

journeys('subgraphs', (given) => {
  test('journey 27: two nodes become one, which is entered and left; what is sent stays the same; unpacked they are as before', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(mixed);
    const pick = async (node: string, more = false) => {
      const at = await editor.title(node);
      if (more) await page.keyboard.down('Shift');
      await page.mouse.click(at.x, at.y);
      if (more) await page.keyboard.up('Shift');
    };
    await pick('2');
    await pick('3', true);
    await page.keyboard.press('Control+Shift+e');
    await expect.poll(async () => Object.keys((await editor.doc()).root.nodes).length).toBe(4);
    const { prompt } = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    expect(Object.values(prompt).map((node) => node.class_type).sort()).toEqual(['Fields', 'ImageInvert', 'ImageInvert', 'PreviewImage', 'SlowImage']);
    await editor.untilDone(1);
    expect(await editor.ask('jobs')).toMatchObject([{ status: 'completed' }]);
    const instance = Object.values((await editor.doc()).root.nodes).find(({ type }) => !['SlowImage', 'PreviewImage', 'Fields'].includes(type))!;
    const box = (await editor.ask('nodeBox', instance.id))!;
    await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height - 12);
    await expect.poll(async () => (await editor.ask('ids')).length).toBe(2);
    await page.getByRole('button', { name: 'Workflow', exact: true }).click();
    await expect.poll(async () => (await editor.ask('ids')).length).toBe(4);
    await pick(instance.id);
    const title = await editor.title(instance.id);
    await page.mouse.click(title.x, title.y, { button: 'right' });
    await page.getByRole('menuitem', { name: 'Unpack the subgraph' }).click();
    await expect.poll(async () => Object.keys((await editor.doc()).root.nodes).length).toBe(5);
    expect(Object.values((await editor.doc()).root.links)).toHaveLength(3);
    const again = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    expect(Object.values(again.prompt).map((node) => node.class_type).sort()).toEqual(['Fields', 'ImageInvert', 'ImageInvert', 'PreviewImage', 'SlowImage']);
    await editor.untilDone(2);
  });
});
