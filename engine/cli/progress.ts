// Shows a run on a terminal as it happens: a bar with step n/N, time a step and ETA, streamed text, notices. A fold of RunEvents.
import type { RunEvent } from '../exec/events.ts';

export interface Terminal {
  write(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number;
}

/** Where a terminal cannot redraw a line, at most one progress line is printed in this time. */
const plainIntervalMs = 1000;
const redrawIntervalMs = 50;
const barWidth = 24;

interface Running {
  readonly title: string;
  readonly startedAt: number;
  /** When its first step was done. */
  firstAt?: number;
  firstValue?: number;
}

/** Receives events and writes progress to `err` and streamed text to `text`. */
export class Progress {
  readonly #err: Terminal;
  readonly #text: { write(text: string): void };
  readonly #running = new Map<string, Running>();
  #drawnAt = -Infinity;
  #hasLine = false;
  #isMidText = false;
  /** Nodes whose text went to the terminal. */
  readonly streamed = new Set<string>();

  constructor(err: Terminal, text: { write(text: string): void }) {
    this.#err = err;
    this.#text = text;
  }

  receive(event: RunEvent): void {
    switch (event.kind) {
      case 'begun':
        this.#running.set(event.node, { title: event.title, startedAt: event.at });
        this.#begin(event.title, event.at);
        break;
      case 'progress':
        this.#step(event.node, event.value, event.max, event.at);
        break;
      case 'text':
        this.#clear();
        this.streamed.add(event.real);
        this.#isMidText = !event.delta.endsWith('\n');
        this.#text.write(event.delta);
        break;
      case 'notice':
        this.#say(`note: ${event.message}`);
        break;
      case 'finished':
        this.#endText();
        this.#running.delete(event.node);
        break;
      case 'blocked':
        if (event.message !== null) this.#say(`blocked: ${event.message}`);
        break;
      case 'ended':
        this.#endText();
        this.#clear();
        break;
    }
  }

  /** Prints a line of its own below whatever is shown. */
  #say(line: string): void {
    this.#endText();
    this.#clear();
    this.#err.write(`${line}\n`);
  }

  #endText(): void {
    if (this.#isMidText) this.#text.write('\n');
    this.#isMidText = false;
  }

  /** Where a line can be redrawn it says what is going on, for loading a large model takes a while. */
  #begin(title: string, at: number): void {
    if (!this.#err.isTTY || this.#isMidText || at - this.#drawnAt < redrawIntervalMs) return;
    this.#drawnAt = at;
    this.#draw(`${title} …`);
  }

  #step(node: string, value: number, max: number, at: number): void {
    const running = this.#running.get(node);
    if (running === undefined || this.#isMidText || max <= 1) return;
    if (value > 0 && running.firstAt === undefined) Object.assign(running, { firstAt: at, firstValue: value });
    const interval = this.#err.isTTY ? redrawIntervalMs : plainIntervalMs;
    const isLast = value >= max;
    if (!isLast && (at - this.#drawnAt < interval || (value === 0 && !this.#err.isTTY))) return;
    this.#drawnAt = at;
    this.#draw(progressLine(running, value, max, at, this.#err.isTTY ? this.#err.columns : Infinity));
    if (isLast) this.#drawnAt = -Infinity;
  }

  #draw(line: string): void {
    if (!this.#err.isTTY) {
      this.#err.write(`${line}\n`);
      return;
    }
    this.#err.write(`\r\u001b[2K${line.slice(0, Math.max(0, this.#err.columns - 1))}`);
    this.#hasLine = true;
  }

  #clear(): void {
    if (this.#hasLine) this.#err.write('\r\u001b[2K');
    this.#hasLine = false;
  }
}

/**
 * `BAGEL Denoise  ████████░░░░  12/24  27 ms a step  0.3 s left`; the bar gives way first where `columns` are few.
 * The first step is left out of the pace: it loads the model.
 */
function progressLine({ title, firstAt, firstValue }: Running, value: number, max: number, at: number, columns: number): string {
  const done = firstAt === undefined ? 0 : value - firstValue!;
  const pace = done > 0 ? (at - firstAt!) / done : undefined;
  const timing = pace === undefined ? '' : `  ${duration(pace)} a step  ${duration(pace * (max - value))} left`;
  const numbers = `${value}/${max}${timing}`;
  const width = Math.min(barWidth, columns - 1 - title.length - numbers.length - 4);
  if (width < 4) return `${title}  ${numbers}`;
  const filled = Math.round((width * Math.min(value, max)) / max);
  return `${title}  ${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ${numbers}`;
}

/** Milliseconds in the unit a person would use. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
