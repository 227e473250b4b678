// litegraph.js as renderer and hit-tester: its graph, nodes and canvas with the faults of 0.7.18 that matter here taken out (numbers as
// in editor.md §2), and everything switched off that listens, edits, opens menus or evaluates text. Only this file and scene.ts import it.
import { DragAndScale, LGraph, LGraphCanvas, LGraphNode, LiteGraph } from 'litegraph.js/build/litegraph.core.js';
import type { Box, DocLink, DocNode, LinkId, NodeId, Point } from '../state/document.ts';
import type { InputSlot, OutputSlot } from '../state/slots.ts';
import { titleHeight, type NodeLayout } from './layout.ts';
import { Overscan } from './overscan.ts';

LiteGraph.MAX_NUMBER_OF_NODES = 1_000_000; // 1: the 1,001st node was a thrown string
LiteGraph.catch_exceptions = false; // 18: errors of constructors were hidden
LiteGraph.allow_scripts = false;
LiteGraph.alt_drag_do_clone_nodes = false; // these three name globals that do not exist in strict mode
LiteGraph.middle_click_slot_add_default_node = false;
LiteGraph.search_filter_enabled = false;
LiteGraph.NODE_TITLE_HEIGHT = titleHeight;

/** How far the bitmap reaches beyond the view, in CSS pixels. */
const overscanPx = 384;
/** Most a collapsed node takes; as the selection reckons it. */
const collapsedWidth = 160;

/** A node as it is drawn: the document's node with the slots it shows and where they lie. */
export class SceneNode extends LGraphNode {
  override id: NodeId;
  doc: DocNode;
  inputSlots: readonly InputSlot[] = [];
  outputSlots: readonly OutputSlot[] = [];
  layout: NodeLayout;
  shownTitle = '';
  /** Places in sight of a subgraph's own inputs and outputs: not a node of the document. */
  isBoundary = false;
  isUnknown = false;

  constructor(doc: DocNode, layout: NodeLayout) {
    super();
    this.id = doc.id;
    this.doc = doc;
    this.layout = layout;
    this._pos = [doc.pos[0], doc.pos[1]]; // 2: was ten float32, which rounds positions and writes them as an object
  }

  /** Where it is drawn, title included, in graph coordinates. */
  outline(): Box {
    return [this.pos[0]!, this.pos[1]! - this.top, this.shownWidth, this.shownHeight];
  }

  /** How far it reaches above its position. */
  get top(): number {
    return this.doc.type === 'Reroute' ? 0 : titleHeight;
  }

  get shownWidth(): number {
    return this.flags.collapsed === true ? this._collapsed_width ?? collapsedWidth : this.size[0]!;
  }

  /** Title included. */
  get shownHeight(): number {
    return this.flags.collapsed === true ? titleHeight : this.size[1]! + this.top;
  }

  override isPointInside(x: number, y: number, margin = 0): boolean {
    const [left, top, width, height] = this.outline();
    return x >= left - margin && x <= left + width + margin && y >= top - margin && y <= top + height + margin;
  }

  /** With room for slots, rings and badges around. */
  override getBounding(out: Float32Array = new Float32Array(4)): Float32Array {
    const [x, y, width, height] = this.outline();
    out[0] = x - 12;
    out[1] = y - 22;
    out[2] = width + 24;
    out[3] = height + 34;
    return out;
  }

  /** Where a slot's link ends, in graph coordinates. */
  slotPoint(isInput: boolean, slot: number): Point {
    const [x, y] = this.getConnectionPos(isInput, slot, [0, 0]);
    return [x!, y!];
  }
}

export class SceneLink extends LiteGraph.LLink {
  doc: DocLink;
  /** From output to input, over the reroutes between; empty until placed. */
  #points: readonly Point[] = [];
  /** What its curves may reach. */
  left = 0;
  right = 0;
  top = 0;
  bottom = 0;

  constructor(doc: DocLink) {
    super(doc.id, doc.type, doc.from, doc.fromSlot, doc.to, doc.toSlot);
    this.doc = doc;
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  set points(points: readonly Point[]) {
    this.#points = points;
    [this.left, this.top, this.right, this.bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of points) {
      this.left = Math.min(this.left, x);
      this.right = Math.max(this.right, x);
      this.top = Math.min(this.top, y);
      this.bottom = Math.max(this.bottom, y);
    }
    // a link that runs backwards bulges by a quarter of its length
    const bulge = 20 + (this.right - this.left + this.bottom - this.top) * 0.25;
    this.left -= bulge;
    this.right += bulge;
    this.top -= 20;
    this.bottom += 20;
  }

  /** Whether it may be seen in a box. */
  touches([x, y, width, height]: Box): boolean {
    return this.#points.length > 1 && this.left <= x + width && this.right >= x && this.top <= y + height && this.bottom >= y;
  }
}

export class SceneGraph extends LGraph {
  declare _nodes: SceneNode[];
  declare _nodes_by_id: Record<NodeId, SceneNode>;
  declare links: Record<LinkId, SceneLink>;

