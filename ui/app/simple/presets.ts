// The official app's three tabs as data: which ready workflow each is made from, its sliders with their ranges, and the values it begins with.
// Source: BAGEL's app.py. Fields are told by their names in a workflow's form, so any workflow with such names gets the same sliders.
import type { Json } from '../../../engine/formats/json.ts';
import type { WordKey } from '../words/words.ts';
import { englishWords } from '../words/words.ts';

export type TaskName = 'image' | 'edit' | 'ask';

export interface Task {
  readonly name: TaskName;
  readonly label: WordKey;
  readonly run: WordKey;
  /** The ready workflow, and the one that also shows what was thought. */
  readonly template: string;
  readonly thinking: string;
}

export const tasks: readonly Task[] = [
  { name: 'image', label: 'simple.image', run: 'simple.generate', template: 'text-to-image', thinking: 'text-to-image-think' },
  { name: 'edit', label: 'simple.edit', run: 'simple.generate-edit', template: 'edit', thinking: 'edit-think' },
  { name: 'ask', label: 'simple.ask', run: 'simple.generate-ask', template: 'understand', thinking: 'understand-think' },
];

export interface Range { readonly min: number; readonly max: number; readonly step: number }

const ranges: Readonly<Record<string, Range>> = {
  cfg_text: { min: 1, max: 8, step: 0.1 },
  cfg_image: { min: 1, max: 4, step: 0.1 },
  cfg_start: { min: 0, max: 1, step: 0.1 },
  cfg_end: { min: 0, max: 1, step: 0.1 },
  renorm_min: { min: 0, max: 1, step: 0.1 },
  steps: { min: 10, max: 100, step: 5 },
  shift: { min: 1, max: 5, step: 0.5 },
  max_tokens: { min: 64, max: 4096, step: 64 },
  temperature: { min: 0.1, max: 1, step: 0.1 },
};

const own: Readonly<Partial<Record<TaskName, Readonly<Record<string, Range>>>>> = {
  edit: { shift: { min: 1, max: 10, step: 0.5 } },
  ask: { temperature: { min: 0, max: 1, step: 0.05 } },
};

/** The slider of a field; the node's own bounds stay those of the number beside it. */
export function rangeOf(task: TaskName | undefined, name: string): Range | undefined {
  return (task && own[task]?.[name]) ?? (Object.hasOwn(ranges, name) ? ranges[name] : undefined);
}

/** Width and height at a long side of 1024. */
export const ratios: readonly { readonly name: string; readonly width: number; readonly height: number }[] = [
  { name: '1:1', width: 1024, height: 1024 }, { name: '4:3', width: 1024, height: 768 }, { name: '3:4', width: 768, height: 1024 }, { name: '16:9', width: 1024, height: 576 }, { name: '9:16', width: 576, height: 1024 },
];

/** The small model that is there without any download draws pictures of an eighth of the size. */
export const isDemo = (model: Json | undefined) => typeof model === 'string' && /(^|[/\\])bagel-demo$/.test(model);
export const sizeScale = (model: Json | undefined) => (isDemo(model) ? 1 / 8 : 1);

/** What to begin with for a model: the official app's values; for the demo model those that it was trained with. */
export function recommended(task: TaskName, model: Json | undefined): Readonly<Record<string, Json>> {
  const isSmall = isDemo(model);
  const side = BigInt(1024 * sizeScale(model));
  const thinking: Readonly<Record<string, Json>> = { max_tokens: isSmall ? 256n : 1024n, sample: false, temperature: 0.3 };
  const drawing: Readonly<Record<string, Json>> = { steps: isSmall ? 25n : 50n, shift: isSmall ? 2 : 3, cfg_text: 4, cfg_end: 1, renorm_min: 0, ...thinking };
  if (task === 'ask') return { ...thinking, max_tokens: isSmall ? 256n : 512n };
  if (task === 'edit') return { ...drawing, cfg_image: 2, cfg_start: 0, renorm: 'text_channel' };
  return { ...drawing, cfg_image: isSmall ? 1 : 1.5, cfg_start: 0.4, renorm: 'global', width: side, height: side };
}

/** Fields of the first rank, in this order; the others are behind “Settings”. */
export const firstFields: ReadonlySet<string> = new Set(['prompt', 'question', 'text', 'image', 'image1', 'image2', 'messages']);
/** They count only while thinking is on, where they come with `think`. */
export const thinkingFields: ReadonlySet<string> = new Set(['max_tokens', 'sample', 'temperature']);

export function wordFor(kind: 'field' | 'hint', name: string): WordKey | undefined {
  const key = `simple.${kind}.${name}`;
  return Object.hasOwn(englishWords, key) ? key as WordKey : undefined;
}
