import { expect, test } from 'vitest';
import { History } from '../../engine/server/comfy/history.ts';
import { memoryStore } from '../../engine/store/open.ts';

test('more than one answer can hold is refused with what to do; pages of it are not', () => {
  const store = memoryStore();
  for (const id of ['a', 'b', 'c']) {
    store.add({ id, number: 0, createdAt: 0, request: `[0,"${id}"]` });
    store.end(id, { state: 'success', endedAt: Date.now(), result: `{"outputs":{"1":"${'x'.repeat(50)}"}}` });
  }
  const history = new History(store, 200);
  expect(() => history.page()).toThrow(/history_too_large.*max_items and offset; 3 entries/);
  expect(Object.keys(JSON.parse(history.page({ maxItems: 2 })) as object)).toEqual(['b', 'c']);
  expect(JSON.parse(history.one('a'))).toEqual({ a: { prompt: [0, 'a'], outputs: { 1: 'x'.repeat(50) } } });
  store.close();
});
