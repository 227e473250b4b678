// Makes the canvas of the editor: shows a layer of the document, follows its changes, and tells what its user does with it. The document
// is the truth: nothing here changes it, and nothing is read back from what is drawn.
import { emptyDocument, rootLayer, type Point } from '../state/document.ts';
import { noNodeTypes } from '../state/node-types.ts';
import { boxAround, emptySelection, type Selection } from '../state/selection.ts';
import { outputTypeOf } from '../state/slots.ts';
import { forgetTexts } from './draw/text.ts';
import type { Workbench } from './drags/drag.ts';
import type { Place, Target, View, WidgetPlace } from './events.ts';
import type { PointerKind } from './gestures.ts';
import { defaultSettings, type CanvasOptions, type CanvasSettings, type ClientBox, type GraphCanvas } from './graph-canvas.ts';
import { findTarget } from './hit.ts';
import { createInteraction } from './interaction.ts';
import { englishCanvasWords, type Look } from './look.ts';
import { createMinimap } from './minimap.ts';
import { createPainter } from './painter.ts';
import { createPictures } from './pictures.ts';
import { createPointerLayer } from './pointer-layer.ts';
import { Scene } from './scene.ts';
import { createShownOutputs } from './shown.ts';
import { Stage, type SceneNode } from './stage.ts';
import { readTheme } from './theme.ts';
import { watchSize } from './size.ts';
import { clampScale, fitBox, panBy, toCanvas, toGraph, visibleBox, zoomAt } from './view.ts';
import { samePlaces, widgetPlaces } from './widget-places.ts';