  /** litegraph's own takes no subclass of its canvas. */
  override attachCanvas(canvas: LGraphCanvas): void {
    canvas.graph = this;
    this.list_of_graphcanvas = [canvas];
  }

  override clear(): void {
    super.clear();
    this._nodes_by_id = Object.create(null) as Record<NodeId, SceneNode>; // an id may be called __proto__
    this.links = Object.create(null) as Record<LinkId, SceneLink>; // 4: was a sparse array after configure
  }

  addNode(node: SceneNode): void {
    this.add(node, true); // 14: sorted all nodes anew at each
  }

  /** Without litegraph's `remove`, which disconnects, sorts and tells half of it (5, 6). */
  removeNode(id: NodeId): void {
    const at = this._nodes.findIndex((node) => node.id === id);
    if (at >= 0) this._nodes.splice(at, 1);
    delete this._nodes_by_id[id];
  }
}

/** What is drawn, in this order. Contexts are in graph coordinates but for `background` and `overlay`: CSS pixels of the view. */
export interface Painter {
  /** `area`: what of the view is drawn, in CSS pixels. */
  background(ctx: CanvasRenderingContext2D, area: Box): void;
  groups(ctx: CanvasRenderingContext2D): void;
  links(ctx: CanvasRenderingContext2D): void;
  /** Nodes are too small for more than boxes. */
  areFar(): boolean;
  /** All nodes at once where they are too small for more than boxes: true if that is so. */
  farNodes(ctx: CanvasRenderingContext2D, nodes: () => readonly SceneNode[]): boolean;
  /** The origin is the node's position. */
  node(ctx: CanvasRenderingContext2D, node: SceneNode): void;
  foreground(ctx: CanvasRenderingContext2D): void;
  overlay(ctx: CanvasRenderingContext2D): void;
}

export class Stage extends LGraphCanvas {
  readonly #painter: Painter;
  readonly #view: Window;
  #frame: number | undefined;
  #dpr = 1;
  #isDestroyed = false;
  /** Something else than the view has changed since the last frame. */
  #isStale = true;
  /** The view that is shown. */
  #drawn: { readonly scale: number; readonly offset: Point } = { scale: 0, offset: [0, 0] };
  readonly #overscan = new Overscan();
  /** Left, top, right, bottom of each node with all that belongs to it: thousands are asked for in each frame. Undefined where they may have changed. */
  #bounds: Float64Array | undefined;
  /** Frames shown so far, and what the last took in milliseconds. */
  frames = 0;
  lastFrameMs = 0;
  /** Nodes of the last frame. */
  inSight = 0;
  /** `isMoved`: only the view is another. */
  afterDraw: (isMoved: boolean) => void = () => undefined;

