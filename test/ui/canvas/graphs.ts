// Small node types and workflows for tests of the canvas, in the forms that servers and files have.

const number = (initial: number) => ['INT', { default: initial, min: 0, max: 1000 }];
export const objectInfo = JSON.stringify({
  Source: { input: { required: {} }, output: ['IMAGE', 'MASK'], output_name: ['IMAGE', 'MASK'], name: 'Source', display_name: 'Source', category: 'test' },
  Work: {
    input: {
      required: { image: ['IMAGE'], seed: ['INT', { default: 0, max: 2 ** 53, control_after_generate: true }], steps: number(20), cfg: ['FLOAT', { default: 4, step: 0.1 }], sampler: [['euler', 'heun'], {}], tiled: ['BOOLEAN', { default: false }], note: ['STRING', { multiline: true, default: '' }] },
      optional: { mask: ['MASK'] },
    },
    output: ['IMAGE'], output_name: ['IMAGE'], name: 'Work', display_name: 'Work', category: 'test',
  },
  Join: { input: { required: { a: ['IMAGE'], b: ['IMAGE'], factor: ['FLOAT', { default: 0.5 }] } }, output: ['IMAGE'], output_name: ['IMAGE'], name: 'Join', display_name: 'Join', category: 'test' },
  Invert: { input: { required: { image: ['IMAGE'] } }, output: ['IMAGE'], output_name: ['IMAGE'], name: 'Invert', display_name: 'Invert', category: 'test' },
  MaskToImage: { input: { required: { mask: ['MASK'] } }, output: ['IMAGE'], output_name: ['IMAGE'], name: 'MaskToImage', display_name: 'Mask to Image', category: 'test' },
  Save: { input: { required: { images: ['IMAGE'], prefix: ['STRING', { default: 'out' }] } }, output: [], output_node: true, name: 'Save', display_name: 'Save', category: 'test' },
});

type Slot = { name: string; type: string; link?: number | null; widget?: { name: string } };
export interface FileNode { id: number | string; type: string; pos: unknown; size?: unknown; mode?: number; flags?: object; title?: string; inputs?: Slot[]; outputs?: (Slot & { links?: number[] })[]; widgets_values?: unknown[]; color?: string }

export function workflow(nodes: readonly FileNode[], links: readonly (readonly unknown[])[] = [], more: object = {}): string {
  const complete = nodes.map((node, order) => ({ size: [200, 100], flags: {}, order, mode: 0, properties: {}, inputs: [], outputs: [], ...node }));
  return JSON.stringify({ last_node_id: 100, last_link_id: 100, nodes: complete, links, groups: [], config: {}, extra: {}, version: 0.4, ...more });
}

const image = (link: number | null = null): Slot => ({ name: 'image', type: 'IMAGE', link });
const images = (links: number[] = []) => ({ name: 'IMAGE', type: 'IMAGE', links });

/** Source → Invert → Save, and a Join that is free; 1:1 on a canvas of 880 × 590. */
export const chain = workflow([
  { id: 1, type: 'Source', pos: [40, 80], size: [160, 60], outputs: [images([1]), { name: 'MASK', type: 'MASK', links: [] }] },
  { id: 2, type: 'Invert', pos: [300, 80], size: [160, 60], inputs: [image(1)], outputs: [images([2])] },
  { id: 3, type: 'Save', pos: [600, 80], size: [180, 80], inputs: [{ name: 'images', type: 'IMAGE', link: 2 }], widgets_values: ['out'] },
  { id: 4, type: 'Join', pos: [300, 300], size: [160, 90], inputs: [{ name: 'a', type: 'IMAGE', link: null }, { name: 'b', type: 'IMAGE', link: null }], outputs: [images()], widgets_values: [0.5] },
], [[1, 1, 0, 2, 0, 'IMAGE'], [2, 2, 0, 3, 0, 'IMAGE']]);
