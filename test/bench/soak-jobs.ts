// The jobs of the soak: pictures and answers of the demo model, and nodes of the contract pack that mix, wait, expand and fail.

export type Prompt = Readonly<Record<string, { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> }>>;

export interface SoakJob {
  readonly kind: string;
  readonly prompt: Prompt;
  /** It is made to end with an error that says this. */
  readonly fails?: string;
}

/** Numbers from 0 to 1 that a seed repeats. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const node = (type: string, inputs: Readonly<Record<string, unknown>>) => ({ class_type: type, inputs });
const load = node('Bagel.Load', { model: 'bagel-demo', strict: false, similar: false, placement: 'one device', devices: '', vision_device: '', autoencoder_device: '' });
const image = (content: string) => node('StubImage', { content, height: 256, width: 256, batch_size: 1 });
const shapes = ['circle', 'square', 'triangle', 'star', 'ring', 'cross', 'diamond'];
const colours = ['red', 'blue', 'green', 'yellow', 'purple', 'orange', 'black', 'white'];

type Random = () => number;
const oneOf = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)]!;

const draw = (random: Random): SoakJob => ({ kind: 'draw', prompt: {
  1: load,
  2: node('Bagel.TextToImage', {
    model: ['1', 0], prompt: `a large ${oneOf(colours, random)} ${oneOf(shapes, random)} on a white background`, seed: Math.floor(random() * 1e9), width: 128, height: 128, steps: 12, shift: 2, cfg_text: 4,
    cfg_image: 1, cfg_start: 0.4, cfg_end: 1, renorm: 'global', renorm_min: 0, taylorseer: random() < 0.3, think: random() < 0.2, max_tokens: 64, sample: false, temperature: 0.3, ratio: '',
  }),
  3: node(random() < 0.5 ? 'SaveImage' : 'PreviewImage', { images: ['2', 0], filename_prefix: 'soak' }),
} });

const ask = (random: Random): SoakJob => ({ kind: 'ask', prompt: {
  1: load, 2: node('LoadImage', { image: 'square-and-circle.png' }),
  3: node('Bagel.UnderstandImage', { model: ['1', 0], image: ['2', 0], mask: ['2', 1], prompt: `what color is the ${oneOf(shapes, random)}?`, think: false, max_tokens: 32, sample: true, temperature: 0.3, seed: Math.floor(random() * 1e9) }),
  4: node('PreviewAny', { source: ['3', 0] }),
} });

const mix = (random: Random): SoakJob => ({ kind: 'mix', prompt: {
  1: image('NOISE'), 2: image('BLACK'), 3: node('StubMask', { value: Number(random().toFixed(3)), height: 256, width: 256, batch_size: 1 }),
  4: node('TestLazyMixImages', { image1: ['1', 0], image2: ['2', 0], mask: ['3', 0] }), 5: node('SaveImage', { images: ['4', 0], filename_prefix: 'soak/mixed' }), 6: node('PreviewImage', { images: ['1', 0] }),
} });

const wait = (random: Random): SoakJob => ({ kind: 'wait', prompt: {
  1: image('NOISE'), 2: image('WHITE'), 3: node('TestParallelSleep', { image1: ['1', 0], image2: ['2', 0], image3: ['2', 0], sleep1: random(), sleep2: random() / 2, sleep3: random() / 3 }), 4: node('SaveImage', { images: ['3', 0], filename_prefix: 'soak' }),
} });

const fail = (random: Random): SoakJob => ({ kind: 'fail', fails: 'Intentional', prompt: {
  1: image('NOISE'), 2: node('TestAsyncError', { value: ['1', 0], error_after: random() / 2 }), 3: node('SaveImage', { images: ['2', 0], filename_prefix: 'never' }),
} });

const kinds: readonly (readonly [share: number, make: (random: Random) => SoakJob])[] = [[0.4, draw], [0.15, ask], [0.25, mix], [0.12, wait], [0.08, fail]];

export function nextJob(random: Random): SoakJob {
  let at = random();
  for (const [share, make] of kinds) {
    at -= share;
    if (at < 0) return make(random);
  }
  return draw(random);
}
