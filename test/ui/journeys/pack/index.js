// Nodes for the journeys, as third parties write them: one with every kind of field, a picture that takes long in steps and previews, one that fails.
import { BOOLEAN, COMBO, FLOAT, IMAGE, INT, SEED, STRING } from 'bagelgraph/graph/types';

const picture = (side, seed, brightness) => {
  const data = new Float32Array(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    data[i * 3] = brightness;
    data[i * 3 + 1] = (i % side) / side;
    data[i * 3 + 2] = ((Number(seed) * 37) % 101) / 101;
  }
  return { width: side, height: side, batch: 1, channels: 3, data };
};

const slow = {
  type: 'SlowImage',
  title: 'Slow Image',
  category: 'journeys',
  inputs: {
    seed: { type: SEED, default: 0n, min: 0, max: 2 ** 53, ui: { control_after_generate: true } },
    steps: { type: INT, default: 10n, min: 1, max: 1000 },
    step_ms: { type: INT, default: 50n, min: 0, max: 1000 },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  async run({ seed, steps, step_ms: stepMs }, context) {
    for (let step = 1; step <= steps; step++) {
      await new Promise((resolve) => setTimeout(resolve, Number(stepMs)));
      await context.progress(step, Number(steps), () => Promise.resolve(picture(32, seed, step / Number(steps))));
    }
    return [picture(64, seed, 1)];
  },
};

const fields = {
  type: 'Fields',
  title: 'Fields',
  category: 'journeys',
  output: true,
  inputs: {
    seed: { type: SEED, default: 5n, min: 0, max: 2 ** 53, ui: { control_after_generate: true } },
    whole: { type: INT, default: 20n, min: 1, max: 1000 },
    factor: { type: FLOAT, default: 4, min: 0, max: 10, step: 0.1 },
    is_tiled: { type: BOOLEAN, default: false },
    sampler: { type: COMBO, choices: ['euler', 'heun', 'midpoint'], default: 'euler' },
    line: { type: STRING, default: 'one line' },
    words: { type: STRING, default: 'some words', ui: { multiline: true } },
  },
  outputs: [],
  run(values, context) {
    context.show(new Map([['text', [Object.entries(values).map(([name, value]) => `${name}=${value}`).join(' ')]]]));
    return [];
  },
};

/** What large graphs are made of: pictures in and out, and fields between. */
const work = {
  type: 'Work',
  title: 'Work',
  category: 'journeys',
  inputs: { image: { type: IMAGE, optional: true }, ...fields.inputs },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image, seed }) {
    return [image ?? picture(8, seed, 1)];
  },
};

const fail = {
  type: 'Fail',
  title: 'Fail',
  category: 'journeys',
  inputs: { image: { type: IMAGE } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run() {
    throw new Error('this node always fails');
  },
};

export const nodes = [slow, fields, work, fail];
