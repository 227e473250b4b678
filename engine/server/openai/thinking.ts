// Tells thinking from answer in a text that comes piece by piece: what a model thinks stands first, between <think> and </think>.

export interface Said {
  readonly kind: 'reasoning' | 'content';
  readonly text: string;
}

const begin = '<think>';
const end = '</think>';
/** Space, and what may become the end tag. */
const undecided = /\s*(?:<(?:\/(?:t(?:h(?:i(?:n(?:k)?)?)?)?)?)?)?$/;

export class ThinkingSplitter {
  #state: 'start' | 'reasoning' | 'content' = 'start';
  /** Nothing of this part was given yet: space is left out. */
  #isAtEdge = true;
  #held = '';

  push(delta: string): readonly Said[] {
    this.#held += delta;
    return [...this.#take()];
  }

  /** Call it once, when no more comes. */
  end(): readonly Said[] {
    return said(this.#state === 'reasoning' ? 'reasoning' : 'content', this.#state === 'content' ? this.#held : this.#held.trimEnd());
  }

  *#take(): Generator<Said> {
    if (this.#isAtEdge) this.#held = this.#held.trimStart();
    if (this.#held === '') return;
    if (this.#state === 'start') {
      if (this.#held.startsWith(begin)) {
        this.#turn('reasoning', begin.length);
        yield* this.#take();
        return;
      }
      if (begin.startsWith(this.#held)) return;
      this.#state = 'content';
    }
    this.#isAtEdge = false;
    if (this.#state === 'content') {
      yield* this.#give('content', this.#held.length);
      return;
    }
    const at = this.#held.indexOf(end);
    if (at < 0) {
      yield* this.#give('reasoning', undecided.exec(this.#held)!.index);
      return;
    }
    yield* said('reasoning', this.#held.slice(0, at).trimEnd());
    this.#turn('content', at + end.length);
    yield* this.#take();
  }

  #turn(state: 'reasoning' | 'content', skipped: number): void {
    this.#state = state;
    this.#isAtEdge = true;
    this.#held = this.#held.slice(skipped);
  }

  #give(kind: Said['kind'], length: number): readonly Said[] {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return said(kind, text);
  }
}

/** All of a text at once. */
export function splitThinking(text: string): { readonly reasoning: string; readonly content: string } {
  const splitter = new ThinkingSplitter();
  const pieces = [...splitter.push(text), ...splitter.end()];
  const of = (kind: Said['kind']) => pieces.filter((piece) => piece.kind === kind).map((piece) => piece.text).join('');
  return { reasoning: of('reasoning'), content: of('content') };
}

function said(kind: Said['kind'], text: string): readonly Said[] {
  return text === '' ? [] : [{ kind, text }];
}
