// The last lines the server has said, for those who look at them over HTTP or on a socket.
export interface LogEntry {
  /** ISO 8601. */
  readonly t: string;
  readonly m: string;
}

const mostLines = 300;

export class Logbook {
  readonly #entries: LogEntry[] = [];
  readonly #write: (text: string) => void;
  readonly #listeners = new Set<(entry: LogEntry) => void>();

  /** `write` gets every line, ended. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  readonly log = (line: string): void => {
    const entry = { t: new Date().toISOString(), m: `${line}\n` };
    this.#entries.push(entry);
    if (this.#entries.length > mostLines) this.#entries.shift();
    this.#write(entry.m);
    for (const listener of this.#listeners) listener(entry);
  };

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  /** Returns what ends it. */
  listen(listener: (entry: LogEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
