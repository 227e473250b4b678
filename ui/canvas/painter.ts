// Puts the drawing together: what is drawn in which order, with what each needs to know.
import type { Box, NodeId } from '../state/document.ts';
import { drawDragged, drawLinks } from './draw/links.ts';
import { drawFarNodes, drawNode, type Shown } from './draw/node.ts';
import { pathUnder } from './draw/path.ts';
import { drawBackground, drawGroups, drawGuides, drawMarquee, drawReroutes } from './draw/scenery.ts';
import type { View } from './events.ts';
import { detail, type Look } from './look.ts';
import type { Scene, SceneGroup } from './scene.ts';
import type { Painter, SceneNode, Stage } from './stage.ts';

export interface PainterParts {
  readonly scene: Scene;
  readonly look: Look;
  readonly stage: () => Stage;
  readonly view: () => View;
  readonly shown: (node: NodeId) => Shown;
}

export function createPainter({ scene, look, stage, view, shown }: PainterParts): Painter {
  const visible = (): Box => stage().area;
  return {
    background: (ctx, area) => drawBackground(ctx, { scale: view().scale, offset: stage().drawnOffset }, area, look),
    groups: (ctx) => drawGroups(ctx, scene.graph._groups as SceneGroup[], look, view().scale, visible()),
    links(ctx) {
      drawLinks(ctx, stage(), scene.links(), pathUnder(scene, look.hovered), look, view().scale, visible());
      drawReroutes(ctx, scene.reroutes, look, view().scale);
    },
    areFar: () => view().scale < detail.boxes,
    farNodes(ctx, nodes) {
      if (view().scale >= detail.boxes) return false;
      drawFarNodes(ctx, nodes(), look, view().scale);
      return true;
    },
    node: (ctx, node: SceneNode) => drawNode(ctx, node, look, view().scale, shown(node.id)),
    foreground(ctx) {
      drawDragged(ctx, stage(), look);
      drawGuides(ctx, look, view().scale);
      drawMarquee(ctx, look, view().scale);
    },
    overlay: () => undefined,
  };
}
