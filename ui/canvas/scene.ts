// The projection of one layer of the document into what litegraph draws. One way: nothing is ever read back. Small edits touch what they
// changed; large ones build everything anew. `differences` compares both, for tests.
import { LGraphGroup } from 'litegraph.js/build/litegraph.core.js';
import { inputBoundary, layerOf, outputBoundary, type DocGroup, type DocLink, type DocNode, type Document, type GroupId, type Layer, type LayerId, type LinkId, type NodeId, type Point, type RerouteId, type SubgraphDefinition } from '../state/document.ts';
import { patchesOf, type Patch } from '../state/history.ts';
import type { NodeTypes } from '../state/node-types.ts';
import { boxAround } from '../state/selection.ts';
import { inputSlots, nodeTypeOf, outputSlots, titleOf, type InputSlot, type OutputSlot } from '../state/slots.ts';
import { layoutNode, rerouteSize, type NodeLayout } from './layout.ts';
import { SceneGraph, SceneLink, SceneNode } from './stage.ts';

/** More patches than these, and building anew is quicker. */
const mostSinglePatches = 200;

export class SceneGroup extends LGraphGroup {
  id: GroupId;
  doc: DocGroup;

  constructor(doc: DocGroup) {
    super(doc.title);
    this.id = doc.id;
    this.doc = doc;
    this.place(doc);
  }

  place(doc: DocGroup): void {
    this.doc = doc;
    this.title = doc.title;
    const [x, y, width, height] = doc.box;
    this._pos = [x, y]; // 2: float32 again
    this._size = [width, height];
    this._bounding = [x, y, width, height];
  }
}

export interface SceneOptions {
  /** Whether room is kept in a node for what a run shows. */
  readonly hasOutput: (node: NodeId) => boolean;
}

export class Scene {
  readonly graph = new SceneGraph();
  readonly groups = new Map<GroupId, SceneGroup>();
  readonly reroutes = new Map<RerouteId, Point>();
  readonly #options: SceneOptions;
  #links: readonly SceneLink[] | undefined;
  document!: Document;
  layerId!: LayerId;
  types!: NodeTypes;
  /** Counts rebuilds, so that tests can tell a patched edit from one that built everything anew. */
  rebuilds = 0;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  get layer(): Layer {
    return layerOf(this.document, this.layerId);
  }

  node(id: NodeId): SceneNode | undefined {
    return this.graph._nodes_by_id[id];
  }

  link(id: LinkId): SceneLink | undefined {
    return this.graph.links[id];
  }

  get nodes(): readonly SceneNode[] {
    return this.graph._nodes;
  }

  /** Listed once between changes: it is asked for in every frame. */
  links(): readonly SceneLink[] {
    this.#links ??= Object.values(this.graph.links);
    return this.#links;
  }

  /** Everything anew: another document, layer or set of node types. */
  show(document: Document, layerId: LayerId, types: NodeTypes): void {
    this.document = document;
    this.layerId = layerId;
    this.types = types;
    this.#rebuild();
  }

