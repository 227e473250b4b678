// The events of runs under way and of recent ones, to be followed from any point by any number of readers. It is bounded: what was dropped is
// told as a gap, never left out silently. A reader takes at its own pace and costs no memory of its own.
import type { RunEvent } from '../../exec/events.ts';
import type { Job, Store } from '../../store/store.ts';

export interface LoggedEvent {
  readonly kind: 'event';
  /** `SEQ.ATTEMPT`: where to go on from. */
  readonly id: string;
  readonly event: RunEvent;
}

/** Events `from` to `to` are not kept any more; `to` is null where nobody knows how many there were. */
export interface Gap {
  readonly kind: 'gap';
  readonly from: number;
  readonly to: number | null;
  readonly reason: string;
}

export interface EventLogOptions {
  readonly store: Pick<Store, 'get'>;
  /** Default 10,000. */
  readonly eventsOfRun?: number;
  /** Of all runs. Default 50,000. */
  readonly events?: number;
}

interface RunLog {
  readonly run: string;
  /** Tells attempts of one id apart, also across servers. */
  readonly attempt: string;
  /** In the order of their seq, without gaps. */
  events: RunEvent[];
  /** Seq of the first one kept. */
  first: number;
  /** The last event waits until the job is stored, so that whoever sees it can fetch what the job made. */
  held: RunEvent | undefined;
  isOver: boolean;
  readonly wakers: Set<() => void>;
}

export class EventLog {
  readonly #store: Pick<Store, 'get'>;
  readonly #eventsOfRun: number;
  readonly #most: number;
  /** The one begun first in front. */
  readonly #runs = new Map<string, RunLog>();
  #count = 0;

  constructor({ store, eventsOfRun = 10_000, events = 50_000 }: EventLogOptions) {
    this.#store = store;
    this.#eventsOfRun = eventsOfRun;
    this.#most = events;
  }

  /** Every event of every run, in its order. */
  receive(event: RunEvent): void {
    let log = this.#runs.get(event.run);
    if (log === undefined || event.seq !== log.first + log.events.length) log = this.#begin(event.run, event.seq); // an id that was forgotten may run again
    const kept = 'preview' in event ? { ...event, preview: undefined } : event;
    if (event.kind === 'ended') log.held = kept as RunEvent;
    else this.#push(log, kept as RunEvent);
  }

  /** The job has its final entry, and that is stored. */
  end(job: Job): void {
    const log = this.#runs.get(job.id) ?? this.#begin(job.id, 0);
    if (log.isOver) return;
    this.#push(log, log.held ?? endOf(job, log.first + log.events.length));
    log.held = undefined;
    log.isOver = true;
    this.#forgetOld();
    wake(log);
  }

  /**
   * The events of a job from the one after `after` on (an id of this log, or a seq; default: all), until `ended` has been given or `signal`
   * aborts. Begins with a gap where some are gone.
   */
  async *follow(run: string, after: string | undefined, signal: AbortSignal): AsyncGenerator<LoggedEvent | Gap> {
    const log = this.#runs.get(run) ?? this.#restored(run);
    const [seq, attempt] = (after ?? '').split('.');
    const isOfOther = attempt !== undefined && attempt !== log.attempt;
    let next = after === undefined || isOfOther || !/^\d{1,15}$/.test(seq ?? '') ? 0 : Number(seq) + 1;
    if (isOfOther) yield { kind: 'gap', from: Number(seq) + 1, to: null, reason: 'these events are of an earlier attempt; the run began anew, or its events are not kept' };
    while (!signal.aborted) {
      if (next < log.first) {
        yield { kind: 'gap', from: next, to: log.first - 1, reason: 'these events are not kept any more' };
        next = log.first;
      }
      const event = log.events[next - log.first];
      if (event !== undefined) {
        next++;
        yield { kind: 'event', id: `${event.seq}.${log.attempt}`, event };
        if (event.kind === 'ended') return;
      } else if (log.isOver) {
        return; // it was told of the end before
      } else {
        await this.#more(log, signal);
      }
    }
  }

  #begin(run: string, first: number): RunLog {
    const before = this.#runs.get(run);
    const log: RunLog = { run, attempt: newAttempt(), events: [], first, held: undefined, isOver: false, wakers: new Set() };
    if (before !== undefined) {
      this.#drop(before);
      before.isOver = true;
      wake(before);
    }
    this.#runs.set(run, log);
    return log;
  }

  /** The log of a job that has none: it has not begun, or its events are gone and only its end is known. */
  #restored(run: string): RunLog {
    const job = this.#store.get(run);
    if (job === undefined || job.endedAt === undefined) return this.#begin(run, 0);
    const unknown = job.startedAt === undefined ? 0 : 1;
    return { run, attempt: newAttempt(), events: [endOf(job, unknown)], first: unknown, held: undefined, isOver: true, wakers: new Set() };
  }

  #push(log: RunLog, event: RunEvent): void {
    log.events.push(event);
    this.#count++;
    if (log.events.length > this.#eventsOfRun) this.#trim(log, Math.ceil(this.#eventsOfRun / 10));
    if (this.#count > this.#most) this.#forgetOld();
    wake(log);
  }

  #trim(log: RunLog, count: number): void {
    const gone = log.events.splice(0, count).length;
    log.first += gone;
    this.#count -= gone;
  }

  /** Runs that are over go first, then the older events of those that are not. */
  #forgetOld(): void {
    for (const log of this.#runs.values()) {
      if (this.#count <= this.#most) return;
      if (log.isOver) this.#drop(log);
    }
    for (const log of this.#runs.values()) if (this.#count > this.#most) this.#trim(log, log.events.length - 1);
  }

  #drop(log: RunLog): void {
    this.#runs.delete(log.run);
    this.#count -= log.events.length;
  }

  #more(log: RunLog, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        log.wakers.delete(go);
        signal.removeEventListener('abort', go);
        resolve();
      };
      log.wakers.add(go);
      signal.addEventListener('abort', go);
    });
  }
}

function wake(log: RunLog): void {
  for (const go of [...log.wakers]) go();
}

/** For a job whose run has told no end: it never ran, or broke before its first event. */
function endOf({ id, state, startedAt, endedAt = Date.now() }: Job, seq: number): RunEvent {
  const status = state === 'success' ? 'success' : state === 'error' ? 'error' : 'interrupted';
  return { run: id, seq, at: endedAt, kind: 'ended', status, ms: startedAt === undefined ? 0 : endedAt - startedAt };
}

let attempts = 0;

function newAttempt(): string {
  return `${Date.now().toString(36)}${(attempts++).toString(36)}`;
}
