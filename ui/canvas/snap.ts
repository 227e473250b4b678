// Where a moved box comes to rest: on the grid, or in line with its neighbours. Pure.
import type { Box, Point } from '../state/document.ts';

export interface Snapped {
  /** What is added to the movement. */
  readonly by: Point;
  /** Lines to show, from and to. */
  readonly guides: readonly (readonly [Point, Point])[];
}

export const notSnapped: Snapped = { by: [0, 0], guides: [] };

export function snapToGrid([x, y]: Point, step: number): Snapped {
  return { by: [Math.round(x / step) * step - x, Math.round(y / step) * step - y], guides: [] };
}

interface Line {
  readonly by: number;
  readonly at: number;
  readonly other: Box;
}

/** Brings edges or middles into line with those of other boxes nearer than `reach`, in each direction by itself. */
export function snapToBoxes(box: Box, others: readonly Box[], reach: number): Snapped {
  const [x, y, width, height] = box;
  let across: Line | undefined;
  let along: Line | undefined;
  for (const other of others) {
    across = nearer(across, linesUp(x, width, other[0], other[2], other), reach);
    along = nearer(along, linesUp(y, height, other[1], other[3], other), reach);
  }
  const by: Point = [across?.by ?? 0, along?.by ?? 0];
  const [left, top] = [x + by[0], y + by[1]];
  const guides: (readonly [Point, Point])[] = [];
  if (across !== undefined) guides.push([[across.at, Math.min(top, across.other[1])], [across.at, Math.max(top + height, across.other[1] + across.other[3])]]);
  if (along !== undefined) guides.push([[Math.min(left, along.other[0]), along.at], [Math.max(left + width, along.other[0] + along.other[2]), along.at]]);
  return { by, guides };
}

function linesUp(start: number, size: number, otherStart: number, otherSize: number, other: Box): Line {
  const pairs: readonly (readonly [number, number])[] = [
    [start, otherStart], [start + size, otherStart + otherSize], [start + size / 2, otherStart + otherSize / 2], [start, otherStart + otherSize], [start + size, otherStart],
  ];
  const [mine, theirs] = pairs.reduce((best, pair) => (Math.abs(pair[1] - pair[0]) < Math.abs(best[1] - best[0]) ? pair : best));
  return { by: theirs - mine, at: theirs, other };
}

function nearer(best: Line | undefined, line: Line, reach: number): Line | undefined {
  return Math.abs(line.by) <= reach && (best === undefined || Math.abs(line.by) < Math.abs(best.by)) ? line : best;
}
