// Nodes by which ComfyUI's own tests of execution run against this engine (comfy-contract §5.4), written from their descriptions.
// A pack as any other: `--node-pack test/contract/pack`.
import { expansion } from './expansion.ts';
import { lists } from './lists.ts';
import { logic } from './logic.ts';
import { loops } from './loops.ts';
import { mixing } from './mixing.ts';
import { stubs } from './stubs.ts';
import { validation } from './validation.ts';
import { waiting } from './waiting.ts';

export const nodes = [...stubs, ...mixing, ...validation, ...expansion, ...loops, ...logic, ...lists, ...waiting];
