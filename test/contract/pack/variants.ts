// Inputs that take several types: a node with `variants` as its check takes a link when each type the link may bring is wanted.
import type { InputSpecs, NodeDefinition, Type } from 'bagelgraph/graph/node';

/** A check of link types alone: received types ⊆ expected types. */
export function variants(inputs: InputSpecs): NonNullable<NodeDefinition['validate']> {
  return {
    inputs: [],
    types: true,
    check(_known, types) {
      for (const [name, received] of Object.entries(types)) {
        const expected = nameOf(inputs[name]!.type as Type<unknown>);
        if (!isWithin(received, expected)) return `Invalid type of ${name}: ${received} (expected ${expected})`;
      }
      return true;
    },
  };
}

function nameOf({ name, oneOf }: Type<unknown>): string {
  return oneOf === undefined ? name : oneOf.join(',');
}

function isWithin(received: string, expected: string): boolean {
  const wanted = expected.split(',');
  const brought = received.split(',');
  return wanted.includes('*') || brought.includes('*') || brought.every((type) => wanted.includes(type));
}
