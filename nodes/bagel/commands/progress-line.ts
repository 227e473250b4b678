// One line of progress on a terminal, with the time that is left; where the terminal cannot redraw, a line now and then.
import type { CommandHost } from '../../../engine/graph/node.ts';

/** Time between lines where they cannot be redrawn. */
const lineEveryMs = 10_000;
const redrawEveryMs = 100;

export class ProgressLine {
  readonly #err: CommandHost['stderr'];
  readonly #isQuiet: boolean;
  #label = '';
  #startedAt = 0;
  #startedWith = 0;
  #shownAt = -Infinity;
  #isOpen = false;

  constructor(err: CommandHost['stderr'], isQuiet: boolean) {
    this.#err = err;
    this.#isQuiet = isQuiet;
  }

  /** `amount` says done and total in words, such as `1.2 of 29.2 GB`. A new label begins a new measurement. */
  show(label: string, done: number, total: number, amount = ''): void {
    if (this.#isQuiet) return;
    const now = performance.now();
    if (label !== this.#label) {
      this.end();
      // what is over before a first line is due needs none, unless lines can be redrawn
      [this.#label, this.#startedAt, this.#startedWith, this.#shownAt] = [label, now, done, this.#err.isTTY ? -Infinity : now];
    }
    if (now - this.#shownAt < (this.#err.isTTY ? redrawEveryMs : lineEveryMs) && (done < total || !this.#err.isTTY)) return;
    this.#shownAt = now;
    const left = done > this.#startedWith && done < total ? `, ${timeText(((now - this.#startedAt) * (total - done)) / (done - this.#startedWith))} left` : '';
    const text = `${label} ${total === 0 ? 100 : Math.floor((done / total) * 100)} %${amount === '' ? '' : `, ${amount}`}${left}`;
    this.#err.write(this.#err.isTTY ? `\r\x1b[2K${text.slice(0, Math.max(0, this.#err.columns - 1))}` : `${text}\n`);
    this.#isOpen = this.#err.isTTY;
  }

  /** Lets what follows begin on a line of its own. */
  end(): void {
    if (this.#isOpen) this.#err.write('\n');
    this.#isOpen = false;
    this.#label = '';
  }
}

function timeText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
