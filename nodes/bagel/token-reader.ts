// One token through embedding, layers and head. Where they lie on one device, all runs are sent at once and hand the row on in two row buffers,
// so that the device does not wait for its host between them. Knows no sampling.
import type { Device, Feed, Fetch, Handle, Session } from '../../engine/device/device.ts';
import { isSpread } from '../../engine/device/spread.ts';
import { float32, int64, type Tensor } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import { llmPart, pieceCall, rowInputs, runLayers, type Context, type RowBuffers, type Work } from './context.ts';
import { embed } from './encode.ts';

type Ready = Context & { readonly buffers: RowBuffers };
/** An output of the head: the most likely token, brought to the host, or all logits, on the device. */
export type Wanted = 'token' | 'logits';
const fetchOf = { token: 'tensor', logits: 'handle' } as const satisfies Record<Wanted, Fetch>;

export interface TokenReader {
  /** Reads `token` behind the context, into its next row. */
  read(context: Ready, token: number, want: Wanted): Promise<Tensor | Handle>;
  end(): Promise<void>;
}

/** The caller ends it. */
export async function openTokenReader(model: BagelModel, work: Work): Promise<TokenReader> {
  const { device } = work;
  const devices = new Set(partsOf(model, false).map((part) => (isSpread(device) ? device.at(part) : device)));
  const [only] = devices;
  return only === undefined || devices.size > 1 ? stepByStep(work) : Relay.open(model, only, work.signal);
}

/** Each run waits for the one before, as rows that go from device to device must. */
function stepByStep(work: Work): TokenReader {
  return {
    async read(context, token, want) {
      const row = await embed(context.model, [token], undefined, work);
      const last = (await runLayers(context, { und: { handle: row }, undRows: 1, positions: [context.rope], causal: true, store: context.buffers }, 'und', work))!;
      try {
        return (await context.model.run(work.device, 'head', { und: { handle: last } }, { [want]: fetchOf[want] }, work.signal))[want]!;
      } finally {
        await work.device.free([row, last]);
      }
    },
    end: () => Promise.resolve(),
  };
}

class Relay implements TokenReader {
  readonly #model: BagelModel;
  readonly #device: Device;
  readonly #signal: AbortSignal | undefined;
  /** The row goes back and forth between them. */
  readonly #rows: readonly [Handle, Handle];

  private constructor(model: BagelModel, device: Device, signal: AbortSignal | undefined, rows: readonly [Handle, Handle]) {
    this.#model = model;
    this.#device = device;
    this.#signal = signal;
    this.#rows = rows;
  }

  static async open(model: BagelModel, device: Device, signal: AbortSignal | undefined): Promise<Relay> {
    const row = () => device.write({ dtype: 'float32', shape: [1, model.config.llm.hidden] });
    return new Relay(model, device, signal, await Promise.all([row(), row()]));
  }

  async read(context: Ready, token: number, want: Wanted): Promise<Tensor | Handle> {
    const { halves } = this.#model;
    const isHalf = await halves.enter(false);
    try {
      const parts = partsOf(this.#model, isHalf);
      // all are there before the first is sent: nothing may overtake
      const sessions = await settled(parts.map((part) => this.#session(part, isHalf)));
      return (await settled(this.#send(context, token, want, sessions, isHalf))).at(-1)![want]!;
    } finally {
      if (isHalf) await halves.leave();
    }
  }

  async #session(part: string, isHalf: boolean): Promise<Session> {
    const session = await this.#model.session(this.#device, part);
    if (isHalf && part.startsWith('llm:')) this.#model.halves.keep(session, this.#device);
    return session;
  }

  /** The runs in their order; the last gives what is wanted. */
  #send(context: Ready, token: number, want: Wanted, sessions: readonly Session[], isHalf: boolean): Promise<Record<string, Handle | Tensor>>[] {
    const sent: Promise<Record<string, Handle | Tensor>>[] = [];
    const send = (feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>) => {
      sent.push(this.#device.run(sessions[sent.length]!, feeds, fetch, this.#signal === undefined ? {} : { signal: this.#signal }));
    };
    const none = float32([0, this.#model.config.llm.hidden], new Float32Array(0));
    let [from, to] = this.#rows;
    send({ ids: int64([1], [token]), rows: none }, { und: { into: from, row: 0 } });
    const given = rowInputs({ positions: [context.rope], causal: true }, context);
    for (let index = 0; index < this.#model.cuts.llm.length; index++) {
      const { feeds, fetch } = pieceCall(context, index, { ...given, und: { handle: from }, ...(isHalf ? {} : { gen: none }) }, context.buffers);
      send(feeds, { ...fetch, und_out: { into: to, row: 0 } });
      [from, to] = [to, from];
    }
    send({ und: { handle: from } }, { [want]: fetchOf[want] });
    return sent;
  }

  async end(): Promise<void> {
    await this.#device.free(this.#rows);
  }
}

function partsOf({ cuts }: BagelModel, isHalf: boolean): string[] {
  return ['embed', ...cuts.llm.map((_, index) => llmPart(index, isHalf)), 'head'];
}

/** What each gives; throws the first failure, once nothing is under way any more. */
async function settled<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const ends = await Promise.allSettled(calls);
  const failed = ends.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return ends.map((one) => (one as PromiseFulfilledResult<T>).value);
}
