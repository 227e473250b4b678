// The flow from noise to picture: a generator of steps, each one Euler step along the guided velocity. Source: bagel.py: generate_image.
// One pass = one run of all layers for one branch. A branch whose context equals another's is not run again.
import type { Feed, Handle } from '../../engine/device/device.ts';
import { float32 } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import { contextHere, handleOn, placeOf, runLayers, type Context, type Work } from './context.ts';
import { estimate } from './estimate.ts';
import { isSpread } from '../../engine/device/spread.ts';
import { embedMarkers, gridOf, packLatent, tablePositions, unpackLatent, type Latent } from './encode.ts';
import type { RenormType } from './model/guidance.ts';
import { TaylorSeer } from './taylor-seer.ts';

export interface DenoiseOptions {
  /** Points of the schedule; one fewer steps are made. */
  readonly timesteps: number;
  readonly timestepShift: number;
  readonly cfgText: number;
  readonly cfgImage: number;
  /** Guidance acts where start < t ≤ end, t after the shift. */
  readonly cfgInterval: readonly [number, number];
  readonly renormType: RenormType;
  readonly renormMin: number;
  readonly taylorSeer: boolean;
}

export interface Contexts {
  readonly conditional: Context;
  readonly text: Context;
  readonly image: Context;
}

/** After a step: the packed latent and the velocity that led there, [tokens, packed], valid until the generator goes on. */
export interface Step {
  readonly step: number;
  readonly steps: number;
  /** The time reached, 1 = noise, 0 = picture. */
  readonly t: number;
  readonly packed: Handle;
  readonly velocity: Handle;
}

/** Times from 1 towards 0, shifted; float32 like torch.linspace. Its length is `timesteps`. */
export function schedule(timesteps: number, shift: number): Float32Array {
  const last = timesteps - 1;
  const step = Math.fround(-1 / last);
  // One rounding each, as torch's fused multiply-add; the factors are float32 too.
  const line = Float32Array.from({ length: timesteps }, (_, i) => (timesteps === 1 ? 1 : i < Math.floor(timesteps / 2) ? 1 + step * i : -step * (last - i)));
  const [factor, less] = [Math.fround(shift), Math.fround(shift - 1)];
  return line.map((t) => Math.fround(factor * t) / Math.fround(1 + Math.fround(less * t)));
}

/** True where guidance acts. */
export function isGuided(t: number, options: DenoiseOptions): boolean {
  const [start, end] = options.cfgInterval;
  return options.cfgText > 1 && t > Math.fround(start) && t <= Math.fround(end);
}

/** Passes that a run will make. */
export function countPasses(contexts: { readonly [K in keyof Contexts]: { readonly key: string } }, options: DenoiseOptions): number {
  const times = schedule(options.timesteps, options.timestepShift).slice(0, -1);
  const branches = new Set([contexts.conditional.key, contexts.text.key, ...(options.cfgImage > 1 ? [contexts.image.key] : [])]).size;
  return times.reduce((sum, t) => sum + (isGuided(t, options) ? branches : 1), 0);
}

/** Denoises `noise` and gives a latent of the same size. The caller frees it; handles of a step belong to the generator. */
export async function* denoise(model: BagelModel, contexts: Contexts, noise: Latent, options: DenoiseOptions, work: Work): AsyncGenerator<Step, Latent> {
  const times = schedule(options.timesteps, options.timestepShift);
  const steps = Math.max(0, times.length - 1);
  const scope = new PassRunner(model, contexts, noise, options, work);
  let x = await packLatent(model, noise, work);
  try {
    await scope.begin();
    for (let step = 0; step < steps; step++) {
      const t = times[step]!;
      const velocity = await scope.velocity(x, t);
      const dt = float32([], [t - times[step + 1]!]);
      const next = await model.handle(work.device, 'step', { x: { handle: x }, v: { handle: velocity }, dt }, 'next', work.signal);
      await work.device.free([x]);
      x = next;
      yield { step: step + 1, steps, t: times[step + 1]!, packed: x, velocity };
      await work.device.free([velocity]);
    }
    return await unpackLatent(model, { handle: x }, { width: noise.width, height: noise.height }, work);
  } finally {
    await Promise.all([scope.end(), work.device.free([x])]);
  }
}

type BranchName = keyof Contexts;

