// A loaded BAGEL: its folder, the sessions of its parts on each device, and the contexts that are still alive. The value of BAGEL_MODEL.
// Nothing here knows nodes.
import type { Forecaster } from '../../engine/device/device.ts';
import type { Part } from '../../engine/onnx/expr.ts';
import type { Context } from './context.ts';
import { UserError } from './errors.ts';
import { cutText, isStages } from './model/autoencoder-parts.ts';
import type { BagelConfig } from './model/config.ts';
import { forecastOf, scratchOfAll } from './model/forecast.ts';
import { buildPart, planCuts, type Cuts, type ModelWeights } from './model/parts.ts';
import { Halves } from './halves.ts';
import { blocksOf, onOneDevice, type Placement } from './placement.ts';
import { PartRunner, type ModelOptions } from './part-runner.ts';
import { openTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
import { Turns } from './turns.ts';
import type { ModelFolder } from './weights/folder.ts';

export class BagelModel extends PartRunner {
  readonly name: string;
  readonly path: string;
  readonly config: BagelConfig;
  readonly cuts: Cuts;
  /** Identifies the content and precision: the root of every context's key. */
  readonly key: string;
  /** By key and place. */
  readonly contexts = new Map<string, Context>();
  readonly turns = new Turns();
  readonly halves: Halves;
  readonly #folder: ModelFolder;
  readonly #weights: ModelWeights;
  #tokenizer: Promise<Tokenizer> | undefined;

  readonly placement: Placement;

  constructor(folder: ModelFolder, options: ModelOptions & { readonly placement?: Placement; readonly onlyReads?: boolean }) {
    super({ ...options, mapFloat32: folder.isMapped ?? false });
    this.#folder = folder;
    this.#weights = { llm: { get: (key) => folder.llm.get(key), castsInRun: !options.expandWeights }, vae: folder.vae };
    this.name = folder.name;
    this.path = folder.path;
    this.config = folder.config;
    this.placement = options.placement ?? onOneDevice;
    this.halves = new Halves(options.onlyReads ?? false);
    this.cuts = planCuts(folder.config, blocksOf(this.placement));
    this.key = `${folder.contentKey} float32`;
  }

  /** Reads the tokenizer files at first use; throws naming them when there are none. */
  tokenizer(): Promise<Tokenizer> {
    return (this.#tokenizer ??= openTokenizer(this.#folder.tokenizerFiles));
  }

  /** False: it came without one, and only latents can be read and made. */
  get hasAutoencoder(): boolean {
    return this.#folder.vae.size > 0;
  }

  part(name: string): Part {
    if (!this.hasAutoencoder && isStages(name)) {
      throw new UserError(`the model ${this.name} comes without its autoencoder: put ae.safetensors beside it or into models/vae, or use VAE Encode and VAE Decode with a VAE that was loaded apart`);
    }
    return buildPart(name, this.config, this.#weights, this.cuts);
  }

  protected override get roams(): boolean {
    return this.placement.strategy !== 'split layers';
  }

  protected override get scratchBytes(): number {
    return scratchOfAll(this.config, this.cuts);
  }

  protected override keyOf(part: string): string | undefined {
    return part.endsWith(':und') ? undefined : `${this.key} ${cutText({ ...this.cuts }, part)}`; // halves are freed once something is drawn
  }

  protected override isLarge({ name }: Part): boolean {
    return isStages(name);
  }

  protected override forecast(part: Part): Forecaster {
    return forecastOf(part, { config: this.config, cuts: this.cuts, expandWeights: this.expandsWeights });
  }
}
