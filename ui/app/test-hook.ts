// What tests of the page read, as window.__bagel on pages opened with ?e2e=1: where things are on the screen, what the document holds, and
// whether all has settled. Changes nothing but by opening a workflow to begin with: tests act by mouse and keyboard.
import { rootLayer } from '../state/document.ts';
import { writeText } from '../state/write-file.ts';
import type { ClientBox } from '../canvas/graph-canvas.ts';
import type { View, WidgetPlace } from '../canvas/events.ts';
import type { Editor } from './editor.ts';
import { isOpeningNamed } from './simple/open-task.ts';

export interface TestHook {
  /** Opens a workflow's text as another tab. */
  open(text: string, title: string): boolean;
  /** The shown workflow's document as plain JSON (big numbers lose digits); undefined where none is open. */
  doc(): unknown;
  /** The file that saving would write. */
  file(): string | undefined;
  /** Nodes of the shown layer. */
  ids(): string[];
  selection(): unknown;
  /** In pixels of the window, as are the next two; undefined for what is not there. */
  nodeBox(node: string): ClientBox | undefined;
  slotPoint(node: string, side: 'in' | 'out', slot: string | number): { x: number; y: number } | undefined;
  widgetBox(node: string, input: string, part?: WidgetPlace['part']): ClientBox | undefined;
  view(): View | undefined;
  /** The labels of steps that can be undone, oldest first. */
  steps(): string[];
  isDirty(): boolean;
  tabs(): unknown;
  /** Node types are there. */
  isReady(): boolean;
  runs(): unknown;
  jobs(): unknown;
  problems(): unknown;
  /** Between document and canvas; empty unless the program is wrong. */
  differences(): readonly unknown[];
  perf(): unknown;
  /** Resolves when node types are there, nothing is to be drawn and nothing is dragged. */
  idle(): Promise<void>;
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one instanceof Map ? Object.fromEntries(one) : one)) ?? 'null');

export function installTestHook(editor: Editor): void {
  const canvas = () => editor.canvas.value;
  const open = () => editor.active.value;
  const isIdle = () => editor.isReady.value && !isOpeningNamed.value && (canvas()?.isIdle() ?? true);
  const hook: TestHook = {
    open: (text, title) => editor.openText(text, { title }) !== undefined,
    doc: () => (open() === undefined ? undefined : plain(open()!.document.value)),
    file: () => open() && writeText(open()!.document.value, editor.types.value),
    ids: () => Object.keys(open()?.shown.nodes ?? {}),
    selection: () => open()?.selection.value ?? { layer: rootLayer, nodes: [], groups: [], reroutes: [], links: [] },
    nodeBox: (node) => canvas()?.nodeBox(node),
    slotPoint: (node, side, slot) => canvas()?.slotPoint(node, side, slot),
    widgetBox: (node, input, part) => canvas()?.widgetBox(node, input, part),
    view: () => canvas()?.view(),
    steps: () => open()?.history.undoSteps.map(({ label }) => editor.say(label)) ?? [],
    isDirty: () => open()?.isDirty.value ?? false,
    isReady: () => editor.typesState.value === 'ready',
    tabs: () => plain(editor.tabs.value),
    runs: () => plain(editor.runs.state.value),
    jobs: () => plain(editor.runs.jobs.value),
    problems: () => plain(open()?.problems.value ?? []),
    differences: () => canvas()?.differences() ?? [],
    perf: () => canvas()?.perf(),
    async idle() {
      do await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      while (!isIdle());
    },
  };
  Object.assign(window, { __bagel: hook });
}