  constructor(canvas: HTMLCanvasElement, graph: SceneGraph, painter: Painter) {
    super(canvas, graph, { skip_events: true, skip_render: true, autoresize: false }); // 8: never bound, nothing to leak
    this.#painter = painter;
    this.#view = canvas.ownerDocument.defaultView!;
    // one bitmap: a second for what lies below the nodes would have to be copied whole in each frame
    this.bgcanvas = canvas;
    this.clear_background = false; // the painter's background covers everything
    this.render_shadows = false;
    this.render_canvas_border = false;
    this.render_link_tooltip = false;
    this.render_connections_border = false;
    this.highquality_render = false;
    this.show_info = false;
    this.background_image = null;
    this.links_render_mode = LiteGraph.SPLINE_LINK;
    // 12: the bitmap has device pixels, everything else stays in CSS pixels
    this.ds.offset = [0, 0];
    this.ds.toCanvasContext = (ctx) => {
      const [left, top] = this.#overscan.view;
      ctx.translate(left, top);
      ctx.scale(this.ds.scale * this.#dpr, this.ds.scale * this.#dpr);
      ctx.translate(...this.drawnOffset);
    };
    this.ds.computeVisibleArea = () => this.ds.visible_area.set(this.#inGraph(this.#area));
    this.onRenderBackground = (_, ctx) => { this.#inPixels(ctx, (area) => this.#painter.background(ctx, area)); return true; };
    this.onDrawForeground = (ctx) => this.#painter.foreground(ctx);
    this.onDrawOverlay = (ctx) => this.#inPixels(ctx, () => this.#painter.overlay(ctx));
  }

  /** Sizes the bitmap; `width` and `height` of the view in CSS pixels. More than 2 device pixels each are not drawn: nobody sees them, all wait for them. */
  setSize(width: number, height: number, dpr: number): void {
    this.#dpr = Math.min(2, Math.max(0.5, dpr));
    this.#overscan.resize(Math.max(1, Math.round(width * this.#dpr)), Math.max(1, Math.round(height * this.#dpr)), Math.round(overscanPx * this.#dpr));
    const [w, h] = this.#overscan.bitmapSize;
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    const { style } = this.canvas;
    style.width = `${w / this.#dpr}px`;
    style.height = `${h / this.#dpr}px`;
    style.left = style.top = `${-this.#overscan.margin / this.#dpr}px`;
    this.#isStale = true;
    this.drawNow(); // a new bitmap is empty: no frame may show it so
  }

  get dpr(): number {
    return this.#dpr;
  }

  get isDirty(): boolean {
    return this.#frame !== undefined;
  }

  /** Asks for one frame; however often it is asked, until then. */
  override setDirty(foreground: boolean, background = false): void {
    super.setDirty(foreground, background);
    if (!foreground && !background) return;
    this.#isStale = true;
    this.#requestFrame();
  }

  /** Asks for a frame because the view has moved, and nothing else is new: what is drawn already is shown at another place. */
  setMoved(): void {
    this.#requestFrame();
  }

  #requestFrame(): void {
    if (this.#view === undefined || this.#frame !== undefined || this.#isDestroyed) return;
    this.#frame = this.#view.requestAnimationFrame(() => { this.#frame = undefined; this.drawNow(); });
  }

  drawNow(): void {
    if (this.#isDestroyed) return;
    if (this.#frame !== undefined) this.#view.cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    const begun = this.#view.performance.now();
    const shift = this.#isStale ? undefined : this.#shift();
    if (shift === undefined) this.#drawView();
    else this.#move(shift);
    this.#isStale = false;
    this.#drawn = { scale: this.ds.scale, offset: this.drawnOffset };
    this.dirty_canvas = this.dirty_bgcanvas = false;
    this.frames += 1;
    this.afterDraw(shift !== undefined);
    this.lastFrameMs = this.#view.performance.now() - begun;
  }

  /** All that is in sight, anew. */
  #drawView(): void {
    this.#bounds = undefined;
    this.#overscan.centre();
    this.#place();
    this.#drawArea(this.#overscan.view);
  }

  /** Shows another part of the bitmap, and draws what is not in it yet. */
  #move(by: Point): void {
    const { copy, draw } = this.#overscan.move(by);
    this.#place();
    if (copy !== undefined) {
      this.ctx.setTransform(1, 0, 0, 1, 0, 0);
      this.ctx.drawImage(this.canvas, ...copy);
    }
    for (const area of draw) this.#drawArea(area);
    this.ds.computeVisibleArea();
    this.visible_nodes = this.#nodesInSight([]);
    this.inSight = this.visible_nodes.length;
    if (this.#painter.areFar()) this.visible_nodes = [];
  }

  /** Moves the bitmap to where the view shows its part. */
  #place(): void {
    const [left, top] = this.#overscan.view;
    const { margin } = this.#overscan;
    this.canvas.style.transform = left === margin && top === margin ? '' : `translate(${(margin - left) / this.#dpr}px, ${(margin - top) / this.#dpr}px)`;
  }

  /** Draws what lies in a box of the bitmap. */
  #drawArea(area: Box): void {
    this.viewport = [...area];
    this.dirty_bgcanvas = false; // drawn with the rest
    this.draw(true);
    this.viewport = null;
  }

  /** What is being drawn, or else what is shown, in the bitmap. */
  get #area(): Box {
    return (this.viewport as Box | null) ?? this.#overscan.view;
  }

  #inGraph([x, y, width, height]: Box): Box {
    const [left, top] = this.#overscan.view;
    const pixel = 1 / this.#dpr / this.ds.scale;
    const offset = this.drawnOffset;
    return [(x - left) * pixel - offset[0], (y - top) * pixel - offset[1], width * pixel, height * pixel];
  }

