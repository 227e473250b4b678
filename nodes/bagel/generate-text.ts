// Text, token by token: each pass reads one token and gives the next. Source: bagel.py: generate_text, inferencer.py: gen_text.
import { Generator } from '../../engine/tensor/random.ts';
import type { Handle } from '../../engine/device/device.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { claimRows, releaseRows, type Context, type RowBuffers, type Work } from './context.ts';
import { checkPositions } from './encode.ts';
import { sampleToken, type SamplingOptions } from './sampling.ts';
import { openTokenReader, type TokenReader } from './token-reader.ts';

export interface TextOptions {
  /** Tokens at most, the begin token included, as the reference counts. */
  readonly maxTokens: number;
  /** Absent: the most likely token each time. */
  readonly sampling?: SamplingOptions;
  readonly seed: bigint;
}

/** Rows that are claimed at a time; the answer is usually much shorter than the limit. */
const claimAtOnce = 128;

/**
 * Yields token ids as they are generated, without the begin and end tokens. The context itself stays as it is.
 */
export async function* generateTokens(context: Context, options: TextOptions, work: Work): AsyncGenerator<number> {
  const { model } = context;
  const { bos, eos } = model.config.specialTokens;
  checkPositions(context, 1, 'an answer');
  const random = new Generator(options.seed);
  const room = Math.min(options.maxTokens, model.config.llm.maxPositions - context.rope);
  const seen: number[] = [];
  const rows = new GrowingRows(context, work);
  const reader = await openTokenReader(model, work);
  let token = bos;
  try {
    while (seen.length + 1 < room) {
      work.signal?.throwIfAborted();
      const current = await rows.next(room - seen.length);
      const next = await readToken(current, token, seen, options, random, reader, work);
      if (next === eos) return;
      seen.push(next);
      token = next;
      yield next;
    }
  } finally {
    await Promise.all([rows.end(), reader.end()]);
  }
}

/** Rows behind a context for tokens that nobody keeps: in the context's own buffers where they are free, else in a copy. */
class GrowingRows {
  readonly #context: Context;
  readonly #work: Work;
  #current: Context;
  #claimed: number;

  constructor(context: Context, work: Work) {
    this.#context = context;
    this.#work = work;
    this.#current = context;
    this.#claimed = context.length;
  }

  /** The context as read so far, with room for one more row, which counts as read from now on. */
  async next(wanted: number): Promise<Context & { readonly buffers: RowBuffers }> {
    const current = this.#current;
    if (current.length === this.#claimed || current.buffers === undefined) {
      const rows = Math.min(claimAtOnce, wanted);
      const buffers = await claimRows(current, rows, this.#work);
      if (buffers !== current.buffers) await this.end();
      this.#claimed = current.length + rows;
      this.#current = { ...current, buffers };
    }
    const given = this.#current as Context & { readonly buffers: RowBuffers };
    this.#current = { ...given, length: given.length + 1, rope: given.rope + 1 };
    return given;
  }

  /** Gives claimed rows back, or frees the copy. */
  async end(): Promise<void> {
    const { buffers } = this.#current;
    if (buffers === undefined) return;
    if (buffers === this.#context.buffers) releaseRows(buffers, this.#claimed, this.#context.length);
    else await this.#work.device.free([...buffers.handles.values()]);
  }
}

/** Reads one token behind the context and gives the next. */
async function readToken(context: Context & { readonly buffers: RowBuffers }, token: number, seen: readonly number[], options: TextOptions, random: Generator, reader: TokenReader, work: Work): Promise<number> {
  const { sampling } = options;
  const chosen = await reader.read(context, token, sampling === undefined ? 'token' : 'logits');
  work.count('decode');
  if (sampling === undefined) return Number((chosen as Tensor).data[0]);
  try {
    return await sample(context, chosen as Handle, sampling, seen, random, work);
  } finally {
    await work.device.free([chosen as Handle]);
  }
}

/** Samples from the largest logits, or from all when the rest could matter. */
async function sample(context: Context, logits: Handle, options: SamplingOptions, seen: readonly number[], random: Generator, work: Work): Promise<number> {
  const top = await context.model.run(work.device, 'top', { logits: { handle: logits } }, { values: 'tensor', ids: 'tensor', total: 'tensor' }, work.signal);
  const numbers = (name: string) => Array.from((top[name] as Tensor).data, Number);
  const draw = random.random();
  const chosen = sampleToken({ logits: numbers('values'), ids: numbers('ids'), logSumExp: numbers('total')[0]!, vocab: context.model.config.llm.vocab }, options, seen, draw);
  if (chosen !== undefined) return chosen;
  const all = Array.from((await work.device.read(logits)).data, Number);
  return sampleToken({ logits: all, ids: all.map((_, id) => id) }, options, seen, draw)!;
}
