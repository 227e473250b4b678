// TaylorSeer: most passes are replaced by a Taylor extrapolation of the last layer's rows (Liu et al. 2025).
// Source: modeling/cache_utils/taylorseer.py, interval 3, order 6, first 5 passes in full. Each branch counts its own passes.
import type { Handle } from '../../engine/device/device.ts';
import { float32 } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import type { Work } from './context.ts';

const interval = 3;
const maxOrder = 6;
const fullAtStart = 5;

/** Extrapolates one branch. Call `extrapolate` at each pass; when it gives nothing, make the pass and `learn` its rows. */
export class TaylorSeer {
  readonly #model: BagelModel;
  readonly #work: Work;
  #step = -1;
  /** Passes since the last one in full. */
  #skipped = 0;
  #lastFull = 0;
  /** Differences by order, [orders, tokens, hidden]: 0 = the rows themselves. */
  #factors: Handle | undefined;
  #orders = 0;

  constructor(model: BagelModel, work: Work) {
    this.#model = model;
    this.#work = work;
  }

  held(): Handle[] {
    return this.#factors === undefined ? [] : [this.#factors];
  }

  /** The rows [tokens, hidden] this pass would give, or undefined when it has to be made in full. */
  async extrapolate(): Promise<Handle | undefined> {
    this.#step++;
    if (this.#step < fullAtStart || this.#skipped === interval - 1) return undefined;
    this.#skipped++;
    const distance = this.#step - this.#lastFull;
    let factorial = 1;
    const weights = Array.from({ length: this.#orders }, (_, i) => distance ** i / (factorial *= Math.max(1, i)));
    return this.#unstack(await this.#combine([weights], this.#factors!, 0, this.#orders));
  }

  /** Takes the rows of a pass made in full and renews the differences. */
  async learn(rows: Handle): Promise<void> {
    const distance = this.#step - this.#lastFull;
    const orders = this.#step > fullAtStart - 2 ? Math.min(this.#orders, maxOrder) + 1 : 1;
    const stacked = await this.#model.handle(this.#work.device, 'stack', { rows: { handle: rows } }, 'stacked', this.#work.signal);
    const old = this.#factors;
    // new[0] = rows, new[i + 1] = (new[i] − old[i]) / distance, written out as weights of rows and of each old difference.
    const matrix: number[][] = [[1, ...Array.from({ length: this.#orders }, () => 0)]];
    for (let i = 0; i + 1 < orders; i++) matrix.push(matrix[i]!.map((weight, column) => (weight - (column === i + 1 ? 1 : 0)) / distance));
    this.#factors = await this.#combine(matrix, stacked, this.#orders, this.#orders + 1, old);
    await this.#work.device.free([stacked, ...(old === undefined ? [] : [old])]);
    this.#orders = orders;
    this.#lastFull = this.#step;
    this.#skipped = 0;
  }

  async #combine(matrix: readonly (readonly number[])[], first: Handle, othersCount: number, columns: number, others?: Handle): Promise<Handle> {
    const [, tokens, hidden] = first.shape as [number, number, number];
    const weights = float32([matrix.length, columns], matrix.flat());
    const rest = others === undefined ? float32([othersCount, tokens, hidden], new Float32Array(0)) : { handle: others };
    return this.#model.handle(this.#work.device, 'combine', { matrix: weights, first: { handle: first }, others: rest }, 'sums', this.#work.signal);
  }

  async #unstack(stacked: Handle): Promise<Handle> {
    const rows = await this.#model.handle(this.#work.device, 'unstack', { stacked: { handle: stacked } }, 'rows', this.#work.signal);
    await this.#work.device.free([stacked]);
    return rows;
  }
}