  #rebuild(): void {
    this.rebuilds += 1;
    const { layer } = this;
    this.#links = undefined;
    this.graph.clear();
    this.groups.clear();
    this.reroutes.clear();
    for (const group of Object.values(layer.groups)) this.#putGroup(group);
    for (const reroute of Object.values(layer.reroutes)) this.reroutes.set(reroute.id, reroute.pos);
    for (const node of Object.values(layer.nodes)) this.#putNode(node);
    this.#putBoundaries();
    for (const id of Object.keys(layer.links)) this.#putLink(id);
  }

  /** Follows a change of the document by its patches. */
  apply(document: Document, patches: readonly Patch[]): void {
    const before = this.document;
    this.document = document;
    const own = patchesOf(patches, this.layerId);
    const isLarge = own === undefined || own.length > mostSinglePatches || before.subgraphs !== document.subgraphs && patches.some(({ path }) => path[0] === 'subgraphs' && path.length < 4);
    if (isLarge) return this.#rebuild();
    const { layer } = this;
    const touched = this.#touched(own, layer);
    for (const id of touched.nodes) this.#putOrRemoveNode(id, layer);
    for (const id of touched.groups) {
      const group = layer.groups[id];
      if (group === undefined) this.#removeGroup(id);
      else this.#putGroup(group);
    }
    for (const id of touched.reroutes) {
      const reroute = layer.reroutes[id];
      if (reroute === undefined) this.reroutes.delete(id);
      else this.reroutes.set(id, reroute.pos);
    }
    for (const id of touched.links) this.#putLink(id);
    // an instance looks like its definition
    if (before.subgraphs !== document.subgraphs) for (const node of this.graph._nodes) if (document.subgraphs[node.doc.type] !== undefined) this.#putNode(node.doc);
    if (this.layerId !== '') this.#putBoundaries();
    if (touched.reroutes.size > 0) this.placeLinks(this.links());
    else this.placeLinks(this.links().filter(({ doc }) => touched.nodes.has(doc.from) || touched.nodes.has(doc.to) || touched.links.has(doc.id)));
  }

  #touched(patches: readonly Patch[], layer: Layer): { nodes: Set<string>; groups: Set<string>; reroutes: Set<string>; links: Set<string> } {
    const touched = { nodes: new Set<string>(), groups: new Set<string>(), reroutes: new Set<string>(), links: new Set<string>() };
    for (const { path: [kind, id] } of patches) {
      const found = touched[kind as keyof typeof touched] as Set<string> | undefined;
      if (found === undefined) continue;
      if (id !== undefined) found.add(String(id));
      else if (kind === 'links') [...Object.keys(layer.links), ...Object.keys(this.graph.links)].forEach((one) => found.add(one));
      else if (kind === 'nodes') [...Object.keys(layer.nodes), ...Object.keys(this.graph._nodes_by_id)].forEach((one) => found.add(one));
      else if (kind === 'groups') [...Object.keys(layer.groups), ...this.groups.keys()].forEach((one) => found.add(one));
      else [...Object.keys(layer.reroutes), ...this.reroutes.keys()].forEach((one) => found.add(one));
    }
    return touched;
  }

  #putOrRemoveNode(id: NodeId, layer: Layer): void {
    const doc = layer.nodes[id];
    if (doc === undefined) this.graph.removeNode(id);
    else this.#putNode(doc);
  }

  #putNode(doc: DocNode): void {
    const inputs = inputSlots(this.document, this.types, doc);
    const outputs = outputSlots(this.document, this.types, doc);
    const node = this.#place(doc, inputs, outputs, this.#layout(doc, inputs, outputs));
    node.shownTitle = titleOf(this.document, this.types, doc);
    node.title = node.shownTitle;
    node.isUnknown = nodeTypeOf(this.document, this.types, doc.type) === undefined;
  }

  #layout(doc: DocNode, inputs: readonly InputSlot[], outputs: readonly OutputSlot[]): NodeLayout {
    if (doc.type === 'Reroute') return { size: rerouteSize, inputs: [[0, rerouteSize[1] / 2]], outputs: [[rerouteSize[0], rerouteSize[1] / 2]], widgets: [] };
    return layoutNode(doc.size, inputs, outputs, { hasOutput: this.#options.hasOutput(doc.id) });
  }

  #place(doc: DocNode, inputs: readonly InputSlot[], outputs: readonly OutputSlot[], layout: NodeLayout): SceneNode {
    let node = this.graph._nodes_by_id[doc.id];
    if (node === undefined) {
      node = new SceneNode(doc, layout);
      this.graph.addNode(node);
    }
    node.doc = doc;
    node.type = doc.type;
    node.layout = layout;
    node.inputSlots = inputs;
    node.outputSlots = outputs;
    node.pos = [doc.pos[0], doc.pos[1]];
    node.size = [layout.size[0], layout.size[1]];
    node.flags = { ...doc.flags };
    node._collapsed_width = Math.min(160, layout.size[0]);
    node.mode = doc.mode;
    // 3, 7: copies, and slots by what the type says joined with the file by name
    node.inputs = inputs.map(({ name, type, link }, i) => ({ name, type, link, pos: [layout.inputs[i]?.[0] ?? 0, layout.inputs[i]?.[1] ?? 0] }));
    node.outputs = outputs.map(({ name, type }, i) => ({ name, type, links: null, pos: [layout.outputs[i]?.[0] ?? 0, layout.outputs[i]?.[1] ?? 0] }));
    return node;
  }

  /** The nodes again whose look may have changed for another reason than the document: room for pictures. */
  relayout(ids: Iterable<NodeId>): void {
    const changed = new Set<NodeId>();
    for (const id of ids) {
      const doc = this.layer.nodes[id];
      if (doc === undefined) continue;
      this.#putNode(doc);
      changed.add(id);
    }
    this.placeLinks(this.links().filter(({ doc }) => changed.has(doc.from) || changed.has(doc.to)));
  }

  /** Draws a node above all others; the document's order stays (13). */
  raise(id: NodeId): void {
    const nodes = this.graph._nodes;
    const at = nodes.findIndex((node) => node.id === id);
    const [node] = at < 0 || at === nodes.length - 1 ? [] : nodes.splice(at, 1);
    if (node !== undefined) nodes.push(node);
  }

  /** Shows a node as if the document had it so, until the next `relayout` or change. */
  preview(doc: DocNode): void {
    this.#putNode(doc);
    this.placeLinks(this.links().filter((link) => link.doc.from === doc.id || link.doc.to === doc.id));
  }

  #putGroup(doc: DocGroup): void {
    const known = this.groups.get(doc.id);
    if (known !== undefined) return known.place(doc);
    const group = new SceneGroup(doc);
    this.groups.set(doc.id, group);
    this.graph._groups.push(group);
  }

  #removeGroup(id: GroupId): void {
    const group = this.groups.get(id);
    this.groups.delete(id);
    this.graph._groups = this.graph._groups.filter((one) => one !== group);
  }

  #putLink(id: LinkId): void {
    this.#links = undefined;
    const doc = this.layer.links[id];
    if (doc === undefined) {
      delete this.graph.links[id];
      return;
    }
    const link = new SceneLink(doc);
    this.graph.links[id] = link;
    this.placeLinks([link]);
  }

  /** Computes again where links run; after their nodes moved. */
  placeLinks(links: Iterable<SceneLink>): void {
    for (const link of links) link.points = this.#pointsOf(link);
  }

  #pointsOf({ doc }: SceneLink): readonly Point[] {
    const from = this.node(doc.from);
    const to = this.node(doc.to);
    if (from === undefined || to === undefined || doc.fromSlot >= from.outputSlots.length) return [];
    const slot = this.inputIndex(to, doc.toSlot);
    if (slot < 0) return [];
    return [from.slotPoint(false, doc.fromSlot), ...this.reroutesOf(doc).map((id) => this.reroutes.get(id)!), to.slotPoint(true, slot)];
  }

  /** The points that a link passes, from its source on. */
  reroutesOf({ parent }: DocLink): readonly RerouteId[] {
    const { reroutes } = this.layer;
    const found = new Set<RerouteId>();
    for (let id = parent; id !== undefined && !found.has(id) && this.reroutes.has(id); id = reroutes[id]?.parent) found.add(id);
    return [...found].reverse();
  }

  /** A link names its target by the index in the file's inputs; what is shown has an order of its own. */
  inputIndex(node: SceneNode, slot: number): number {
    if (node.isBoundary) return slot < node.inputSlots.length ? slot : -1;
    const name = node.doc.inputs[slot]?.name;
    return name === undefined ? -1 : node.inputSlots.findIndex((one) => one.name === name);
  }

  #putBoundaries(): void {
    const definition = this.document.subgraphs[this.layerId];
    if (definition === undefined || this.layerId === '') return;
    const around = boxAround(Object.values(this.layer.nodes).map(({ pos: [x, y], size: [width, height] }) => [x, y, width, height])) ?? [0, 0, 0, 0];
    this.#putBoundary(inputBoundary, definition, [around[0] - 240, around[1]]);
    this.#putBoundary(outputBoundary, definition, [around[0] + around[2] + 100, around[1]]);
  }

  #putBoundary(id: NodeId, { inputs, outputs }: SubgraphDefinition, pos: Point): void {
    const isInput = id === inputBoundary;
    const ports = isInput ? inputs : outputs;
    const doc: DocNode = { id, type: '', pos, size: [140, 0], mode: 0, order: 0, flags: {}, properties: new Map(), inputs: [], outputs: [], values: {}, controls: {} };
    const ins = isInput ? [] : ports.map(({ name, label, type }, i): InputSlot => ({ name, label: label ?? name, type, link: this.#linkTo(id, i), isOptional: false, isAdvanced: false, isStale: false }));
    const outs = isInput ? ports.map(({ name, label, type }): OutputSlot => ({ name, label: label ?? name, type, isList: false })) : [];
    const node = this.#place(doc, ins, outs, layoutNode(doc.size, ins, outs, { hasOutput: false }));
    node.isBoundary = true;
    node.shownTitle = isInput ? '→' : '←';
    this.placeLinks(this.links().filter((link) => link.doc.from === id || link.doc.to === id));
  }

  #linkTo(node: NodeId, slot: number): LinkId | null {
    return Object.values(this.layer.links).find((link) => link.to === node && link.toSlot === slot)?.id ?? null;
  }

  /** What is drawn and is not as the document says: empty, or the projection is wrong. */
  differences(): readonly string[] {
    const other = new Scene(this.#options);
    other.show(this.document, this.layerId, this.types);
    const found: string[] = [];
    const compare = (what: string, mine: unknown, theirs: unknown) => {
      const [a, b] = [stable(mine), stable(theirs)];
      if (a !== b) found.push(`${what} is drawn as ${a}, the document says ${b}`);
    };
    const nodeIds = new Set([...Object.keys(this.graph._nodes_by_id), ...Object.keys(other.graph._nodes_by_id)]);
    for (const id of nodeIds) compare(`node ${id}`, pictureOf(this.node(id)), pictureOf(other.node(id)));
    for (const id of new Set([...Object.keys(this.graph.links), ...Object.keys(other.graph.links)])) compare(`link ${id}`, linkPicture(this.link(id)), linkPicture(other.link(id)));
    for (const id of new Set([...this.groups.keys(), ...other.groups.keys()])) compare(`group ${id}`, groupPicture(this.groups.get(id)), groupPicture(other.groups.get(id)));
    for (const id of new Set([...this.reroutes.keys(), ...other.reroutes.keys()])) compare(`reroute ${id}`, this.reroutes.get(id), other.reroutes.get(id));
    if (this.graph._nodes.length !== nodeIds.size) found.push(`${this.graph._nodes.length} nodes are drawn for ${nodeIds.size} ids`);
    return found;
  }
}

function pictureOf(node: SceneNode | undefined): unknown {
  return node && { pos: [...node.pos], size: [...node.size], flags: node.flags, mode: node.mode, title: node.shownTitle, inputs: node.inputs, outputs: node.outputs, values: node.doc.values, controls: node.doc.controls, color: node.doc.color, bgcolor: node.doc.bgcolor };
}

function linkPicture(link: SceneLink | undefined): unknown {
  return link && { doc: link.doc, points: link.points };
}

function groupPicture(group: SceneGroup | undefined): unknown {
  return group && { title: group.title, pos: [...group._pos], size: [...group._size], color: group.doc.color };
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one instanceof Map ? [...one] : one)) ?? 'absent';
}
