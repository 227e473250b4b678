// npm run check-pictures: how often the demo model's pictures show what the prompt says, over 64 prompts: colours, places and shapes,
// told from pixels. Prompts are of the kinds models/bagel-demo/RECIPE.md lists; sampling is the model's own default.
import { openProcessDevice } from '../../engine/device/process.ts';
import { Generator } from '../../engine/tensor/random.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { emptyContext, type Work } from '../../nodes/bagel/context.ts';
import { denoise } from '../../nodes/bagel/denoise.ts';
import { decodeLatent, gridOf, readText, unpackLatent } from '../../nodes/bagel/encode.ts';
import { packedSize } from '../../nodes/bagel/model/parts.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { bestShape, centreOf, colourNames, commonest, nearestColours, shapeNames } from './picture-reader.ts';

const prompts = 64;
const places = ['left', 'right', 'top', 'bottom', 'center'] as const;

interface Thing { readonly shape: string; readonly colour: string; readonly size: string }
interface Scene { readonly prompt: string; readonly background: string; readonly things: readonly Thing[]; readonly place: (typeof places)[number] | 'left of' | 'above' }

function drawScene(random: Generator): Scene {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.random() * values.length)]!;
  const colours = [...colourNames];
  const takeColour = () => colours.splice(Math.floor(random.random() * colours.length), 1)[0]!;
  const background = takeColour();
  const thing = (): Thing => ({ shape: pick(shapeNames), colour: takeColour(), size: pick(['small', 'large']) });
  const words = ({ shape, colour, size }: Thing) => `a ${size} ${colour} ${shape}`;
  const first = thing();
  if (random.random() < 0.5) {
    const place = pick(places);
    return { prompt: `${words(first)} ${place === 'center' ? 'in the center' : place === 'top' || place === 'bottom' ? `at the ${place}` : `on the ${place}`} on a ${background} background`, background, things: [first], place };
  }
  const second = thing();
  const place = pick(['left of', 'above'] as const);
  return { prompt: `${words(first)} ${place === 'above' ? 'above' : 'to the left of'} ${words(second)} on a ${background} background`, background, things: [first, second], place };
}

/** What the picture shows of the scene. */
function judge(scene: Scene, image: Tensor): { background: boolean; colours: boolean; place: boolean; shapes: number } {
  const [height, width] = image.shape as [number, number];
  const colours = nearestColours(image.data as Float32Array);
  const masks = scene.things.map(({ colour }) => colours.map((one) => one === colour));
  const areas = masks.map((mask) => mask.filter(Boolean).length / mask.length);
  const centres = masks.map((mask) => centreOf(mask, width, height));
  const inPlace = (): boolean => {
    const [a, b] = centres;
    if (scene.place === 'left of') return a!.x < b!.x - 0.1;
    if (scene.place === 'above') return a!.y < b!.y - 0.1;
    const across = a!.x < 0.4 ? 'left' : a!.x > 0.6 ? 'right' : '';
    const down = a!.y < 0.4 ? 'top' : a!.y > 0.6 ? 'bottom' : '';
    return scene.place === (across || down || 'center');
  };
  return {
    background: commonest(colours) === scene.background,
    colours: areas.every((area) => area > 0.015),
    place: areas.every((area) => area > 0.015) && inPlace(),
    shapes: scene.things.filter(({ shape }, i) => bestShape(masks[i]!, width, height) === shape).length,
  };
}

async function main(): Promise<void> {
  const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 2 });
  const model = new BagelModel(await openModelFolder('models/bagel-demo'), { expandWeights: true });
  const work: Work = { device, count: () => undefined };
  const defaults = model.config.defaults.textToImage;
  const random = new Generator(2026);
  const sums = { background: 0, colours: 0, place: 0, shapes: 0, things: 0 };
  for (let i = 0; i < prompts; i++) {
    const scene = drawScene(random);
    const context = await readText(emptyContext(model), scene.prompt, work);
    const [down, across] = gridOf(model, defaults);
    const noise = await unpackLatent(model, new Generator(i + 1).randn([down * across, packedSize(model.config)]), defaults, work);
    const steps = denoise(model, { conditional: context, text: emptyContext(model), image: context }, noise, {
      timesteps: defaults.steps, timestepShift: defaults.shift, cfgText: defaults.cfgText, cfgImage: defaults.cfgImage, cfgInterval: defaults.cfgInterval,
      renormType: defaults.renorm, renormMin: defaults.renormMin, taylorSeer: false,
    }, work);
    let next = await steps.next();
    while (next.done !== true) next = await steps.next();
    const seen = judge(scene, await decodeLatent(model, next.value, work));
    await device.free([noise.handle, next.value.handle]);
    for (const key of ['background', 'colours', 'place'] as const) sums[key] += seen[key] ? 1 : 0;
    sums.shapes += seen.shapes;
    sums.things += scene.things.length;
  }
  await device.close();
  const share = (count: number, of: number) => `${((100 * count) / of).toFixed(0)} %`;
  console.log(`| ${prompts} prompts | right |\n| --- | --- |\n| background colour | ${share(sums.background, prompts)} |\n| every object there in its colour | ${share(sums.colours, prompts)} |\n| in the right place | ${share(sums.place, prompts)} |\n| shape of an object | ${share(sums.shapes, sums.things)} |`);
}

await main();
