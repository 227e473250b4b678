// Colour and shape of slots by type. The shape says the same as the colour, so that nobody has to tell colours apart. Pure.

export type SlotShape = 'circle' | 'square' | 'diamond' | 'triangle' | 'hexagon' | 'ring' | 'bar' | 'grid';

export interface SlotLook {
  /** Of the theme's palette: `--c-slot-…`. */
  readonly color: SlotColor;
  readonly shape: SlotShape;
}

export type SlotColor = 'model' | 'image' | 'mask' | 'latent' | 'context' | 'text' | 'number' | 'toggle' | 'choice' | 'any' | 'other-1' | 'other-2' | 'other-3' | 'other-4';
export const slotColors: readonly SlotColor[] = ['model', 'image', 'mask', 'latent', 'context', 'text', 'number', 'toggle', 'choice', 'any', 'other-1', 'other-2', 'other-3', 'other-4'];

const known: Readonly<Record<string, SlotLook>> = {
  BAGEL_MODEL: { color: 'model', shape: 'hexagon' },
  MODEL: { color: 'model', shape: 'hexagon' },
  VAE: { color: 'other-1', shape: 'hexagon' },
  CLIP: { color: 'other-2', shape: 'hexagon' },
  IMAGE: { color: 'image', shape: 'square' },
  MASK: { color: 'mask', shape: 'square' },
  BAGEL_LATENT: { color: 'latent', shape: 'diamond' },
  LATENT: { color: 'latent', shape: 'diamond' },
  BAGEL_CONTEXT: { color: 'context', shape: 'triangle' },
  CONDITIONING: { color: 'context', shape: 'triangle' },
  STRING: { color: 'text', shape: 'bar' },
  INT: { color: 'number', shape: 'circle' },
  FLOAT: { color: 'number', shape: 'circle' },
  BOOLEAN: { color: 'toggle', shape: 'circle' },
  COMBO: { color: 'choice', shape: 'circle' },
};
const others: readonly SlotLook[] = [
  { color: 'other-1', shape: 'circle' }, { color: 'other-2', shape: 'triangle' }, { color: 'other-3', shape: 'diamond' }, { color: 'other-4', shape: 'square' },
  { color: 'other-1', shape: 'bar' }, { color: 'other-2', shape: 'square' }, { color: 'other-3', shape: 'hexagon' }, { color: 'other-4', shape: 'triangle' },
];

/** The same type always looks the same. A list is a grid, whatever it holds. */
export function lookOf(type: string, isList = false): SlotLook {
  const look = lookOfOne(type);
  return isList ? { ...look, shape: 'grid' } : look;
}

function lookOfOne(type: string): SlotLook {
  if (type === '*' || type === '' || type.split(',').some((one) => one.trim() === '*')) return { color: 'any', shape: 'ring' };
  const first = type.split(',')[0]!.trim();
  return Object.hasOwn(known, first) ? known[first]! : others[hash(first) % others.length]!;
}

function hash(text: string): number {
  let sum = 7;
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)!) % 1_000_003;
  return sum;
}
