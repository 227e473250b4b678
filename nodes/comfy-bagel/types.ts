// The link types of ComfyUI-BAGEL. What their values are, only nodes/bagel knows; here they are handed on.
import type { Held } from '../../engine/device/device.ts';
import type { Type } from '../../engine/graph/node.ts';

/** A value that keeps device memory alive. */
export interface Holder {
  held(): readonly Held[];
}

export const BAGEL_MODEL: Type<Holder> = { name: 'BAGEL_MODEL', held: (model) => model.held() };
export const VAE: Type<Holder> = { name: 'VAE', held: (vae) => vae.held() };
export const LATENT: Type<object> = { name: 'LATENT' };
