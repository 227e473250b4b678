// Dynamic prompts: `{red|blue} ball` stands for one of its choices. The pick follows from a seed, so that a run can be repeated.

/** One of the texts that `text` stands for. Comments as in this language go; `\{`, `\}` and `\|` are the plain characters; choices may nest. */
export function pickDynamicPrompt(text: string, seed?: bigint): string {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const random = generator(hash(seed === undefined ? plain : `${seed}\n${plain}`));
  return new Reader(plain, random).choice(0);
}

class Reader {
  readonly #text: string;
  readonly #random: () => number;
  #at = 0;

  constructor(text: string, random: () => number) {
    this.#text = text;
    this.#random = random;
  }

  /** Reads up to the closing brace of a choice (or the end), and picks. At depth 0 `|` and `}` are plain characters. */
  choice(depth: number): string {
    const options: string[] = [];
    let option = '';
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at++]!;
      if (char === '\\' && this.#at < this.#text.length && '{}|'.includes(this.#text[this.#at]!)) option += this.#text[this.#at++];
      else if (char === '{' && depth < 100) option += this.choice(depth + 1);
      else if (char === '|' && depth > 0) {
        options.push(option);
        option = '';
      } else if (char === '}' && depth > 0) break;
      else option += char;
    }
    options.push(option);
    return options[Math.floor(this.#random() * options.length)]!;
  }
}

/** FNV-1a, 32 bit. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** mulberry32: numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
