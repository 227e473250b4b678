// Where the view lies in a bitmap that is larger than it, and which part of the bitmap is drawn: so that a view that moves mostly moves an
// element instead of pixels. Pure arithmetic in device pixels of the bitmap; knows nothing of graphs and contexts.
import type { Box, Point } from '../state/document.ts';

/** What a move asks for, in this order: pixels copied by an offset, boxes drawn anew. Nothing at all while what is drawn already suffices. */
export interface Repaint {
  readonly copy: Point | undefined;
  readonly draw: readonly Box[];
}

/** A span of one axis: from, to. */
type Span = readonly [number, number];

export class Overscan {
  #size: Point = [1, 1];
  #margin = 0;
  #at: Point = [0, 0];
  #drawn: readonly [Span, Span] | undefined;

  /** The view's size, and how far the bitmap reaches beyond it on each side. Nothing is drawn afterwards. */
  resize(width: number, height: number, margin: number): void {
    this.#size = [width, height];
    this.#margin = margin;
    this.centre();
  }

  get bitmapSize(): Point {
    return [this.#size[0] + 2 * this.#margin, this.#size[1] + 2 * this.#margin];
  }

  get margin(): number {
    return this.#margin;
  }

  /** The view in the bitmap. */
  get view(): Box {
    return [...this.#at, ...this.#size];
  }

  /** All is to be drawn anew: the view in the middle, and only the view. */
  centre(): void {
    this.#at = [this.#margin, this.#margin];
    this.#drawn = [this.#seen(0), this.#seen(1)];
  }

  /** What is shown has moved by so many pixels. */
  move(by: Point): Repaint {
    const before = this.#at;
    const wanted: Point = [before[0] - by[0], before[1] - by[1]];
    this.#at = [this.#place(wanted[0], by[0]), this.#place(wanted[1], by[1])];
    const copy: Point = [this.#at[0] - wanted[0], this.#at[1] - wanted[1]];
    const isCopied = copy[0] !== 0 || copy[1] !== 0;
    const kept = this.#drawn && ([0, 1] as const).map((axis) => clip(this.#drawn![axis], copy[axis], this.bitmapSize[axis]));
    if (kept === undefined || !this.#isWorthKeeping(kept[0]!, 0) || !this.#isWorthKeeping(kept[1]!, 1)) {
      this.centre();
      return { copy: undefined, draw: [this.view] };
    }
    const across = this.#reach(kept[0]!, 0);
    const down = this.#reach(kept[1]!, 1);
    this.#drawn = [across, down];
    return { copy: isCopied ? copy : undefined, draw: [...strips(kept[0]!, across).map(([from, to]): Box => [from, kept[1]![0], to - from, kept[1]![1] - kept[1]![0]]), ...strips(kept[1]!, down).map(([from, to]): Box => [across[0], from, across[1] - across[0], to - from])] };
  }

  /** Inside the bitmap; where the view would leave it, with more room ahead than behind. */
  #place(wanted: number, by: number): number {
    const most = 2 * this.#margin;
    if (wanted >= 0 && wanted <= most) return wanted;
    return Math.round(by > 0 ? most * 0.75 : most * 0.25);
  }

  #seen(axis: 0 | 1): Span {
    return [this.#at[axis], this.#at[axis] + this.#size[axis]];
  }

  /** What is drawn, and on a side where the view looks beyond it, a good part of the margin: one large strip costs less than many small ones, but all in one frame. */
  #reach([from, to]: Span, axis: 0 | 1): Span {
    const [first, last] = this.#seen(axis);
    const ahead = Math.round(this.#margin * 2 / 3);
    return [first < from ? Math.max(0, first - ahead) : from, last > to ? Math.min(this.bitmapSize[axis], last + ahead) : to];
  }

  /** Less than half of the view drawn, a copy costs more than it saves. */
  #isWorthKeeping([from, to]: Span, axis: 0 | 1): boolean {
    const [first, last] = this.#seen(axis);
    return Math.min(to, last) - Math.max(from, first) > (last - first) / 2;
  }
}

function clip([from, to]: Span, by: number, size: number): Span {
  return [Math.max(0, from + by), Math.min(size, to + by)];
}

function strips([from, to]: Span, [first, last]: Span): Span[] {
  return [...(first < from ? [[first, from] as const] : []), ...(last > to ? [[to, last] as const] : [])];
}
