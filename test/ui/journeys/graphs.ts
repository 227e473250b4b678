// Small workflow files for the journeys.

type Slot = { name: string; type: string; link?: number | null; links?: number[]; widget?: { name: string } };
export interface FileNode { id: number; type: string; pos: [number, number]; size?: [number, number]; mode?: number; title?: string; inputs?: Slot[]; outputs?: Slot[]; widgets_values?: unknown[]; flags?: object; properties?: object }

export function workflow(nodes: readonly FileNode[], links: readonly (readonly unknown[])[] = [], more: object = {}): string {
  const complete = nodes.map((node, order) => ({ size: [220, 120], flags: {}, order, mode: 0, properties: {}, inputs: [], outputs: [], ...node }));
  return JSON.stringify({ last_node_id: 20, last_link_id: 20, nodes: complete, links, groups: [], config: {}, extra: {}, version: 0.4, ...more });
}

const image = (link: number | null = null): Slot => ({ name: 'image', type: 'IMAGE', link });
const images = (...links: number[]): Slot => ({ name: 'IMAGE', type: 'IMAGE', links });

/** Slow Image → Invert → Preview. */
export const slowChain = (steps: number, stepMs: number, seed = 1): string => workflow([
  { id: 1, type: 'SlowImage', pos: [40, 80], size: [260, 160], outputs: [images(1)], widgets_values: [seed, 'fixed', steps, stepMs] },
  { id: 2, type: 'ImageInvert', pos: [400, 80], inputs: [image(1)], outputs: [images(2)] },
  { id: 3, type: 'PreviewImage', pos: [720, 80], size: [260, 240], inputs: [{ name: 'images', type: 'IMAGE', link: 2 }] },
], [[1, 1, 0, 2, 0, 'IMAGE'], [2, 2, 0, 3, 0, 'IMAGE']]);

/** Slow Image → two Inverts in a row → Preview, and a Fields that is free. */
export const mixed = workflow([
  { id: 1, type: 'SlowImage', pos: [40, 80], size: [260, 160], outputs: [images(1)], widgets_values: [1, 'fixed', 1, 0] },
  { id: 2, type: 'ImageInvert', pos: [400, 80], inputs: [image(1)], outputs: [images(2)] },
  { id: 3, type: 'ImageInvert', pos: [700, 80], inputs: [image(2)], outputs: [images(3)] },
  { id: 4, type: 'PreviewImage', pos: [1000, 80], inputs: [{ name: 'images', type: 'IMAGE', link: 3 }] },
  { id: 5, type: 'Fields', pos: [40, 380], size: [320, 300], widgets_values: [5, 'fixed', 20, 4, false, 'euler', 'one line', 'some words'] },
], [[1, 1, 0, 2, 0, 'IMAGE'], [2, 2, 0, 3, 0, 'IMAGE'], [3, 3, 0, 4, 0, 'IMAGE']]);

export const fields = (control = 'fixed', seed = 5): string => workflow([
  { id: 1, type: 'Fields', pos: [40, 80], size: [360, 360], widgets_values: [seed, control, 20, 4, false, 'euler', 'one line', 'some words'] },
]);

export const picture = workflow([{ id: 1, type: 'LoadImage', pos: [40, 80], size: [300, 320], outputs: [images(1), { name: 'MASK', type: 'MASK', links: [] }], widgets_values: ['', 'image'] }, { id: 2, type: 'PreviewImage', pos: [420, 80], inputs: [{ name: 'images', type: 'IMAGE', link: 1 }] }], [[1, 1, 0, 2, 0, 'IMAGE']]);
