// What the server keeps of every job it has accepted: the queue before it runs, the history after it. Knows no wire and no database:
// requests and results are texts whose form is the caller's business.

/** Where a job is. The last four are final; `cancelled` left the queue before it ran, `interrupted` was stopped while it ran. */
export type JobState = 'waiting' | 'running' | 'success' | 'error' | 'interrupted' | 'cancelled';
export type FinalState = Exclude<JobState, 'waiting' | 'running'>;

/** What can be listed of a job without its texts. All times are milliseconds since the epoch. Replaced, never changed. */
export interface Job {
  readonly id: string;
  /** Smaller runs sooner; equal numbers run in the order of their ids. */
  readonly number: number;
  readonly state: JobState;
  readonly clientId?: string;
  readonly workflowId?: string;
  readonly createdAt: number;
  /** When it began last. */
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** How often the server was killed while it ran. */
  readonly kills: number;
  /** Files and other things it has shown. */
  readonly outputs: number;
  /** The first of them, as JSON. */
  readonly preview?: string;
  readonly failure?: JobFailure;
}

/** Why a job ended with an error. */
export interface JobFailure {
  readonly node: string;
  readonly type: string;
  /** Class of the error. */
  readonly name: string;
  readonly message: string;
}

export interface NewJob {
  readonly id: string;
  readonly number: number;
  readonly clientId?: string | undefined;
  readonly workflowId?: string | undefined;
  readonly createdAt: number;
  /** All that is needed to run it again, without secrets. */
  readonly request: string;
}

export interface Ending {
  readonly state: FinalState;
  readonly endedAt: number;
  /** What it made and told; absent for what never ran. */
  readonly result?: string;
  readonly outputs?: number;
  readonly preview?: string | undefined;
  readonly failure?: JobFailure | undefined;
  /** Files in the temp folder that the result names, relative to it. */
  readonly tempFiles?: readonly string[];
}

export interface JobTexts {
  readonly request: string;
  readonly result?: string;
}

export interface JobQuery {
  /** Default: all. */
  readonly states?: ReadonlySet<JobState>;
  readonly clientId?: string;
  readonly workflowId?: string;
  /** Default createdAt. A job that has not ended has lasted until now, one that has not begun 0. */
  readonly sortBy?: 'createdAt' | 'duration';
  /** Default false: the newest, or longest, first. */
  readonly ascending?: boolean;
  readonly offset?: number;
  readonly limit?: number;
}

/** How much of the history is kept. The oldest go first; what has not ended always stays. */
export interface Retention {
  readonly ageMs: number;
  /** Of requests and results. */
  readonly bytes: number;
  readonly jobs: number;
}

/**
 * Writing takes effect at once for whoever reads; it is safe from a kill when `committed` resolves. All that one turn of the event loop
 * writes is one transaction. Ids that are not there are passed over, but for `add`, which throws when its id is.
 */
export interface Store {
  /** Where it lies, for messages; undefined = in memory. */
  readonly folder: string | undefined;

  add(job: NewJob): Job;
  /** It begins to run. */
  start(id: string, at: number): void;
  /** Its one final entry; later ones are passed over. */
  end(id: string, ending: Ending): void;
  /** Running jobs wait again; with `wasKilled` the kill is counted. */
  requeue(id: string, wasKilled?: boolean): void;
  /** A waiting job gets another number, which its request may hold too. */
  renumber(id: string, number: number, request: string): void;
  /** Drops final entries. */
  delete(ids: Iterable<string>): void;
  /** Drops all final entries. */
  clear(): void;
  /** Drops a job as though it had never been accepted: for one whose `committed` rejected. */
  forget(id: string): void;
  /** Rejects with a StoreError when the disk does not take it; it is tried again with whatever is written next. */
  committed(): Promise<void>;

  get(id: string): Job | undefined;
  /** Reads from the disk what is no longer in memory. */
  texts(id: string): JobTexts | undefined;
  /** Waiting and running ones, in the order of acceptance. */
  open(): readonly Job[];
  /** Final entries, the one that ended first in front. */
  ended(): Iterable<Job>;
  list(query?: JobQuery): { readonly jobs: readonly Job[]; readonly total: number };
  /** One more than the largest number there has been, without signs and fractions. */
  readonly nextNumber: bigint;
  isPaused: boolean;
  /** Files in the temp folder that final entries name. */
  tempFiles(): ReadonlySet<string>;
  /** Commits and lets go of the folder. */
  close(): void;
}
