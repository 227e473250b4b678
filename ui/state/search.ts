// Search for node types, as one types: tiers of likeness, then use and age, and a filter for what fits a dropped link. Knows no screen.
import { fits } from '../../engine/graph/fits.ts';
import type { NodeType, NodeTypes } from './node-types.ts';

export interface SearchOptions {
  /** Only types with an input for this type of value: a link was dragged from an output. */
  readonly accepts?: string;
  /** Only types that make a value for this type of input. */
  readonly makes?: string;
  readonly category?: string;
  /** How often each type was added before. */
  readonly usage?: Readonly<Record<string, number>>;
  /** Types used last, the latest first: shown first while nothing is typed. */
  readonly recent?: readonly string[];
  readonly limit?: number;
}

export interface Found {
  readonly type: NodeType;
  /** Why it was found, best first. */
  readonly tier: Tier;
  /** Parts of the title that match, `[start, end]`, for emphasis. */
  readonly matches: readonly (readonly [start: number, end: number])[];
}

export type Tier = 'exact' | 'prefix' | 'word' | 'synonym' | 'substring' | 'all-words' | 'all-substrings' | 'description' | 'fuzzy';
const tiers: readonly Tier[] = ['exact', 'prefix', 'word', 'synonym', 'substring', 'all-words', 'all-substrings', 'description', 'fuzzy'];

/** Words that people type for nodes whose titles do not say them. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  prompt: ['text', 'encode', 'string'], caption: ['understand', 'ask'], describe: ['understand', 'ask'], vqa: ['understand', 'ask'], question: ['understand', 'ask'], ask: ['understand'], chat: ['understand'],
  resize: ['scale'], upscale: ['scale'], downscale: ['scale'], scale: ['resize'], size: ['scale', 'resize'],
  draw: ['text to image', 'texttoimage'], generate: ['text to image', 'texttoimage', 'generate'], txt2img: ['text to image', 'texttoimage'], t2i: ['text to image', 'texttoimage'], img2img: ['edit'], i2i: ['edit'], inpaint: ['edit'],
  checkpoint: ['load', 'model'], ckpt: ['load', 'model'], model: ['load'], open: ['load'], upload: ['load'], file: ['load', 'save'], export: ['save'], download: ['save'], output: ['save', 'preview'], show: ['preview'], view: ['preview'], display: ['preview'],
  sampler: ['denoise'], ksampler: ['denoise'], sample: ['denoise'], latent: ['latent', 'noise'], number: ['int', 'float'], integer: ['int'], decimal: ['float'], bool: ['boolean'], switch: ['boolean'], concat: ['concatenate'], join: ['concatenate', 'batch'], combine: ['concatenate', 'batch'],
  comment: ['note'], annotation: ['note'], negative: ['invert'], reason: ['think'], cot: ['think'], picture: ['image'], photo: ['image'], img: ['image'], pic: ['image'],
};

/** The types that match, best first. Without a query: recent ones, then all, by title. */
export function searchTypes(types: NodeTypes, query: string, options: SearchOptions = {}): readonly Found[] {
  const { usage = {}, recent = [], limit = 200 } = options;
  const wanted = normal(query);
  const found: (Found & { readonly rank: number })[] = [];
  for (const type of types.all) {
    if (!isOffered(type) || !passes(type, options)) continue;
    if (wanted === '') {
      const at = recent.indexOf(type.type);
      found.push({ type, tier: 'exact', matches: [], rank: (at < 0 ? 1000 : at) + penaltyOf(type) * 10_000 });
      continue;
    }
    const tier = tierOf(type, wanted);
    // usage decides between equals, and lifts at most to the next tier
    if (tier !== undefined) found.push({ type, tier, matches: matchesIn(type.title, wanted), rank: tiers.indexOf(tier) + penaltyOf(type) * tiers.length - Math.min(0.9, Math.log1p(usage[type.type] ?? 0) / 5) });
  }
  const fit = (type: NodeType) => (options.accepts === undefined ? 0 : type.inputs.some((input) => input.widget === undefined && input.type === options.accepts) ? 0 : 1);
  return found.sort((a, b) => (wanted === '' ? fit(a.type) - fit(b.type) : 0) || a.rank - b.rank || fit(a.type) - fit(b.type) || a.type.title.length * Number(wanted !== '') - b.type.title.length * Number(wanted !== '') || a.type.title.localeCompare(b.type.title, 'en'))
    .slice(0, limit).map(({ type, tier, matches }) => ({ type, tier, matches }));
}

