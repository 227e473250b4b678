// Random prompts and workflows over HTTP: whatever comes is answered, what is accepted ends, nothing fails in the server, and nothing is left
// in its memory. FUZZ_RUNS sets how many (default 2,000), FUZZ_SEED which.
import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Logbook } from '../../engine/server/logbook.ts';
import { serve, type Answer, type TestServer } from './harness.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 2000);
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_122);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Those that end soon, whatever they are given. */
const types = ['Numbers', 'Pass', 'Choose', 'Block', 'Break', 'Twice', 'Refuse', 'PreviewAny', 'LoadImage', 'PreviewImage'];
const names = ['value', 'count', 'first', 'a', 'b', 'source', 'image', 'images', '__value__', '__proto__', 'unique_id'];

const odd = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.constantFrom('', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '\0', '\ud800', '../../etc/passwd', '[output]', '1', '-1', '1.5', 'NaN'));
const id = fc.oneof({ weight: 8, arbitrary: fc.nat(6).map(String) }, { weight: 1, arbitrary: odd });
const number = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.double(), fc.maxSafeInteger(), fc.constantFrom(1e308, -0, 2 ** 53, 2 ** 64));
const link = fc.tuple(id, fc.oneof({ weight: 6, arbitrary: fc.constant(0 as unknown) }, { weight: 1, arbitrary: fc.oneof(number, odd, fc.constant(null)) }));
const value = fc.oneof({ weight: 4, arbitrary: link as fc.Arbitrary<unknown> }, { weight: 3, arbitrary: number }, fc.boolean(), odd, fc.constant(null), fc.jsonValue({ maxDepth: 3 }), fc.record({ __value__: fc.jsonValue({ maxDepth: 1 }) }));
const node = fc.oneof({
  weight: 12,
  arbitrary: fc.record({ class_type: fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...types) }, { weight: 1, arbitrary: odd }), inputs: fc.dictionary(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...names) }, odd), value, { maxKeys: 5 }), _meta: fc.option(fc.record({ title: odd }), { nil: undefined }) }) as fc.Arbitrary<unknown>,
}, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
const loose = fc.dictionary(id, node, { maxKeys: 7 });

/** Mostly right: links lead to nodes before, inputs have their names, and now and then something else stands in for one. */
const right = fc.array(fc.record({ type: fc.constantFrom(...types.slice(0, 8)), take: fc.nat(), number: fc.nat(5), odd: fc.option(fc.tuple(fc.constantFrom(...names), value), { freq: 12 }) }), { minLength: 1, maxLength: 6 }).map((list) => {
  const made = list.map(({ type, take, number: n, odd: other }, i) => {
    const source = i === 0 ? n : [String(take % i), 0];
    const inputs: Record<string, Record<string, unknown>> = { Numbers: { count: n + 1 }, Choose: { first: n > 2, a: source, b: n }, Refuse: { a: n / 5, b: 0.5 }, PreviewAny: { source } };
    return [String(i), { class_type: type, inputs: { ...(inputs[type] ?? { value: source }), ...(other === null ? {} : { [other[0]]: other[1] }) } }];
  });
  return Object.fromEntries([...made, ['end', { class_type: 'PreviewAny', inputs: { source: [String(list.length - 1), 0] } }]]) as Record<string, unknown>;
});
const prompt = fc.oneof({ weight: 2, arbitrary: right }, { weight: 1, arbitrary: loose });

const slot = fc.record({ name: fc.constantFrom(...names), type: fc.constantFrom('*', 'INT', 'IMAGE', 'BOOLEAN', ''), link: fc.option(fc.nat(9)), widget: fc.option(fc.record({ name: fc.constantFrom(...names) }), { nil: undefined }) }, { requiredKeys: ['name', 'type'] });
const uiNode = fc.record({
  id: fc.oneof({ weight: 8, arbitrary: fc.nat(6) as fc.Arbitrary<unknown> }, odd), type: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...types, 'Reroute', 'PrimitiveNode', 'Note', 'sub') }, odd), mode: fc.constantFrom(0, 0, 0, 2, 4, 99),
  inputs: fc.array(slot, { maxLength: 4 }), outputs: fc.array(fc.record({ name: odd, type: fc.constant('*'), links: fc.array(fc.nat(9), { maxLength: 3 }) }), { maxLength: 2 }),
  widgets_values: fc.oneof(fc.array(value, { maxLength: 4 }) as fc.Arbitrary<unknown>, fc.dictionary(fc.constantFrom(...names), value), fc.constant(null)), pos: fc.tuple(number, number), properties: fc.dictionary(odd, odd, { maxKeys: 2 }),
}, { requiredKeys: ['id', 'type'] });
const uiLink = fc.oneof({ weight: 6, arbitrary: fc.tuple(fc.nat(9), fc.nat(6), fc.nat(2), fc.nat(6), fc.nat(3), fc.constant('*')) as fc.Arbitrary<unknown> }, fc.record({ id: fc.nat(9), origin_id: fc.nat(6), origin_slot: fc.nat(2), target_id: fc.nat(6), target_slot: fc.nat(2), type: fc.constant('*') }), fc.jsonValue({ maxDepth: 1 }));
const workflow = fc.record({
  nodes: fc.array(uiNode, { maxLength: 6 }), links: fc.array(uiLink, { maxLength: 8 }), version: fc.constantFrom(0.4, 1, 'x'), last_node_id: fc.nat(9),
  definitions: fc.option(fc.record({ subgraphs: fc.array(fc.record({ id: fc.constantFrom('sub', 'other'), nodes: fc.array(uiNode, { maxLength: 3 }), links: fc.array(uiLink, { maxLength: 3 }), inputs: fc.array(slot, { maxLength: 2 }), outputs: fc.array(slot, { maxLength: 2 }) }), { maxLength: 2 }) }), { nil: undefined }),
  extra: fc.option(fc.record({ bagelgraph: fc.record({ form: fc.record({ inputs: fc.array(fc.record({ name: odd, node: id, input: fc.constantFrom(...names) }), { maxLength: 2 }), outputs: fc.array(fc.record({ name: odd, node: id }), { maxLength: 2 }) }) }) }), { nil: undefined }),
}, { requiredKeys: ['nodes', 'links'] });

