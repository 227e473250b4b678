// A node pack as third parties write them, loaded by path: a picture that takes long, in steps, and heeds Ctrl-C; and a command.
import { IMAGE, INT, SEED, STRING } from 'bagelgraph/graph/types';

const slow = {
  type: 'SlowImage',
  title: 'Slow Image',
  category: 'test',
  inputs: { steps: { type: INT, default: 1000n, min: 1 }, step_ms: { type: INT, default: 20n, min: 0 }, seed: { type: SEED, default: 0n, min: 0 } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  async run({ steps, step_ms: stepMs }, context) {
    for (let step = 1; step <= steps; step++) {
      await new Promise((resolve) => setTimeout(resolve, Number(stepMs)));
      await context.progress(step, Number(steps));
    }
    return [{ width: 8, height: 8, batch: 1, channels: 3, data: new Float32Array(8 * 8 * 3) }];
  },
};

const talk = {
  type: 'Talk',
  title: 'Talk',
  category: 'test',
  inputs: { words: { type: STRING, default: 'one two three' } },
  outputs: [{ name: 'STRING', type: STRING }],
  run({ words }, context) {
    for (const word of words.split(' ')) context.text(`${word} `);
    context.count('decode', words.split(' ').length);
    context.notice('spoken');
    return [words];
  },
};

const fail = {
  type: 'Fail',
  title: 'Fail',
  category: 'test',
  inputs: {},
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run() {
    throw new Error('this node always fails');
  },
};

export const nodes = [slow, talk, fail];

export const commands = [{
  name: 'echo', summary: 'Print words', usage: 'echo WORD…', options: { loud: { type: 'boolean', description: 'in capitals' } },
  async run({ positionals, options }, host) {
    const text = positionals.join(' ');
    host.stdout.write(`${options.loud === true ? text.toUpperCase() : text}\n`);
    return 0;
  },
}];
