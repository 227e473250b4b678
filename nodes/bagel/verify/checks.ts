// The two checks that need no device: a tokenizer against known ids, the random stream against torch's.
import { readFile } from 'node:fs/promises';
import { Generator } from '../../../engine/tensor/random.ts';
import { openSafetensors } from '../../../engine/tensor/safetensors.ts';
import { int64, type Tensor } from '../../../engine/tensor/tensor.ts';
import { UserError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { compare, type Verdict } from './compare.ts';

/** Cases [{text, ids, decoded}]: ids must be equal, and so must the text they decode to. */
export async function* verifyTokenizer(casesFile: string, tokenizer: Tokenizer): AsyncGenerator<Verdict> {
  const cases = JSON.parse(await readFile(casesFile, 'utf8')) as { text: string; ids: number[]; decoded: string }[];
  for (const { text, ids, decoded } of cases) {
    const key = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
    const made = tokenizer.encode(text);
    const verdict = compare(key, int64([ids.length], ids), int64([made.length], made), 'exact');
    const isDecoded = tokenizer.decode(ids) === decoded;
    yield isDecoded ? verdict : { ...verdict, passed: false, reason: 'the ids decode to another text' };
  }
}

/**
 * Tensors named `seedS_AxB` are the first draw of seed S; those named `seedS_first_A`, `seedS_then_B`… are drawn one after another from one generator.
 */
export async function* verifyRandn(fileName: string): AsyncGenerator<Verdict> {
  const file = await openSafetensors(fileName);
  const keys = [...file.entries.keys()];
  for (const key of keys) {
    if (!/^seed\d+_(first_|then_)?\d+(x\d+)*$/.test(key)) throw new UserError(`${fileName}: ${JSON.stringify(key)} is not a name of the form seedS_AxB`);
    if (!/_(first|then)_/.test(key)) yield compare(key, await file.read(key), draw(key, new Generator(seedOf(key))), 'noise');
  }
  for (const first of keys.filter((key) => key.includes('_first_'))) {
    const thens = keys.filter((key) => key.startsWith(`${first.slice(0, first.indexOf('_first_'))}_then_`));
    const golden = new Map(await Promise.all([first, ...thens].map(async (key): Promise<[string, Tensor]> => [key, await file.read(key)])));
    yield* verifySequence(golden, first, thens);
  }
}

/** Draws one after another from one generator. Names do not tell the order of the later ones, so the order that fits is looked for. */
function verifySequence(golden: ReadonlyMap<string, Tensor>, first: string, thens: readonly string[]): Verdict[] {
  const tries = permutations(thens).map((order) => {
    const generator = new Generator(seedOf(first));
    return [first, ...order].map((key) => compare(key, golden.get(key)!, draw(key, generator), 'noise'));
  });
  return tries.find((verdicts) => verdicts.every((verdict) => verdict.passed)) ?? tries[0]!;
}

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length < 2) return [[...values]];
  return values.flatMap((value, i) => permutations([...values.slice(0, i), ...values.slice(i + 1)]).map((rest) => [value, ...rest]));
}

function seedOf(key: string): bigint {
  return BigInt(/^seed(\d+)_/.exec(key)![1]!);
}

function draw(key: string, generator: Generator): Tensor {
  return generator.randn(key.slice(key.lastIndexOf('_') + 1).split('x').map(Number));
}
