// An autoencoder without a model around it: pictures to latents and back. The value of VAE.
import type { Forecaster } from '../../engine/device/device.ts';
import type { Part } from '../../engine/onnx/expr.ts';
import { buildAutoencoderPart, cutText, isStages, planAutoencoderCuts, type AutoencoderCuts } from './model/autoencoder-parts.ts';
import type { BagelConfig } from './model/config.ts';
import { forecastOf, scratchOfStages } from './model/forecast.ts';
import { PartRunner } from './part-runner.ts';
import type { AutoencoderFile } from './weights/autoencoder-file.ts';

/** What encodes and decodes pictures: an autoencoder alone, or a model that has one. */
export interface Autoencoding extends PartRunner {
  readonly name: string;
  /** Identifies the content and precision. */
  readonly key: string;
  readonly config: Pick<BagelConfig, 'vae'>;
  readonly cuts: AutoencoderCuts;
}

/** Side in pixels of the pictures its parts are cut for, the largest that BAGEL reads. */
const plannedSide = 1024;

export class Autoencoder extends PartRunner implements Autoencoding {
  readonly name: string;
  readonly key: string;
  readonly config: Pick<BagelConfig, 'vae'>;
  readonly cuts: AutoencoderCuts;
  readonly #file: AutoencoderFile;

  constructor(file: AutoencoderFile) {
    super({ expandWeights: true });
    this.#file = file;
    this.name = file.name;
    this.key = `${file.contentKey} float32`;
    this.config = { vae: file.vae };
    this.cuts = planAutoencoderCuts(file.vae, plannedSide);
  }

  part(name: string): Part {
    return buildAutoencoderPart(name, { config: this.config, weights: { vae: this.#file.refs }, cuts: this.cuts });
  }

  protected override get scratchBytes(): number {
    return scratchOfStages(this.config.vae, this.cuts, plannedSide);
  }

  protected override keyOf(part: string): string {
    return `${this.key} ${cutText({ ...this.cuts }, part)}`;
  }

  protected override isLarge({ name }: Part): boolean {
    return isStages(name);
  }

  protected override forecast(part: Part): Forecaster {
    return forecastOf(part, { config: this.config, cuts: this.cuts, expandWeights: this.expandsWeights });
  }
}