/** One branch of guidance: what it has read and where it runs. Its markers lie there too. */
interface Branch {
  readonly context: Context;
  readonly work: Work;
  readonly markers: Handle;
  readonly seer?: TaylorSeer;
}

/** Runs the branches of one denoising. */
class PassRunner {
  readonly #model: BagelModel;
  readonly #contexts: Contexts;
  readonly #options: DenoiseOptions;
  readonly #work: Work;
  readonly #grid: readonly [number, number];
  /** By name; branches that read the same are one and the same. */
  readonly #branches = new Map<BranchName, Branch>();
  readonly #made: Handle[] = [];
  /** True when it was told, or will be, how long all takes. */
  #isExpected: boolean;

  constructor(model: BagelModel, contexts: Contexts, size: { width: number; height: number }, options: DenoiseOptions, work: Work) {
    this.#model = model;
    this.#contexts = contexts;
    this.#options = options;
    this.#work = work;
    this.#grid = gridOf(model, size);
    this.#isExpected = work.expect === undefined;
  }

  async begin(): Promise<void> {
    const markers = await embedMarkers(this.#model, this.#work);
    this.#made.push(markers);
    // Each TaylorSeer counts its own passes: branches of one context differ when guidance sets in later than the first step.
    const shares = !this.#options.taylorSeer || isGuided(1, this.#options);
    const slots = new Map(branchNames(this.#options).map((name) => [name, shares ? this.#contexts[name].key : name]));
    const works = worksOf(this.#work, new Set(slots.values()).size);
    const distinct = new Map<string, Branch>();
    for (const [name, slot] of slots) {
      const branch = distinct.get(slot) ?? (await this.#open(name, works[distinct.size]!, markers));
      distinct.set(slot, branch);
      this.#branches.set(name, branch);
    }
  }

  async #open(name: BranchName, work: Work, markers: Handle): Promise<Branch> {
    const { context, made } = await contextHere(this.#contexts[name], work);
    this.#made.push(...made);
    const near = await this.#bring(markers, work);
    if (near !== markers) this.#made.push(near);
    return { context, work, markers: near, ...(this.#options.taylorSeer ? { seer: new TaylorSeer(this.#model, work) } : {}) };
  }

  async end(): Promise<void> {
    const seers = [...this.#branches.values()].flatMap(({ seer }) => seer?.held() ?? []);
    await this.#work.device.free([...this.#made, ...seers]);
  }

  /** The velocity at x [tokens, packed] and time t, guided where the interval says so. */
  async velocity(x: Handle, t: number): Promise<Handle> {
    const [down, across] = this.#grid;
    const positions = tablePositions(down, across, this.#model.config.maxLatentSize);
    const { device, signal } = this.#work;
    const gen = await this.#model.handle(device, 'latent', { x: { handle: x }, t: float32([1], [t]), positions }, 'gen', signal);
    try {
      return isGuided(t, this.#options) ? await this.#guided(gen) : await this.#run(this.#branches.get('conditional')!, gen);
    } finally {
      await device.free([gen]);
    }
  }

  async #guided(gen: Handle): Promise<Handle> {
    const { cfgText, cfgImage, renormType, renormMin } = this.#options;
    const { device, signal } = this.#work;
    const velocities = await this.#runAll([...new Set(this.#branches.values())], gen);
    const feed = (name: BranchName): Feed => ({ handle: velocities.get(this.#branches.get(name)!)! });
    try {
      const feeds: Record<string, Feed> = { conditional: feed('conditional'), text: feed('text'), text_scale: float32([], [cfgText]), renorm_min: float32([], [renormMin]) };
      if (cfgImage > 1) Object.assign(feeds, { image: feed('image'), image_scale: float32([], [cfgImage]) });
      return await this.#model.handle(device, `guide:${renormType}:${cfgImage > 1 ? 'both' : 'text'}`, feeds, 'v', signal);
    } finally {
      await device.free([...velocities.values()]);
    }
  }

  /** Velocities of the branches: at the same time where several devices share the work, else one after another. */
  async #runAll(branches: readonly Branch[], gen: Handle): Promise<Map<Branch, Handle>> {
    const velocities = new Map<Branch, Handle>();
    // before the first pass begins: a busy worker hands nothing over
    const gens = new Map<Branch, Handle>();
    for (const branch of branches) gens.set(branch, await this.#bring(gen, branch.work));
    const run = async (branch: Branch) => { velocities.set(branch, await this.#run(branch, gens.get(branch)!)); };
    try {
      // a pass over several devices goes first: what it leaves to the second is then there in time
      if (this.#overlaps) await settled([...branches].sort((a, b) => this.#places(b) - this.#places(a)).map(run));
      else for (const branch of branches) await run(branch);
    } catch (error) {
      await this.#work.device.free([...velocities.values()]);
      throw error;
    } finally {
      await this.#work.device.free([...gens.values()].filter((handle) => handle !== gen));
    }
    return velocities;
  }

  get #overlaps(): boolean {
    return this.#work.branches !== undefined || placeOf(this.#model, this.#work.device).includes(',');
  }

  #places({ work }: Branch): number {
    return placeOf(this.#model, work.device).split(',').length;
  }

  async #bring(handle: Handle, { device }: Work): Promise<Handle> {
    return isSpread(device) ? handleOn(handle, device.on(device.name), device) : handle;
  }

  /** One branch's velocity [tokens, packed]: a pass, or with TaylorSeer an extrapolation of the last layer's rows. */
  async #run({ context, work, markers, seer }: Branch, gen: Handle): Promise<Handle> {
    const guess = await seer?.extrapolate();
    const rows = guess ?? (await this.#pass(context, markers, gen, work));
    if (guess === undefined) await seer?.learn(rows);
    const v = await this.#model.handle(work.device, 'flow', { gen: { handle: rows } }, 'v', work.signal);
    await work.device.free([rows]);
    return v;
  }

  #tellEstimate(context: Context, seconds: number): void {
    const { timesteps, timestepShift, taylorSeer } = this.#options;
    const times = schedule(timesteps, timestepShift).slice(0, -1);
    const guided = times.filter((t) => isGuided(t, this.#options)).length;
    const { config, cuts, placement } = this.#model;
    const [down, across] = this.#grid;
    const tokenSide = config.latentPatchSize * config.vae.downsample;
    this.#work.expect!(estimate({
      config, rows: down * across + 2, pixels: down * across * tokenSide ** 2, guided, unguided: times.length - guided,
      branches: [...new Set(this.#branches.values())].map((branch) => branch.context.length),
      fullShare: taylorSeer ? fullShare(times.length) : 1,
      replicas: this.#work.branches?.length ?? 1, blocks: placement.strategy === 'split layers' ? placeOf(this.#model, this.#work.device).split(',').length : 1,
    }, { layers: cuts.llm[0]!.end - cuts.llm[0]!.first, past: context.length, seconds }));
  }

  async #pass(context: Context, markers: Handle, gen: Handle, work: Work): Promise<Handle> {
    const tokens = this.#grid[0] * this.#grid[1];
    const positions = Array.from({ length: tokens + 2 }, () => context.rope);
    work.count('denoise');
    const timed = (seconds: number) => this.#tellEstimate(context, seconds);
    const layers = { und: { handle: markers }, undRows: 2, gen: { handle: gen }, genRows: tokens, positions, causal: false, ...(this.#isExpected ? {} : { timed }) };
    this.#isExpected = true;
    return (await runLayers(context, layers, 'gen', work))!;
  }
}

/** Of the passes of TaylorSeer, so many are made in full: the first five, then every third. */
function fullShare(steps: number): number {
  return steps <= 5 ? 1 : (5 + Math.floor((steps - 5) / 3)) / steps;
}

/** Where `count` branches run: evenly on the devices that share them; those too many have their layers split over all. */
function worksOf(work: Work, count: number): Work[] {
  const { branches = [work], shared } = work;
  const even = count <= branches.length || shared === undefined ? count : count - (count % branches.length);
  const whole = even === count ? branches : branches.map((one) => ({ ...one, takesTurns: true }));
  return Array.from({ length: count }, (_, i) => (i < even ? whole[i % whole.length]! : shared!));
}

/** Branches that a run may need. */
function branchNames({ cfgText, cfgImage }: DenoiseOptions): BranchName[] {
  if (cfgText <= 1) return ['conditional'];
  return cfgImage > 1 ? ['conditional', 'text', 'image'] : ['conditional', 'text'];
}

/** Waits for all, then throws the first failure. */
async function settled(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
