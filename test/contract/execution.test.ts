// The behaviours that ComfyUI's test_execution.py looks at, as cases of our own in this process, under each cache policy.
import { describe, expect, test } from 'vitest';
import type { CachePolicy } from '../../engine/exec/cache.ts';
import { black, float, mask, mix, noise, runner, save, white, type Prompt } from './runner.ts';

const policies: readonly CachePolicy[] = [{ policy: 'bytes' }, { policy: 'classic' }, { policy: 'lru', entries: 100 }];
const floor = (values: readonly number[]) => values.map(Math.floor);

describe.each(policies)('$policy', (policy) => {
  const mixing = (by: number, image2 = white as Prompt[string]): Prompt => ({ 1: black, 2: image2, 3: mask(by), 4: mix('1', '2', '3'), 5: save('4') });

  test('a lazy input that is not needed does not run', async () => {
    const result = await runner(policy).run(mixing(0));
    expect([...result.ran].sort()).toEqual(['1', '3', '4', '5']);
    expect(await result.pixels('5')).toEqual([0]);
  });

  test('what is known does not run again; what changed does', async () => {
    const { run } = runner(policy);
    await run(mixing(0.5));
    const again = await run(mixing(0.5));
    expect([...again.ran]).toEqual([]);
    expect(floor(await again.pixels('5'))).toEqual([127]);
    const changed = await run(mixing(0.4));
    expect([...changed.ran].sort()).toEqual(['3', '4', '5']);
    expect([...changed.cached].sort()).toEqual(['1', '2']);
  });

  test('a node that throws fails the run, the next run works', async () => {
    const { run } = runner(policy);
    const failed = await run(mixing(0.5, ['StubImage', { content: 'WHITE', height: 8, width: 16, batch_size: 1 }]));
    expect(failed).toMatchObject({ status: 'error', failure: { node: '4', type: 'TestLazyMixImages', reason: expect.stringContaining('different sizes') as string } });
    expect(failed.ran.has('5')).toBe(false);
    expect((await run(mixing(0.5))).status).toBe('success');
  });

  test('a lazy input that is required has to be there', async () => {
    const { problems, refusal } = await runner(policy).check({ 1: black, 3: mask(0.5), 4: ['TestLazyMixImages', { image1: ['1', 0], mask: ['3', 0] }], 5: save('4') });
    expect(refusal?.code).toBe('prompt_outputs_failed_validation');
    expect(problems).toMatchObject([{ code: 'required_input_missing', input: 'image2', dependentOutputs: ['5'] }]);
  });

  test('a cycle made by an expansion is found and blamed on the node that made it', async () => {
    const { run } = runner(policy);
    const prompt: Prompt = { 1: ['StubImage', { content: 'BLACK', height: 512, width: 512, batch_size: 1 }], 2: ['StubImage', { content: 'WHITE', height: 512, width: 512, batch_size: 1 }], 3: ['TestDynamicDependencyCycle', { input1: ['1', 0], input2: ['2', 0] }], 4: save('3') };
    expect(await run(prompt)).toMatchObject({ status: 'error', failure: { node: '3', name: 'DependencyCycle' } });
    expect((await run({ 1: white, 2: save('1') })).status).toBe('success');
  });

  test('an output behind a link to nothing is dropped, others run; whole again, it runs', async () => {
    const { run, check } = runner(policy);
    const whole: Prompt = { 1: black, 2: white, 3: mask(0.5), 4: mix('1', '2', '3'), 5: save('4'), 6: mix('1', '2', '3'), 7: save('2') };
    const { 1: _gone, ...broken } = whole;
    const checked = await check(broken);
    expect(checked.targets).toEqual(['7']);
    expect(checked.problems).toMatchObject([{ node: '4', code: 'bad_linked_input', dependentOutputs: ['5'] }]);
    const first = await run(broken);
    expect(first.status).toBe('success');
    expect(await first.pixels('7')).toEqual([255]);
    expect(await first.pixels('5')).toEqual([]);
    const second = await run(whole);
    expect(second.ran.has('5')).toBe(true);
    expect(second.ran.has('7')).toBe(false);
  });

  test('a fingerprint may ask to run each time; the output that follows was written first', async () => {
    const { run } = runner(policy);
    const prompt = (shouldChange: boolean): Prompt => ({ 3: save('2'), 1: black, 2: ['TestCustomIsChanged', { image: ['1', 0], should_change: shouldChange }] });
    expect([...(await run(prompt(false))).ran].sort()).toEqual(['1', '2', '3']);
    expect([...(await run(prompt(false))).ran]).toEqual([]);
    expect([...(await run(prompt(true))).ran].sort()).toEqual(['2', '3']);
    expect([...(await run(prompt(true))).ran].sort()).toEqual(['2', '3']);
  });

  test('a fingerprint gets literals, not what is linked', async () => {
    const { run } = runner(policy);
    const prompt: Prompt = { 1: ['StubConstantImage', { value: float(0.5), height: 16, width: 16, batch_size: 1 }], 2: ['TestIsChangedWithConstants', { image: ['1', 0], value: float(0.5) }], 3: save('2') };
    expect(await (await run(prompt)).pixels('3')).toEqual([63]);
    expect([...(await run(prompt)).ran]).toEqual([]);
  });

  test('undeclared links are followed where the node takes them', async () => {
    const result = await runner(policy).run({ 1: black, 2: white, 3: black, 4: black, 5: ['TestVariadicAverage', { input1: ['1', 0], input2: ['2', 0], input3: ['3', 0], input4: ['4', 0] }], 6: save('5') });
    expect(await result.pixels('6')).toEqual([63]);
  });

  test.each([1, 2, 3, 4])('a loop of %i rounds', async (rounds) => {
    const { run } = runner(policy);
    const prompt: Prompt = {
      1: black, 2: white,
      3: ['TestForLoopOpen', { remaining: rounds, initial_value1: ['2', 0] }],
      4: ['TestVariadicAverage', { input1: ['1', 0], input2: ['3', 2] }],
      5: ['TestCustomIsChanged', { image: ['4', 0], should_change: true }],
      6: ['TestForLoopClose', { flow_control: ['3', 0], initial_value1: ['5', 0] }],
      7: save('6'),
    };
    for (let time = 0; time < 2; time++) {
      const result = await run(prompt);
      expect(result).toMatchObject({ status: 'success' });
      expect(await result.pixels('7')).toEqual([Math.floor(255 / 2 ** rounds)]);
      expect(result.events.filter((event) => event.kind === 'begun' && event.type === 'TestCustomIsChanged')).toHaveLength(rounds);
      expect(result.events.filter((event) => event.kind === 'begun' && event.display === '5')).toHaveLength(rounds);
    }
  });

  test('calls of one node answer with values, with nothing to run, and with nodes', async () => {
    const value = (input1: number): Prompt[string] => ['StubFloat', { value: float(input1) }];
    const result = await runner(policy).run({
      1: value(0.1), 2: value(0.2), 3: value(0.3),
      4: ['TestMakeListNode', { value1: ['1', 0], value2: ['2', 0], value3: ['3', 0] }],
      5: ['TestMixedExpansionReturns', { input1: ['4', 0] }],
      6: save('5', 0), 7: save('5', 1),
    });
    expect(await result.pixels('6')).toEqual([25, 51, 76]);
    expect(await result.pixels('7')).toEqual([255, 255, 255]);
  });

  test('calls of one node need different lazy inputs', async () => {
    const result = await runner(policy).run({
      1: black, 2: white, 3: mask(0), 4: mask(0.5), 5: mask(1),
      6: ['TestMakeListNode', { value1: ['3', 0], value2: ['4', 0], value3: ['5', 0] }],
      7: mix('1', '2', '6'),
      8: ['RebatchImages', { images: ['7', 0], batch_size: 3 }],
      9: save('8'),
    });
    expect(await result.pixels('9')).toEqual([0, 127, 255]);
  });

  test('equal outputs are both shown', async () => {
    const result = await runner(policy).run({ 1: white, 2: save('1'), 3: save('1') });
    expect([...result.known.keys()].sort()).toEqual(['2', '3']);
    expect(result.events.filter((event) => event.kind === 'begun' && event.type === 'SaveImage')).toHaveLength(1);
  });

  test('a blocked value in a list stops that call alone', async () => {
    const result = await runner(policy).run({
      1: black, 2: white, 3: ['StubInt', { value: 1 }], 4: ['StubInt', { value: 2 }], 5: ['StubInt', { value: 3 }],
      6: ['TestMakeListNode', { value1: ['3', 0], value2: ['4', 0], value3: ['5', 0] }],
      7: ['TestIntConditions', { a: ['6', 0], b: 2, operation: '==' }],
      8: ['TestExecutionBlocker', { input: ['1', 0], block: ['7', 0], verbose: false }],
      9: ['PreviewImage', { images: ['8', 0] }],
    });
    expect(result).toMatchObject({ status: 'success', blocked: [{ node: '9', message: null }] });
    expect(await result.pixels('9')).toEqual([0, 0]);
  });

  test('a block with a message is told once; the run goes on and ends well', async () => {
    const result = await runner(policy).run({
      1: black, 2: ['TestExecutionBlocker', { input: ['1', 0], block: true, verbose: true }], 3: mask(0.5), 4: mix('2', '1', '3'), 5: save('4'), 6: save('1'),
    });
    expect(result.status).toBe('success');
    expect(result.blocked.filter(({ message }) => message !== null)).toEqual([{ node: '4', message: 'Blocked Execution' }]);
    expect([...result.known.keys()]).toEqual(['6']);
  });

  describe('targets', () => {
    test('only they and what they need run', async () => {
      const prompt: Prompt = { 1: black, 2: white, 3: save('1'), 4: save('2'), 5: noise, 6: save('5') };
      const one = await runner(policy).run(prompt, { targets: ['3'] });
      expect([...one.ran].sort()).toEqual(['1', '3']);
      expect([...one.known.keys()]).toEqual(['3']);
      expect([...(await runner(policy).run(prompt, { targets: ['3', '6'] })).ran].sort()).toEqual(['1', '3', '5', '6']);
    });

    test('an output node runs unasked where a target needs it', async () => {
      const through = (node: string) => ['TestOutputNodeWithSocketOutput', { image: [node, 0], value: float(0.5) }] as const;
      const prompt: Prompt = { 1: white, 2: through('1'), 3: through('2'), 4: save('3'), 5: save('2') };
      const result = await runner(policy).run(prompt, { targets: ['4'] });
      expect([...result.ran].sort()).toEqual(['1', '2', '3', '4']);
      expect(await result.pixels('4')).toEqual([63]);
      expect([...(await runner(policy).run(prompt, { targets: ['3'] })).ran].sort()).toEqual(['1', '2', '3']);
    });

    test('what is lazy behind a target stays so', async () => {
      const prompt: Prompt = { 1: black, 2: white, 3: mask(0), 4: mask(1), 5: mix('1', '2', '3'), 6: mix('1', '2', '4'), 7: save('5'), 8: save('6') };
      expect([...(await runner(policy).run(prompt, { targets: ['7'] })).ran].sort()).toEqual(['1', '3', '5', '7']);
    });

    test('none at all is refused', async () => {
      expect((await runner(policy).check({ 1: white, 2: save('1') }, [])).refusal?.code).toBe('prompt_no_outputs');
      expect((await runner(policy).check({ 1: white, 2: save('1') }, ['1'])).refusal?.code).toBe('prompt_no_outputs');
    });
  });
});

