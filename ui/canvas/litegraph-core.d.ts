// The parts of litegraph.js 0.7.18 that this folder uses, typed as they really are. The types it ships are those of 0.7.0, with
// private members and missing ones, and augmenting them cannot widen those.
declare module 'litegraph.js/build/litegraph.core.js' {
  type Vec2 = [number, number] | Float32Array;
  type Vec4 = [number, number, number, number] | Float32Array;

  export const LiteGraph: {
    MAX_NUMBER_OF_NODES: number;
    NODE_TITLE_HEIGHT: number;
    NODE_SLOT_HEIGHT: number;
    NODE_COLLAPSED_WIDTH: number;
    catch_exceptions: boolean;
    throw_errors: boolean;
    allow_scripts: boolean;
    alt_drag_do_clone_nodes: boolean;
    middle_click_slot_add_default_node: boolean;
    search_filter_enabled: boolean;
    use_uuids: boolean;
    readonly SPLINE_LINK: 2;
    readonly LINEAR_LINK: 1;
    readonly STRAIGHT_LINK: 0;
    readonly LEFT: 3;
    readonly RIGHT: 4;
    readonly CENTER: 5;
    /** The module's own export of this name is undefined. */
    readonly LLink: new (id: number | string, type: string, originId: number | string, originSlot: number, targetId: number | string, targetSlot: number) => LLink;
  };

  export interface INodeSlot {
    name: string;
    type: string;
    /** Relative to the node; wins over the place that litegraph would give it. */
    pos?: Vec2;
    link?: number | string | null;
    links?: (number | string)[] | null;
  }

  export interface LLink {
    id: number | string;
    type: string;
    origin_id: number | string;
    origin_slot: number;
    target_id: number | string;
    target_slot: number;
    color?: string;
    /** Middle, where it was last drawn. */
    _pos: Float32Array;
  }

  export class LGraphNode {
    constructor(title?: string);
    id: number | string;
    type: string | null;
    title: string;
    /** Backed by `_pos`. */
    pos: Vec2;
    _pos: Vec2;
    size: Vec2;
    graph: LGraph | null;
    flags: { collapsed?: boolean; pinned?: boolean };
    inputs: INodeSlot[];
    outputs: INodeSlot[];
    mode?: number;
    _collapsed_width?: number;
    getBounding(out?: Float32Array, computeOuter?: boolean): Float32Array;
    isPointInside(x: number, y: number, margin?: number, skipTitle?: boolean): boolean;
    getConnectionPos(isInput: boolean, slot: number, out?: Vec2): Vec2;
  }

  export class LGraphGroup {
    constructor(title?: string);
    title: string;
    color: string;
    font_size: number;
    graph: LGraph | null;
    _bounding: Vec4;
    _pos: Vec2;
    _size: Vec2;
    isPointInside(x: number, y: number, margin?: number, skipTitle?: boolean): boolean;
  }

  export class LGraph {
    constructor();
    _nodes: LGraphNode[];
    _nodes_by_id: Record<string, LGraphNode>;
    _groups: LGraphGroup[];
    links: Record<string, LLink>;
    list_of_graphcanvas: LGraphCanvas[] | null;
    config: Record<string, unknown>;
    add(item: LGraphNode | LGraphGroup, skipComputeOrder?: boolean): LGraphNode | undefined;
    remove(item: LGraphNode | LGraphGroup): void;
    clear(): void;
    getNodeById(id: number | string): LGraphNode | undefined;
    getNodeOnPos(x: number, y: number, nodes?: readonly LGraphNode[], margin?: number): LGraphNode | null;
    getGroupOnPos(x: number, y: number): LGraphGroup | null;
    attachCanvas(canvas: LGraphCanvas): void;
    detachCanvas(canvas: LGraphCanvas): void;
    serialize(): { nodes: unknown[]; links: unknown[]; groups: unknown[] };
    configure(data: object): boolean | undefined;
  }

  export class DragAndScale {
    offset: Vec2;
    scale: number;
    min_scale: number;
    max_scale: number;
    visible_area: Float32Array;
    element: HTMLCanvasElement | null;
    toCanvasContext(ctx: CanvasRenderingContext2D): void;
    computeVisibleArea(viewport?: unknown): void;
  }

  export class LGraphCanvas {
    constructor(canvas: HTMLCanvasElement, graph: LGraph, options?: { skip_events?: boolean; skip_render?: boolean; autoresize?: boolean });
    canvas: HTMLCanvasElement;
    bgcanvas: HTMLCanvasElement;
    ctx: CanvasRenderingContext2D;
    graph: LGraph | null;
    ds: DragAndScale;
    dirty_canvas: boolean;
    dirty_bgcanvas: boolean;
    visible_area: Float32Array;
    /** Draws only within this box of the bitmap. */
    viewport: number[] | null;
    visible_nodes: LGraphNode[];
    visible_links: LLink[];
    render_shadows: boolean;
    render_canvas_border: boolean;
    render_connections_border: boolean;
    render_link_tooltip: boolean;
    highquality_render: boolean;
    show_info: boolean;
    links_render_mode: number;
    connections_width: number;
    background_image: string | null;
    clear_background: boolean;
    clear_background_color: string;
    allow_interaction: boolean;
    allow_searchbox: boolean;
    read_only: boolean;
    onRenderBackground: ((canvas: HTMLCanvasElement, ctx: CanvasRenderingContext2D) => boolean) | null;
    onDrawForeground: ((ctx: CanvasRenderingContext2D, area: unknown) => void) | null;
    onDrawOverlay: ((ctx: CanvasRenderingContext2D) => void) | null;
    setDirty(foreground: boolean, background?: boolean): void;
    draw(forceFront?: boolean, forceBack?: boolean): void;
    drawFrontCanvas(): void;
    drawBackCanvas(): void;
    drawNode(node: LGraphNode, ctx: CanvasRenderingContext2D): void;
    drawConnections(ctx: CanvasRenderingContext2D): void;
    drawGroups(canvas: HTMLCanvasElement, ctx: CanvasRenderingContext2D): void;
    renderLink(ctx: CanvasRenderingContext2D, a: Vec2, b: Vec2, link: LLink | null, skipBorder: boolean, flow: number | boolean | null, color: string | null, startDirection: number, endDirection: number, sublines?: number): void;
    computeConnectionPoint(a: Vec2, b: Vec2, t: number, startDirection: number, endDirection: number): [number, number];
    computeVisibleNodes(nodes: LGraphNode[] | null, out?: LGraphNode[]): LGraphNode[];
    setGraph(graph: LGraph | null, skipClear?: boolean): void;
    setCanvas(canvas: HTMLCanvasElement | null, skipEvents?: boolean): void;
    stopRendering(): void;
    bindEvents(): void;
    unbindEvents(): void;
    processKey(event: KeyboardEvent): void;
    processDrop(event: DragEvent): void;
    prompt(...given: unknown[]): void;
    createDialog(...given: unknown[]): void;
    createPanel(...given: unknown[]): void;
    showSearchBox(...given: unknown[]): void;
    showLinkMenu(...given: unknown[]): void;
    showConnectionMenu(...given: unknown[]): void;
    showEditPropertyValue(...given: unknown[]): void;
    processContextMenu(...given: unknown[]): void;
    bringToFront(node: LGraphNode): void;
  }
}