/** The editor's own reroute and primitive are made by gestures, not picked. */
function isOffered(type: NodeType): boolean {
  return type.type !== 'Reroute' && type.type !== 'PrimitiveNode';
}

function passes(type: NodeType, { accepts, makes, category }: SearchOptions): boolean {
  if (accepts !== undefined && !type.inputs.some((input) => fits({ name: accepts }, { name: input.type }))) return false;
  if (makes !== undefined && !type.outputs.some((output) => fits({ name: output.type }, { name: makes }))) return false;
  return category === undefined || type.category === category || type.category.startsWith(`${category}/`);
}

/** Old ones come after all others, unfinished ones after equals. */
function penaltyOf(type: NodeType): number {
  return type.isDeprecated ? 1 : 0;
}

/** Small letters, without accents; words of CamelCase and dotted names apart. */
function normal(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase().replace(/[._/|>-]+/g, ' ').replace(/\s+/g, ' ').trim();
}

const read = new WeakMap<NodeType, { readonly names: readonly string[]; readonly words: readonly string[]; readonly rest: string }>();

function textsOf(type: NodeType): { readonly names: readonly string[]; readonly words: readonly string[]; readonly rest: string } {
  const known = read.get(type);
  if (known !== undefined) return known;
  const names = [type.title, type.type, ...type.aliases].map(normal);
  const joined = names.map((name) => name.replaceAll(' ', ''));
  const made = { names: [...new Set([...names, ...joined])], words: [...new Set(names.flatMap((name) => name.split(' ')))], rest: normal(`${type.category} ${type.description}`) };
  read.set(type, made);
  return made;
}

/** How a type is like the query; undefined for not at all. */
function tierOf(type: NodeType, query: string): Tier | undefined {
  const { names, words, rest } = textsOf(type);
  const asked = query.split(' ');
  if (names.includes(query)) return 'exact';
  if (names.some((name) => name.startsWith(query))) return 'prefix';
  if (words.includes(query) || names.some((name) => name.includes(` ${query}`))) return 'word';
  if (asked.length === 1 && (synonyms[query] ?? []).some((synonym) => (synonym.includes(' ') ? names.some((name) => name.includes(synonym)) : words.includes(synonym)))) return 'synonym';
  if (names.some((name) => name.includes(query))) return 'substring';
  if (asked.every((part) => words.some((word) => word.startsWith(part)) || (synonyms[part] ?? []).some((synonym) => words.includes(synonym)))) return 'all-words';
  if (asked.every((part) => names.some((name) => name.includes(part)))) return 'all-substrings';
  if (query.length >= 3 && asked.every((part) => rest.includes(part) || names.some((name) => name.includes(part)))) return 'description';
  return query.length >= 3 && asked.every((part) => part.length >= 3 && words.some((word) => isNear(part, word))) ? 'fuzzy' : undefined;
}

/** One typing mistake in a short word, two in a long one. The first letter must be right: else too much is like everything. */
function isNear(part: string, word: string): boolean {
  const most = part.length >= 8 ? 2 : 1;
  if (part[0] !== word[0] || Math.abs(part.length - word.length) > most) return false;
  let row = Array.from({ length: word.length + 1 }, (_, i) => i);
  let above: readonly number[] = row;
  for (let i = 1; i <= part.length; i++) {
    const next = [i];
    for (let j = 1; j <= word.length; j++) {
      const isSwap = i > 1 && j > 1 && part[i - 1] === word[j - 2] && part[i - 2] === word[j - 1];
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (part[i - 1] === word[j - 1] ? 0 : 1), isSwap ? above[j - 2]! + 1 : Infinity));
    }
    above = row;
    row = next;
  }
  return row[word.length]! <= most;
}

function matchesIn(title: string, query: string): Found['matches'] {
  const lower = title.toLowerCase();
  return query.split(' ').flatMap((part): Found['matches'] => {
    const at = lower.indexOf(part);
    return at < 0 ? [] : [[at, at + part.length]];
  });
}

/** The categories of all types with how many each holds, nested ones by path (`image/upscaling`). */
export function categoriesOf(types: NodeTypes): readonly { readonly path: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const type of types.all.filter(isOffered)) {
    const parts = type.category.split('/').filter((part) => part !== '');
    for (let i = 1; i <= parts.length; i++) counts.set(parts.slice(0, i).join('/'), (counts.get(parts.slice(0, i).join('/')) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b, 'en')).map(([path, count]) => ({ path, count }));
}
