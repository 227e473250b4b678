// Journeys 12 and 27, with files of ComfyUI: what the page sends for them is what ComfyUI's own page sends (test/golden/converter).
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../../engine/formats/json.ts';
import type { EditorPage } from './editor-page.ts';
import { journeys } from './journeys.ts';

const golden = (name: string): string => readFileSync(new URL(`../../golden/converter/${name}`, import.meta.url), 'utf8');
const pairsOf = (file: string) => (parseJson(golden(file)) as readonly JsonObject[]).map((pair, i) => ({ name: String(pair.get('name') ?? `pair ${i}`), workflow: pair.get('workflow')!, api: pair.get('api')! }));

/** The modes of a workflow's nodes. */
const modesOf = (workflow: Json) => new Set(((workflow as JsonObject).get('nodes') as readonly JsonObject[]).map((node) => String(node.get('mode'))));
/** ComfyUI's page adds to PreviewAny a text box that no file and no definition holds. */
const hasPageOnlyInput = (api: Json) => [...(api as JsonObject).values()].some((node) => isJsonObject(node) && node.get('class_type') === 'PreviewAny');

async function exported({ page }: EditorPage): Promise<string> {
  await page.getByRole('button', { name: 'bagelgraph' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Export API form' }).click()]);
  return readFile(await download.path(), 'utf8');
}

/** Order of inputs and the kind of every number count; that of nodes does not. */
const textOf = (api: Json): string => encodeJson(new Map([...(api as JsonObject)].sort(([a], [b]) => (a < b ? -1 : 1))), { indent: 1 });

/** The nodes of these files are ComfyUI's, so the page is told of them. */
async function tellOfComfyNodes(editor: EditorPage): Promise<void> {
  await editor.page.route('**/object_info', (route) => route.fulfill({ contentType: 'application/json', body: golden('object_info.json') }));
  await editor.page.reload();
  await editor.until('window.__bagel');
}

journeys('files of ComfyUI', (given) => {
  test('journey 12: what is muted or bypassed in a file is sent as ComfyUI sends it', async () => {
    const { editor } = given;
    await tellOfComfyNodes(editor);
    const chosen = pairsOf('pairs.json').filter(({ workflow, api }) => modesOf(workflow).has('2') && modesOf(workflow).has('4') && !hasPageOnlyInput(api)).slice(0, 8);
    expect(chosen.length).toBe(8);
    for (const { name, workflow, api } of chosen) {
      await editor.open(encodeJson(workflow, {}), name);
      expect(textOf(parseJson(await exported(editor))), name).toBe(textOf(api));
    }
  });

  test('journey 27: subgraphs that ComfyUI made are sent as ComfyUI sends them, and come out of a file as they came in', async () => {
    const { editor } = given;
    await tellOfComfyNodes(editor);
    for (const { name, workflow, api } of pairsOf('subgraphs.json')) {
      await editor.open(encodeJson(workflow, {}), name);
      expect(textOf(parseJson(await exported(editor))), name).toBe(textOf(api));
      expect(JSON.parse((await editor.ask('file'))!), name).toEqual(JSON.parse(encodeJson(workflow, {})));
    }
  });
});
