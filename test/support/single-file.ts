// The header that ComfyUI-BAGEL 1.1 writes into a model that is one file, for the tensors of a model folder.
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Value of the metadata `comfyui_bagel`. Sizes that a real model has by definition stand beside it, as in config.json. */
export async function singleFileMetadata(folder: string): Promise<Record<string, unknown>> {
  const json = async (name: string) => JSON.parse(await readFile(path.join(folder, name), 'utf8')) as Record<string, unknown>;
  return {
    format_version: 1, variant: 'bagel', dtype: 'bfloat16', quantization: null, tokenizer_fingerprint: '0'.repeat(64), latent_format: 'flux',
    special_token_ids: { bos_token_id: 508, eos_token_id: 509, start_of_image: 510, end_of_image: 511 },
    capabilities: ['text_to_image', 'image_edit', 'image_understanding'],
    model_configs: { llm: await json('llm_config.json'), vit: await json('vit_config.json') },
    ...(await json('config.json')),
  };
}