  /** The view's offset as it is drawn: in whole device pixels, so that a view that moves can show what is drawn and its letters do not flicker. */
  get drawnOffset(): Point {
    const pixels = this.ds.scale * this.#dpr;
    return [Math.round(this.ds.offset[0]! * pixels) / pixels, Math.round(this.ds.offset[1]! * pixels) / pixels];
  }

  /** How far the view has moved since the last frame, in device pixels; undefined where its scale has changed. */
  #shift(): Point | undefined {
    const { scale, offset } = this.#drawn;
    if (scale !== this.ds.scale) return undefined;
    const pixels = scale * this.#dpr;
    const [left, top] = this.drawnOffset;
    return [Math.round((left - offset[0]) * pixels), Math.round((top - offset[1]) * pixels)];
  }

  /** What a frame shows of the graph: a part of what is in sight where only that is drawn anew. */
  get area(): Box {
    const [x, y, width, height] = this.ds.visible_area as unknown as [number, number, number, number];
    return [x, y, width, height];
  }

  override drawGroups(_: HTMLCanvasElement, ctx: CanvasRenderingContext2D): void {
    this.#painter.groups(ctx);
  }

  override drawConnections(ctx: CanvasRenderingContext2D): void {
    this.#painter.links(ctx);
  }

  /** In sight, without making a box for each of thousands; none where the painter has drawn all at once. */
  override computeVisibleNodes(_: LGraphNode[] | null, out: LGraphNode[] = []): LGraphNode[] {
    this.#nodesInSight(out);
    this.inSight = out.length;
    if (this.#painter.farNodes(this.ctx, () => out as SceneNode[])) out.length = 0;
    return out;
  }

  #nodesInSight(out: LGraphNode[]): LGraphNode[] {
    const nodes = (this.graph?._nodes ?? []) as SceneNode[];
    const bounds = this.#bounds ??= boundsOf(nodes);
    const [x, y, width, height] = this.area;
    out.length = 0;
    for (let i = 0, at = 0; i < nodes.length; i++, at += 4) if (bounds[at]! <= x + width && bounds[at + 1]! <= y + height && bounds[at + 2]! >= x && bounds[at + 3]! >= y) out.push(nodes[i]!);
    return out;
  }

  override drawNode(node: LGraphNode, ctx: CanvasRenderingContext2D): void {
    this.#painter.node(ctx, node as SceneNode);
  }

  #inPixels(ctx: CanvasRenderingContext2D, draw: (area: Box) => void): void {
    const [left, top] = this.#overscan.view;
    const [x, y, width, height] = this.#area;
    ctx.save();
    ctx.setTransform(this.#dpr, 0, 0, this.#dpr, left, top);
    draw([(x - left) / this.#dpr, (y - top) / this.#dpr, width / this.#dpr, height / this.#dpr]);
    ctx.restore();
  }

  destroy(): void {
    this.#isDestroyed = true;
    if (this.#frame !== undefined) this.#view.cancelAnimationFrame(this.#frame);
    this.stopRendering();
    this.graph?.detachCanvas(this);
    delete (this.canvas as { data?: unknown }).data; // a node of the page would keep all of this alive
    this.canvas.width = this.canvas.height = 0;
  }

  // What follows is switched off. These open menus made of HTML text (11), evaluate text, edit behind the document's back (5, 13, 16),
  // or listen to the wrong events (8, 9, 10, 15, 17). The page has its own of each.
  override bindEvents(): void {}
  override unbindEvents(): void {}
  override processKey(): void {}
  override processDrop(): void {}
  override prompt(): void {}
  override createDialog(): void {}
  override createPanel(): void {}
  override showSearchBox(): void {}
  override showLinkMenu(): void {}
  override showConnectionMenu(): void {}
  override showEditPropertyValue(): void {}
  override processContextMenu(): void {}
  override bringToFront(): void {}
}

/** With room for rings and badges, and for what a run writes below. */
function boundsOf(nodes: readonly SceneNode[]): Float64Array {
  const bounds = new Float64Array(4 * nodes.length);
  nodes.forEach((node, i) => {
    const [left, top] = [node.pos[0]! - 12, node.pos[1]! - 52];
    bounds.set([left, top, left + node.shownWidth + 24, top + node.shownHeight + 64], 4 * i);
  });
  return bounds;
}

/** litegraph's middle of a curve and its end directions, for drawing links. */
export const linkDirections = { from: LiteGraph.RIGHT, to: LiteGraph.LEFT } as const;
export type ViewTransform = DragAndScale;
