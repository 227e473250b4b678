// Which links belong together under the pointer: a link, an output's, an input's or a point's, followed through reroutes to both ends.
import type { DocLink, LinkId } from '../../state/document.ts';
import type { Target } from '../events.ts';
import type { Scene } from '../scene.ts';

const nothing: ReadonlySet<LinkId> = new Set();

/** Empty where nothing with links is pointed at. */
export function pathUnder(scene: Scene, hovered: Target | undefined): ReadonlySet<LinkId> {
  const isUnder = hovered && under(scene, hovered);
  if (isUnder === undefined) return nothing;
  const links = scene.links().map(({ doc }) => doc);
  const path = new Set<LinkId>();
  let found = links.filter(isUnder);
  while (found.length > 0) {
    for (const { id } of found) path.add(id);
    // on through nodes that only pass on
    const through = found.flatMap(({ from, to }) => [from, to]).filter((id) => scene.node(id)?.doc.type === 'Reroute');
    found = through.length === 0 ? [] : links.filter(({ id, from, to }) => !path.has(id) && (through.includes(from) || through.includes(to)));
  }
  return path;
}

function under(scene: Scene, hovered: Target): ((link: DocLink) => boolean) | undefined {
  switch (hovered.kind) {
    case 'link': return ({ id }) => id === hovered.link;
    case 'output': return ({ from, fromSlot }) => from === hovered.node && fromSlot === hovered.slot;
    case 'input': {
      const link = scene.node(hovered.node)?.inputSlots.find(({ name }) => name === hovered.input)?.link;
      return ({ id }) => id === link;
    }
    case 'reroute': return ({ parent }) => {
      const { reroutes } = scene.layer;
      for (let at = parent, steps = 0; at !== undefined && steps < 1000; at = reroutes[at]?.parent, steps++) if (at === hovered.reroute) return true;
      return false;
    };
    default: return undefined;
  }
}