/** A canvas that fills `element`, which must have a size, be positioned and hide what overflows. Fields over nodes are the page's, as later children of it. */
export function createCanvas(element: HTMLElement, options: CanvasOptions): GraphCanvas {
  let settings: CanvasSettings = { ...defaultSettings, ...options.settings };
  let selection: Selection = emptySelection;
  let size = { width: 1, height: 1 };
  let isPanHeld = false;
  let told: readonly WidgetPlace[] = [];
  const drawnListeners = new Set<(isMoved: boolean) => void>();
  const view = element.ownerDocument.defaultView!;
  const surface = createSurface(element);
  const pictures = createPictures(options.pictureBytes ?? 256 * 2 ** 20, () => redraw(false));
  const shown = createShownOutputs(pictures, (node) => scene.relayout([node]), () => redraw(true));
  const scene = new Scene({ hasOutput: shown.has });
  scene.show(emptyDocument(), rootLayer, noNodeTypes);
  const look: Look = {
    theme: readTheme(element), linkStyle: settings.linkStyle, showsGrid: settings.showsGrid, selectedNodes: new Set(), selectedGroups: new Set(), selectedReroutes: new Set(), selectedLinks: new Set(),
    runs: {}, problems: {}, devices: [], linkNotes: {}, focused: undefined, hovered: undefined, draggedLink: undefined, marquee: undefined, guides: [], dropLink: undefined, words: settings.words ?? englishCanvasWords,
  };
  const stage: Stage = new Stage(surface, scene.graph, createPainter({ scene, look, stage: () => stage, view: () => viewNow(), shown: shown.of }));
  stage.afterDraw = (isMoved) => {
    tellWidgets();
    for (const run of drawnListeners) run(isMoved);
  };

  const redraw = (background: boolean) => stage.setDirty(true, background);
  const viewNow = (): View => ({ scale: stage.ds.scale, offset: [stage.ds.offset[0]!, stage.ds.offset[1]!] });
  const setView = ({ scale, offset }: View) => {
    if (!Number.isFinite(scale) || !offset.every(Number.isFinite)) return; // a file's view may be anything
    stage.ds.scale = clampScale(scale);
    stage.ds.offset = [offset[0], offset[1]];
    stage.setMoved();
    options.onView?.(viewNow());
  };
  const origin = () => element.getBoundingClientRect();
  const fromClient = ({ x, y }: { readonly x: number; readonly y: number }): Point => toGraph(viewNow(), x - origin().left, y - origin().top);
  const toClient = (at: Point) => {
    const [x, y] = toCanvas(viewNow(), at);
    return { x: x + origin().left, y: y + origin().top };
  };
  const boxToClient = ([x, y, width, height]: readonly [number, number, number, number]): ClientBox => ({ ...toClient([x, y]), width: width * stage.ds.scale, height: height * stage.ds.scale });
  const place = (at: Point): Place => ({ graph: at, client: toClient(at) });
  const find = (at: Point, pointer: PointerKind): Target => findTarget(scene, stage, at, stage.ds.scale, {
    reachPx: pointer === 'touch' ? 22 : 10, linksAreHidden: look.linkStyle === 'hidden', pictures: (node) => shown.of(node).pictures,
  });

  const showSelection = (next: Selection) => {
    selection = next;
    const isHere = next.layer === scene.layerId;
    look.selectedNodes = new Set(isHere ? next.nodes : []);
    look.selectedGroups = new Set(isHere ? next.groups : []);
    look.selectedReroutes = new Set(isHere ? next.reroutes : []);
    look.selectedLinks = new Set(isHere ? next.links : []);
    redraw(true);
  };
  const bench: Workbench = {
    scene, stage, look, events: options, view: viewNow, setView, selection: () => selection, findTarget: find, place, redraw, snap: () => settings.snap,
    select(next) {
      if (JSON.stringify(next) === JSON.stringify(selection)) return;
      showSelection(next);
      options.onSelection(next);
    },
    outputType: (node, slot) => outputTypeOf(scene.document, scene.types, scene.layer, node, slot, scene.layerId) ?? '*',
  };
  const interaction = createInteraction(bench, {
    emptyDrag: () => settings.emptyDrag, isPanHeld: () => isPanHeld, isReadOnly: () => settings.isReadOnly, size: () => size,
    setCursor: (cursor) => { surface.style.cursor = cursor; },
    raise: (node) => { scene.raise(node); redraw(false); },
    requestFrame: (run) => view.requestAnimationFrame(run),
  });
  const pointers = createPointerLayer({
    element, surface, wheelMode: () => settings.wheel, onGesture: interaction.gesture, onLeave: interaction.leave,
    onWheel(action, { x, y }) {
      setView(action.kind === 'zoom' ? zoomAt(viewNow(), action.factor, x, y) : panBy(viewNow(), action.x, action.y));
      interaction.refreshHover();
    },
  });
  const unwatch = watchSize(element, (width, height, dpr) => {
    size = { width, height };
    stage.setSize(width, height, dpr);
  });

  /** After drawing, for then it is known what is in sight. Fields keep their places in graph coordinates while the view moves. */
  function tellWidgets(): void {
    const places = stage.ds.scale < settings.fieldScale ? [] : widgetPlaces(stage.visible_nodes as SceneNode[], (node) => shown.of(node).text !== undefined);
    if (samePlaces(told, places)) return;
    told = places;
    options.onWidgets?.(places);
  }

  const middle = () => ({ x: size.width / 2, y: size.height / 2 });
  return {
    surface,
    show(document, layer, types) {
      interaction.stop();
      scene.show(document, layer, types);
      if (selection.layer !== layer) showSelection({ ...emptySelection, layer });
      look.hovered = undefined;
      redraw(true);
    },
    apply(document, patches) {
      scene.apply(document, patches);
      redraw(true);
    },
    setSelection: showSelection,
    setRuns(runs) {
      look.runs = runs;
      shown.setRuns(runs);
    },
    setProblems(problems) { look.problems = problems; redraw(false); },
    setDevices(devices) { look.devices = devices; redraw(false); },
    setPictures: shown.setPictures,
    setPreview: shown.setPreview,
    setText: shown.setText,
    setLinkNotes(notes) { look.linkNotes = notes; redraw(true); },
    setFocus(node) { look.focused = node; redraw(false); },
    setSettings(changed) {
      settings = { ...settings, ...changed };
      Object.assign(look, { linkStyle: settings.linkStyle, showsGrid: settings.showsGrid, words: settings.words });
      redraw(true);
    },
    setPanHeld(isHeld) {
      isPanHeld = isHeld;
      surface.style.cursor = isHeld ? 'grab' : 'default';
      interaction.refreshHover();
    },
    refreshTheme() {
      look.theme = readTheme(element);
      forgetTexts();
      redraw(true);
    },
    view: viewNow,
    setView,
    zoomBy(factor, client) {
      const at = client === undefined ? middle() : { x: client.x - origin().left, y: client.y - origin().top };
      setView(zoomAt(viewNow(), factor, at.x, at.y));
    },
    zoomTo(scale) { setView(zoomAt(viewNow(), clampScale(scale) / stage.ds.scale, middle().x, middle().y)); },
    fit(nodes) {
      const shownNodes = nodes === undefined ? scene.nodes : nodes.flatMap((id) => scene.node(id) ?? []);
      const groups = nodes === undefined ? [...scene.groups.values()].map(({ doc }) => doc.box) : [];
      const box = boxAround([...shownNodes.map((node) => node.outline()), ...groups]);
      setView(box === undefined ? { scale: 1, offset: [0, 0] } : fitBox(box, { ...size, mostScale: nodes === undefined ? 1 : Math.max(1, stage.ds.scale) }));
    },
    reveal(id) {
      const node = scene.node(id);
      if (node === undefined) return;
      const [x, y, width, height] = node.outline();
      const [left, top, w, h] = visibleBox(viewNow(), size.width, size.height);
      const margin = 24 / stage.ds.scale;
      const inside = x >= left + margin && y >= top + margin && x + width <= left + w - margin && y + height <= top + h - margin;
      if (!inside) setView({ scale: stage.ds.scale, offset: [w / 2 - x - width / 2, h / 2 - y - height / 2] });
    },
    middle: () => toGraph(viewNow(), middle().x, middle().y),
    toGraph: fromClient,
    toClient,
    targetAt: (client) => find(fromClient(client), 'mouse'),
    nodeBox(id) {
      const node = scene.node(id);
      return node && boxToClient(node.outline());
    },
    slotPoint(id, side, slot) {
      const node = scene.node(id);
      const index = node === undefined ? -1 : typeof slot === 'number' ? slot : (side === 'in' ? node.inputSlots : node.outputSlots).findIndex(({ name }) => name === slot);
      if (node === undefined || index < 0 || index >= (side === 'in' ? node.inputSlots : node.outputSlots).length) return undefined;
      return toClient(node.slotPoint(side === 'in', index));
    },
    widgetBox(id, input, part = 'value') {
      const node = scene.node(id);
      const found = node?.layout.widgets.find((one) => one.input === input && one.part === part);
      if (node === undefined || found === undefined) return undefined;
      const [x, y, width, height] = found.box;
      return boxToClient([node.pos[0]! + x, node.pos[1]! + y, width, height]);
    },
    widgets: () => told,
    minimap: (mapElement) => createMinimap(mapElement, {
      scene, look, visible: () => visibleBox(viewNow(), size.width, size.height),
      centre: ([x, y]) => setView({ scale: stage.ds.scale, offset: [size.width / 2 / stage.ds.scale - x, size.height / 2 / stage.ds.scale - y] }),
      onDrawn(run) {
        drawnListeners.add(run);
        return () => void drawnListeners.delete(run);
      },
    }),
    cancel: pointers.cancel,
    isIdle: () => !stage.isDirty && !interaction.isDragging(),
    perf: () => ({ frames: stage.frames, lastFrameMs: stage.lastFrameMs, rebuilds: scene.rebuilds, nodes: scene.nodes.length, visible: stage.inSight, pictureBytes: pictures.bytes() }),
    differences: () => scene.differences(),
    destroy() {
      pointers.destroy();
      unwatch();
      pictures.destroy();
      stage.destroy();
      drawnListeners.clear();
      surface.remove();
    },
  };
}

/** The bitmap is larger than the element and moves behind it: `stage.ts` places it. */
function createSurface(element: HTMLElement): HTMLCanvasElement {
  const surface = element.ownerDocument.createElement('canvas');
  Object.assign(surface.style, { position: 'absolute', display: 'block', touchAction: 'none', outline: 'none', willChange: 'transform' });
  surface.getContext('2d', { alpha: false }); // litegraph gets the same one; nothing shines through, which costs less to compose
  surface.tabIndex = 0;
  surface.setAttribute('role', 'application');
  element.prepend(surface);
  return surface;
}
