// The BAGEL pack: nodes and commands.
import type { Pack } from '../../engine/graph/node.ts';
import { compareCommand } from './commands/compare.ts';
import { downloadCommand } from './commands/download.ts';
import { importCommand } from './commands/import.ts';
import { ask, draw, edit } from './commands/tasks.ts';
import { verify } from './commands/verify.ts';
import { chat } from './nodes/chat.ts';
import { encodeImageVae, encodeImageVit, encodeText, interleave } from './nodes/contexts.ts';
import { decodeLatent, denoise, encodeLatent, fromComfyLatent, noise, toComfyLatent } from './nodes/latents.ts';
import { load, loadVae } from './nodes/load.ts';
import { editImage, multiImageEdit, textToImage, understandImage } from './nodes/tasks.ts';
import { decodeVae, encodeVae } from './nodes/vae.ts';
import { generateText, think } from './nodes/texts.ts';

export const nodes: Pack['nodes'] = [
  load, textToImage, editImage, multiImageEdit, understandImage, chat,
  encodeText, encodeImageVit, encodeImageVae, interleave,
  noise, denoise, decodeLatent, encodeLatent, toComfyLatent, fromComfyLatent,
  generateText, think,
  loadVae, encodeVae, decodeVae,
];

export const commands: NonNullable<Pack['commands']> = [draw, edit, ask, verify, downloadCommand, importCommand, compareCommand];
