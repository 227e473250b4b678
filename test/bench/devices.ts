// What several devices gain: branches of guidance on replicas, layers split and pipelined, prompts spread over replicas. Two workers with one thread each.
import type { Devices } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import type { Work } from '../../nodes/bagel/context.ts';
import { denoise, isGuided, schedule, type Contexts, type DenoiseOptions } from '../../nodes/bagel/denoise.ts';
import { unpackLatent } from '../../nodes/bagel/encode.ts';
import { packedSize } from '../../nodes/bagel/model/parts.ts';
import { placedWork, type Placement, type Strategy } from '../../nodes/bagel/placement.ts';
import type { ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { interleave } from './measure.ts';
import { blankContext, middleSize, withModelFolder } from './synthetic.ts';
import type { Row } from './table.ts';

const names = ['cpu:0', 'cpu:1'];
const size = { width: 128, height: 128 };
const rounds = 9;
const always: DenoiseOptions = { timesteps: 4, timestepShift: 3, cfgText: 4, cfgImage: 1, cfgInterval: [0, 1], renormType: 'global', renormMin: 0, taylorSeer: false };
/** As the app draws, on a coarser schedule. */
const app: DenoiseOptions = { ...always, timesteps: 8, cfgInterval: [0.4, 1] };

/** A model on the devices, and a run from noise to latent with branches that have read different things. */
class Placed {
  readonly #model: BagelModel;
  readonly #devices: Devices;

  constructor(folder: ModelFolder, strategy: Strategy, devices: Devices) {
    const placement: Placement = { strategy, devices: names };
    this.#model = new BagelModel(folder, { expandWeights: true, placement });
    this.#devices = devices;
  }

  /** Draws once; `home` is where the node would be placed. */
  async draw(options: DenoiseOptions, home = 'cpu:0'): Promise<void> {
    const work: Work = placedWork({ device: this.#devices.get(home)!, count: () => undefined }, this.#model.placement, this.#model.cuts, this.#devices);
    const contexts = await this.#contexts(work);
    const [down, across] = [size.height / 16, size.width / 16];
    const noise = await unpackLatent(this.#model, new Generator(1n).randn([down * across, packedSize(this.#model.config)]), size, work);
    const steps = denoise(this.#model, contexts, noise, options, work);
    let next = await steps.next();
    while (next.done !== true) next = await steps.next();
    await work.device.free([next.value.handle, noise.handle, ...Object.values(contexts).flatMap(({ buffers }) => [...(buffers?.handles.values() ?? [])])]);
  }

  async #contexts(work: Work): Promise<Contexts> {
    const of = async (key: string, length: number) => ({ ...(await blankContext(this.#model, length, work)), key });
    return { conditional: await of('conditional', 64), text: await of('text', 32), image: await of('image', 48) };
  }

  async close(): Promise<void> {
    for (const device of this.#devices.values()) await device.free(this.#model.held());
  }
}

/** Milliseconds of each candidate, medians of rounds in which all run one after another. */
async function compare(folder: ModelFolder, devices: Devices, strategy: Strategy, candidates: (alone: Placed, placed: Placed) => Readonly<Record<string, () => Promise<unknown>>>): Promise<Record<string, number>> {
  const alone = new Placed(folder, 'one device', devices);
  const placed = new Placed(folder, strategy, devices);
  try {
    return await interleave(candidates(alone, placed), rounds);
  } finally {
    await alone.close();
    await placed.close();
  }
}

export function benchDevices(): Promise<Row[]> {
  return withModelFolder(middleSize, async (folder) => {
    const devices = new Map(await Promise.all(names.map(async (name) => [name, await openProcessDevice({ name, provider: 'cpu', threads: 1 })] as const)));
    try {
      return [...(await benchBranches(folder, devices)), ...(await benchSplit(folder, devices)), ...(await benchReplicas(folder, devices))];
    } finally {
      for (const device of devices.values()) await device.close();
    }
  });
}

async function benchBranches(folder: ModelFolder, devices: Devices): Promise<Row[]> {
  const edit: DenoiseOptions = { ...always, cfgImage: 2 };
  const times = await compare(folder, devices, 'parallel branches', (alone, placed) => ({
    app: () => alone.draw(app), appShared: () => placed.draw(app), edit: () => alone.draw(edit), editShared: () => placed.draw(edit),
  }));
  const guided = [...schedule(app.timesteps, app.timestepShift).slice(0, -1)].map((t) => isGuided(t, app));
  const ideal = guided.reduce((sum, is) => sum + (is ? 2 : 1), 0) / guided.length;
  const [drawn, edited] = [times['app']! / times['appShared']!, times['edit']! / times['editShared']!];
  return [
    { name: 'branches on two replicas, text to image, of the ideal', value: drawn / ideal, unit: '', goal: '≥ 0.9', note: `${drawn.toFixed(2)} × of ${ideal.toFixed(2)} ×` },
    { name: 'three branches on two replicas, edit, of the ideal', value: edited / 1.5, unit: '', goal: '≥ 0.9', note: `${edited.toFixed(2)} × of 1.50 ×` },
  ];
}

async function benchSplit(folder: ModelFolder, devices: Devices): Promise<Row[]> {
  const edit: DenoiseOptions = { ...always, cfgImage: 2 };
  const times = await compare(folder, devices, 'split layers', (alone, placed) => ({
    two: () => alone.draw(always), twoSplit: () => placed.draw(always), three: () => alone.draw(edit), threeSplit: () => placed.draw(edit),
    prompts: () => Promise.all([placed.draw(always), placed.draw(always)]),
  }));
  const row = (branches: number, gain: number): Row => {
    const ideal = (2 * branches) / (branches + 1);
    return { name: `layers split over two, ${branches} branches, of the ideal`, value: gain / ideal, unit: '', goal: '≥ 0.9', note: `${gain.toFixed(2)} × of ${ideal.toFixed(2)} ×` };
  };
  return [
    row(2, times['two']! / times['twoSplit']!), row(3, times['three']! / times['threeSplit']!),
    { name: 'layers split over two, two prompts of two branches', value: (2 * times['two']!) / times['prompts']!, unit: '×', goal: '≥ 1.45', note: 'over one device, one after the other' },
  ];
}

async function benchReplicas(folder: ModelFolder, devices: Devices): Promise<Row[]> {
  const times = await compare(folder, devices, 'one device', (alone) => ({ one: () => alone.draw(always), both: () => Promise.all(names.map((name) => alone.draw(always, name))) }));
  return [{ name: 'two prompts on two replicas, throughput', value: (2 * times['one']!) / times['both']!, unit: '×', goal: '≥ 1.8', note: 'denoising' }];
}
