// Where objects came from: the output of a keyed node that gave them first. It stands for the object in keys, so that what a node
// hands on inside an expansion is known by content like any link. Outlives runs as long as the objects do.
import { isBlocked, type Slots } from './lists.ts';
import type { PlanNode } from './plan.ts';
import { contentToken, originToken } from './tokens.ts';

export class Origins {
  readonly #tokens = new WeakMap<object, string>();

  remember({ key }: PlanNode, slots: Slots): void {
    for (let slot = 0; slot < slots.length; slot++) {
      slots[slot]!.forEach((value, i) => {
        if (typeof value === 'object' && value !== null && !isBlocked(value) && !this.#tokens.has(value)) this.#tokens.set(value, originToken('output', key, `${slot}.${i}`));
      });
    }
  }

  /** By content, else by origin, else by `made`: the place in the expansion that made it. */
  tokenOf(value: unknown, made: () => string): string {
    return contentToken(value) ?? (typeof value === 'object' && value !== null ? this.#tokens.get(value) : undefined) ?? made();
  }
}
