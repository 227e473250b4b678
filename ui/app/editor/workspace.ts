// One open workflow: its document with history, selection, the layer that is shown and where. What components show of it are shallow refs,
// so that nothing deep is ever made reactive.
import { shallowRef, type ShallowRef } from 'vue';
import { runCommand, runCommands, type Command } from '../../state/commands/commands.ts';
import type { Made } from '../../state/commands/context.ts';
import { findLayer, layerOf, rootLayer, type Document, type Layer, type LayerId, type NodeId } from '../../state/document.ts';
import { History, type Change, type Outcome } from '../../state/history.ts';
import type { Message } from '../../state/messages.ts';
import type { NodeTypes } from '../../state/node-types.ts';
import { runIdOf } from '../../state/places.ts';
import type { Problem } from '../../state/problems.ts';
import { emptySelection, pruneSelection, type Selection } from '../../state/selection.ts';
import type { View } from '../../canvas/events.ts';

export interface Steps {
  readonly undo: Message | undefined;
  readonly redo: Message | undefined;
  /** Done and all. */
  readonly done: number;
  readonly count: number;
}

export class Workspace {
  readonly id: string;
  readonly history: History;
  readonly document: ShallowRef<Document>;
  readonly selection: ShallowRef<Selection> = shallowRef(emptySelection);
  readonly layer: ShallowRef<LayerId> = shallowRef(rootLayer);
  /** The instances of subgraphs that were entered, from the outside in. */
  readonly around: ShallowRef<readonly { readonly layer: LayerId; readonly node: NodeId }[]> = shallowRef([]);
  readonly isDirty: ShallowRef<boolean> = shallowRef(false);
  readonly steps: ShallowRef<Steps> = shallowRef({ undo: undefined, redo: undefined, done: 0, count: 0 });
  /** Of the last check or of the server; those of an older document are taken away by the next edit of their node. */
  readonly problems: ShallowRef<readonly Problem[]> = shallowRef([]);
  /** Where the canvas was, by layer. */
  readonly views = new Map<LayerId, View>();

  constructor(id: string, document: Document, mostSteps: number) {
    this.id = id;
    this.history = new History(document, { selection: () => this.selection.value, mostSteps });
    this.document = shallowRef(this.history.document);
    this.history.subscribe((change) => this.#follow(change));
  }

  /** Runs a command as a step. */
  run(command: Command, types: NodeTypes): Outcome<Made> {
    return runCommand(this.history, command, types);
  }

  /** Runs several as one step. */
  runAll(commands: readonly Command[], types: NodeTypes): Outcome<readonly Made[]> {
    const [only] = commands;
    if (only !== undefined && commands.length === 1) {
      const outcome = this.run(only, types); // it may merge with the step before
      return outcome.ok ? { ok: true, made: [outcome.made] } : outcome;
    }
    const outcome = runCommands(this.history, commands, types);
    this.#tell(); // the step is there only after the last change was told
    return outcome;
  }

  /** The layer that is shown. */
  get shown(): Layer {
    return layerOf(this.document.value, this.layer.value);
  }

  /** The id that a node of the shown layer has in a run. */
  runId(node: NodeId): string {
    return runIdOf(this.around.value.map((entered) => entered.node), node);
  }

  /** Shows the inside of a subgraph's instance in the shown layer. */
  enter(node: NodeId): void {
    const type = this.shown.nodes[node]?.type;
    if (type === undefined || this.document.value.subgraphs[type] === undefined) return;
    this.around.value = [...this.around.value, { layer: this.layer.value, node }];
    this.#show(type);
  }

  /** Goes out until `depth` instances are entered. */
  leave(depth = this.around.value.length - 1): void {
    const from = this.around.value[depth];
    if (from === undefined) return;
    this.around.value = this.around.value.slice(0, depth);
    this.#show(from.layer);
  }

  /** Tells that it was saved as it is. */
  markSaved(): void {
    this.history.markSaved();
    this.#tell();
  }

  markDirty(): void {
    this.history.markDirty();
    this.#tell();
  }

  #show(layer: LayerId): void {
    this.layer.value = layer;
    this.selection.value = { ...emptySelection, layer };
  }

  #follow({ document, cause, selection, before }: Change): void {
    this.document.value = document;
    if (findLayer(document, this.layer.value) === undefined || cause === 'replace') {
      this.around.value = [];
      this.#show(rootLayer);
    } else this.selection.value = pruneSelection(selection?.layer === this.layer.value ? selection : this.selection.value, findLayer(document, this.layer.value));
    const isSame = (problem: Problem) => problem.node !== undefined && findLayer(document, problem.layer)?.nodes[problem.node] === findLayer(before, problem.layer)?.nodes[problem.node];
    if (this.problems.value.length > 0 && cause !== 'amend') this.problems.value = this.problems.value.filter(isSame);
    this.#tell();
  }

  #tell(): void {
    const { undoSteps, redoSteps } = this.history;
    this.isDirty.value = this.history.isDirty;
    this.steps.value = { undo: undoSteps.at(-1)?.label, redo: redoSteps.at(-1)?.label, done: undoSteps.length, count: undoSteps.length + redoSteps.length };
  }
}