const body = fc.record({
  prompt: fc.oneof({ weight: 5, arbitrary: prompt as fc.Arbitrary<unknown> }, { weight: 3, arbitrary: workflow }, fc.jsonValue({ maxDepth: 2 })), client_id: fc.option(odd), number: fc.option(fc.oneof(number, odd as fc.Arbitrary<unknown>)), front: fc.option(fc.boolean()),
  extra_data: fc.option(fc.oneof(fc.dictionary(fc.constantFrom('extra_pnginfo', 'bagelgraph', 'client_id', 'api_key'), fc.jsonValue({ maxDepth: 2 })) as fc.Arbitrary<unknown>, fc.jsonValue({ maxDepth: 1 }))),
  partial_execution_targets: fc.option(fc.oneof(fc.array(id, { maxLength: 3 }) as fc.Arbitrary<unknown>, fc.jsonValue({ maxDepth: 1 }))),
}, { requiredKeys: ['prompt'] });

/** JSON with a few characters changed, as transport and editors do it. */
const damaged = fc.tuple(body, fc.array(fc.tuple(fc.nat(4000), fc.nat(5), fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '\\u', '1e', '-', '\0', 'é', '\ud800')), { maxLength: 3 }))
  .map(([json, changes]) => changes.reduce((text, [at, taken, put]) => `${text.slice(0, at % (text.length + 1))}${put}${text.slice((at % (text.length + 1)) + taken)}`, JSON.stringify(json)));
const request = fc.oneof({ weight: 4, arbitrary: fc.tuple(fc.constant('/prompt'), body.map((json) => JSON.stringify(json))) }, { weight: 2, arbitrary: fc.tuple(fc.constant('/prompt'), damaged) }, {
  weight: 1, arbitrary: fc.tuple(fc.constant('/api/run'), fc.record({ workflow: fc.oneof(prompt as fc.Arbitrary<unknown>, workflow, odd), inputs: fc.option(fc.dictionary(fc.oneof(odd, fc.constantFrom('1.value', '2.count')), value, { maxKeys: 3 }), { nil: undefined }), wait: fc.constant(false) }).map((json) => JSON.stringify(json))),
});

async function settle(server: TestServer): Promise<void> {
  while (((await server.json('/prompt')) as Answer).exec_info.queue_remaining > 0) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Bytes of the heap, with nothing waiting and no history. */
async function heap(server: TestServer): Promise<number> {
  await settle(server);
  await server.post('/history', { clear: true });
  await server.post('/free', { free_memory: true, unload_models: true });
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  return process.memoryUsage().heapUsed;
}

test(`${runs} prompts and workflows of any kind are answered, end, and leave nothing`, { timeout: 60_000 + runs * 30 }, async () => {
  const failures: string[] = [];
  const server = await serve({ logbook: new Logbook((line) => { if (line.includes('"level":"error"')) failures.push(line); }, 'json') });
  const counts = { accepted: 0, refused: 0 };
  const heaps: number[] = [];
  let done = 0;
  await fc.assert(fc.asyncProperty(request, async ([route, text]) => {
    const response = await server.post(route, text);
    const answer = await response.json() as Answer;
    if (![200, 202, 400, 404].includes(response.status)) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    const answered = answer.prompt_id ?? answer.id ?? answer.error?.type;
    if (typeof answered !== 'string') throw new Error(`no clear answer: ${JSON.stringify(answer)}`);
    if (response.status < 300) {
      counts.accepted++;
      await settle(server);
      const entry = (await server.json(`/history/${encodeURIComponent(answered)}`)) as Answer;
      if (entry[answered]?.status?.status_str === undefined) throw new Error(`accepted, but it left no history: ${answered}`);
    } else {
      counts.refused++;
    }
    if (failures.length > 0) throw new Error(`the server failed: ${failures.splice(0).join('')}`);
    if (++done % Math.ceil(runs / 4) === 0) heaps.push(await heap(server));
  }), { numRuns: runs, seed, endOnFailure: runs > 2000 });
  if (process.env['FUZZ_RUNS'] !== undefined) process.stdout.write(`${JSON.stringify({ runs, seed, ...counts, heaps })}\n`);
  expect(counts.accepted).toBeGreaterThan(runs / 20);
  expect(counts.refused).toBeGreaterThan(runs / 20);
  expect(heaps.at(-1)! - heaps[1]!).toBeLessThan(2 ** 22 + runs * 300); // fast-check's own record of a case is some hundred bytes
  expect((await server.get('/readyz')).status).toBe(200);
});
