// What a view that moves needs drawn: checked against a bitmap of numbers that each stand for the place that was drawn there.
import { describe, expect, test } from 'vitest';
import { Generator } from '../../../engine/tensor/random.ts';
import { Overscan } from '../../../ui/canvas/overscan.ts';

/** Draws by the answers of an `Overscan`, and tells whether the view shows what it should. */
class Bitmap {
  readonly overscan = new Overscan();
  #pixels: (string | undefined)[][] = [];
  #moved = [0, 0];
  drawn = 0;

  constructor(width: number, height: number, margin: number) {
    this.overscan.resize(width, height, margin);
    const [w, h] = this.overscan.bitmapSize;
    this.#pixels = Array.from({ length: h }, () => new Array<string | undefined>(w).fill(undefined));
    this.#draw(this.overscan.view);
  }

  move(x: number, y: number): void {
    this.#moved = [this.#moved[0]! + x, this.#moved[1]! + y];
    const { copy, draw } = this.overscan.move([x, y]);
    if (copy !== undefined) this.#pixels = this.#pixels.map((row, at) => row.map((_, i) => this.#pixels[at - copy[1]]?.[i - copy[0]]));
    for (const box of draw) this.#draw(box);
  }

  #draw([x, y, width, height]: readonly [number, number, number, number]): void {
    const [left, top] = this.overscan.view;
    for (let row = y; row < y + height; row++) for (let i = x; i < x + width; i++) this.#pixels[row]![i] = `${i - left - this.#moved[0]!},${row - top - this.#moved[1]!}`;
    this.drawn += width * height;
  }

  get isRight(): boolean {
    const [left, top, width, height] = this.overscan.view;
    for (let row = 0; row < height; row++) for (let i = 0; i < width; i++) if (this.#pixels[top + row]?.[left + i] !== `${i - this.#moved[0]!},${row - this.#moved[1]!}`) return false;
    return true;
  }
}

describe('a bitmap larger than the view', () => {
  test('shows the right place after any moves', () => {
    const { data } = new Generator(7n).randn([300, 2]);
    const bitmap = new Bitmap(20, 12, 6);
    for (let i = 0; i < 600; i += 2) {
      bitmap.move(Math.round(Number(data[i]) * 5), Math.round(Number(data[i + 1]) * 4));
      expect(bitmap.isRight).toBe(true);
    }
  });

  test('a move within what is drawn draws nothing; one beyond it draws two thirds of the margin ahead, so that the next ones draw nothing', () => {
    const { overscan } = new Bitmap(100, 80, 30);
    expect(overscan.move([-4, 0])).toEqual({ copy: undefined, draw: [[130, 30, 24, 80]] });
    expect(overscan.move([-20, 0])).toEqual({ copy: undefined, draw: [] });
    expect(overscan.move([24, 0])).toEqual({ copy: undefined, draw: [] });
    expect(overscan.move([0, 5])).toEqual({ copy: undefined, draw: [[30, 5, 124, 25]] });
  });

  test('at the edge of the bitmap what is drawn is copied to where more of the room lies ahead', () => {
    const { overscan } = new Bitmap(100, 80, 30);
    overscan.move([-30, 0]);
    const { copy, draw } = overscan.move([-5, 0]);
    expect(copy).toEqual([-50, 0]);
    expect(draw).toEqual([[110, 30, 25, 80]]);
    expect(overscan.view).toEqual([15, 30, 100, 80]);
  });

  test('a leap draws the view anew and nothing else', () => {
    const { overscan } = new Bitmap(100, 80, 30);
    expect(overscan.move([-90, 3])).toEqual({ copy: undefined, draw: [[30, 30, 100, 80]] });
  });
});
