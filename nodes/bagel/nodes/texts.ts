// Nodes that write text.
import { defineNode, type NodeContext } from '../../../engine/graph/node.ts';
import { FLOAT, INT, STRING } from '../../../engine/graph/types.ts';
import { contextOf, type Context } from '../context.ts';
import { readText } from '../encode.ts';
import { generateTokens, type TextOptions } from '../generate-text.ts';
import { seedInput, textInputs, textOptions } from '../inputs.ts';
import { BAGEL_CONTEXT, BAGEL_MODEL, workOf } from '../types.ts';

const finerInputs = {
  top_k: { type: INT, default: 0n, min: 0, max: 256, optional: true, ui: { tooltip: 'Sample from the k most likely tokens; 0 = all.' } },
  top_p: { type: FLOAT, default: 1, min: 0, max: 1, step: 0.05, optional: true, ui: { tooltip: 'Sample from the most likely tokens that make up this probability.' } },
  repetition_penalty: { type: FLOAT, default: 1, min: 0.5, max: 2, step: 0.05, optional: true, ui: { tooltip: 'Above 1 makes tokens that were already written less likely.' } },
} as const;

const inputs = { model: { type: BAGEL_MODEL }, context: { type: BAGEL_CONTEXT }, ...textInputs(512), seed: { ...seedInput, optional: true }, ...finerInputs } as const;

/**
 * Generates behind a context, streaming to the client. Stops at a begin token as well as at an end token: the reference keeps what stands
 * between the first two.
 */
async function generate(read: Context, options: TextOptions, context: NodeContext): Promise<{ readonly text: string; readonly tokens: number }> {
  const { bos } = read.model.config.specialTokens;
  const tokenizer = await read.model.tokenizer();
  const stream = tokenizer.stream();
  let text = '';
  const say = (delta: string) => {
    text += delta;
    if (delta !== '') context.text(delta);
  };
  let count = 0;
  for await (const id of generateTokens(read, options, workOf(context, read.model))) {
    if (id === bos) break;
    say(stream.push(id));
    await context.progress(++count, options.maxTokens);
  }
  say(stream.end());
  return { text, tokens: count };
}

export const generateText = defineNode({
  type: 'Bagel.GenerateText',
  title: 'BAGEL Generate Text',
  description: 'Answers behind a context.',
  category: 'BAGEL/text',
  inputs,
  outputs: [{ name: 'text', type: STRING }, { name: 'tokens_read', type: INT }, { name: 'tokens_written', type: INT }],
  async run(values, context) {
    const read = contextOf(values.model, values.context);
    const { text, tokens } = await generate(read, textOptions(values, values.seed ?? 0n), context);
    return [text, read.length, tokens];
  },
});

export const think = defineNode({
  type: 'Bagel.Think',
  title: 'BAGEL Think',
  description: 'Thinks on a copy of the context and gives the thought and the context with the thought read into it.',
  category: 'BAGEL/text',
  inputs,
  outputs: [{ name: 'text', type: STRING }, { name: 'context', type: BAGEL_CONTEXT }],
  async run(values, context) {
    const read = contextOf(values.model, values.context);
    const { text: thought } = await generate(read, textOptions(values, values.seed ?? 0n), context);
    return [thought, await readText(read, thought, workOf(context, values.model))];
  },
});
