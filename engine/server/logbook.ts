// What the server says: lines of text or of JSON, and the last of them for those who look over HTTP or on a socket.

export interface LogEntry {
  /** ISO 8601. */
  readonly t: string;
  readonly m: string;
}

export type LogFormat = 'text' | 'json';

/** What a line is about, for programs that read logs. */
export interface LogFields {
  /** Default info. */
  readonly level?: 'info' | 'warn' | 'error';
  /** Id of the run, which is that of its prompt or job. */
  readonly run?: string;
  /** Id of the HTTP request. */
  readonly request?: string;
  readonly [name: string]: string | number | boolean | undefined;
}

const mostLines = 300;

export class Logbook {
  readonly #entries: LogEntry[] = [];
  readonly #write: (text: string) => void;
  readonly #format: LogFormat;
  readonly #listeners = new Set<(entry: LogEntry) => void>();

  /** `write` gets every line, ended. */
  constructor(write: (text: string) => void, format: LogFormat = 'text') {
    this.#write = write;
    this.#format = format;
  }

  readonly log = (line: string, fields: LogFields = {}): void => {
    const entry = { t: new Date().toISOString(), m: `${shown(line)}\n` };
    this.#entries.push(entry);
    if (this.#entries.length > mostLines) this.#entries.shift();
    this.#write(this.#format === 'json' ? jsonLine(entry.t, line, fields) : entry.m);
    for (const listener of this.#listeners) listener(entry);
  };

  /** What only programs want to read, such as every request: written in JSON, and nowhere else. */
  readonly record = (line: string, fields: LogFields): void => {
    if (this.#format === 'json') this.#write(jsonLine(new Date().toISOString(), line, fields));
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

function jsonLine(time: string, message: string, { level = 'info', ...fields }: LogFields): string {
  return `${JSON.stringify({ time, level, message, ...fields })}\n`;
}

/** Names that clients chose may hold what moves a terminal's cursor. */
function shown(line: string): string {
  // eslint-disable-next-line no-control-regex -- these are the ones
  return line.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