describe('validation', () => {
  const problemsOf = async (prompt: Prompt) => (await runner().check(prompt)).problems.map(({ code, node }) => `${node} ${code}`);
  const custom = (n: number, input1: unknown, input2: unknown): Prompt => ({
    1: ['StubFloat', { value: float(0.5) }], 2: ['StubInt', { value: 1 }], 3: ['StubMask', { value: float(0.5), height: 8, width: 8, batch_size: 1 }],
    4: [`TestCustomValidation${n}`, { input1, input2 }], 5: ['PreviewImage', { images: ['4', 0] }],
  });

  test.each<[string, Prompt, readonly string[]]>([
    ['an integer is no float where the node looks itself', custom(1, 5, float(0.5)), ['4 custom_validation_failed']],
    ['nor is a text', custom(1, 'foo', float(0.5)), ['4 custom_validation_failed']],
    ['a float is', custom(1, float(5), float(0.5)), []],
    ['a link of a type that is none of several', custom(1, ['2', 0], float(0.5)), ['4 return_type_mismatch']],
    ['another', custom(1, ['3', 0], float(0.5)), ['4 return_type_mismatch']],
    ['a check of types replaces the match', custom(2, ['2', 0], float(0.5)), ['4 custom_validation_failed']],
    ['and lets through what it likes', custom(2, ['1', 0], float(0.5)), []],
    ['a check of types alone', custom(3, ['2', 0], float(0.5)), ['4 custom_validation_failed']],
    ['and what it likes', custom(3, ['1', 0], float(0.5)), []],
    ['a check that sees no links leaves them to the match', custom(4, ['2', 0], float(0.5)), ['4 return_type_mismatch']],
    ['which lets floats through', custom(4, ['1', 0], float(0.5)), []],
    ['a check of all inputs', custom(5, float(0), float(0.5)), []],
    ['switches the range off', custom(5, float(0), float(5)), []],
    ['and has a range of its own', custom(5, float(0), float(7)), ['4 custom_validation_failed']],
  ])('%s', async (_name, prompt, expected) => {
    expect(await problemsOf(prompt)).toEqual(expected);
  });

  test('what passes also runs', async () => {
    const result = await runner().run(custom(3, ['1', 0], float(0.5)));
    expect(await result.pixels('5')).toEqual([63]);
  });
});
