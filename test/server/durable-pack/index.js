// Nodes of the tests of kills: one that waits and tells what secrets it got, in words that are none.
import { ANY, INT, STRING } from 'bagelgraph/graph/types';

const wait = {
  type: 'Wait',
  title: 'Wait',
  category: 'test',
  inputs: { ms: { type: INT, default: 0n, min: 0 }, value: { type: ANY, optional: true } },
  outputs: [{ name: 'value', type: STRING }],
  async run({ ms }, context) {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, Number(ms));
      context.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(context.signal.reason);
      }, { once: true });
    });
    const secret = context.request.secrets?.get('api_key_comfy_org');
    return [secret === undefined ? 'no secret' : `a secret of ${secret.length} characters`];
  },
};

export const nodes = [wait];
