// Workflow files of any size for the page's figures: chains of nodes with fields, laid out in a grid.

export const columns = 40;

/** A file of so many nodes of the journeys' pack, each linked to the one before. */
export function workflowOf(count: number): string {
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: i + 1, type: 'Work', pos: [(i % columns) * 320, Math.floor(i / columns) * 360], size: [260, 300], flags: {}, order: i, mode: 0,
    inputs: [{ name: 'image', type: 'IMAGE', link: i === 0 ? null : i }], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: i === count - 1 ? [] : [i + 1] }],
    properties: {}, widgets_values: [i, 'fixed', 20, 4.5, false, 'euler', 'one line', 'some words that stand in a field'],
  }));
  const links = Array.from({ length: count - 1 }, (_, i) => [i + 1, i + 1, 0, i + 2, 0, 'IMAGE']);
  return JSON.stringify({ last_node_id: count, last_link_id: count, nodes, links, groups: [], config: {}, extra: {}, version: 0.4 });
}
