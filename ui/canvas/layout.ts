// Where the parts of a node lie: slots, widgets, pictures. The measures are those of ComfyUI's nodes, so that its workflows keep their
// shape. Pure; relative to the node's position, which is the corner below its title bar.
import type { Box, Point, Size } from '../state/document.ts';
import type { InputSlot, OutputSlot } from '../state/slots.ts';

export const titleHeight = 30;
export const slotPitch = 20;
export const widgetHeight = 20;
export const widgetPitch = 24;
/** Space beside widgets. */
export const widgetInset = 14;
const topPad = 6;
const bottomPad = 6;
const leastTextHeight = 60;
const leastOutputHeight = 120;
const leastWidth = 120;

/** `control`: what happens to a value after a run; `upload`: the button below a choice of files; `text`: text that a run shows, of no input. */
export type WidgetPart = 'value' | 'control' | 'filter' | 'upload' | 'text';

export interface WidgetBox {
  readonly input: string;
  readonly part: WidgetPart;
  readonly box: Box;
}

export interface NodeLayout {
  /** At least what its parts need. */
  readonly size: Size;
  /** In the order of the slots given. */
  readonly inputs: readonly Point[];
  readonly outputs: readonly Point[];
  readonly widgets: readonly WidgetBox[];
  /** For pictures and text that a run shows. */
  readonly output?: Box;
}

export interface LayoutOptions {
  /** Room is made for what a run shows. */
  readonly hasOutput: boolean;
}

interface Row {
  readonly input: string;
  readonly part: WidgetPart;
  /** Takes a share of the height that is left. */
  readonly isTall: boolean;
}

/** A reroute node is a dot with a slot on each side. */
export const rerouteSize: Size = [75, 26];

export function layoutNode(size: Size, inputs: readonly InputSlot[], outputs: readonly OutputSlot[], { hasOutput }: LayoutOptions): NodeLayout {
  const sockets = inputs.filter(({ widget }) => widget === undefined).length;
  const rows = inputs.flatMap(rowsOf);
  const top = Math.max(sockets, outputs.length) * slotPitch + topPad;
  const tall = rows.filter(({ isTall }) => isTall).length;
  const fixed = top + (rows.length - tall) * widgetPitch + bottomPad;
  const least = fixed + tall * (leastTextHeight + 4) + (hasOutput ? leastOutputHeight : 0);
  const [width, height] = [Math.max(leastWidth, size[0]), Math.max(least, size[1])];
  const spare = height - fixed;
  const share = tall === 0 ? 0 : (hasOutput ? spare / 2 : spare) / tall;
  const widgets = placeRows(rows, top, width, share);
  const end = widgets.reduce((y, { box }) => Math.max(y, box[1] + box[3] + 4), top);
  return {
    size: [width, height],
    inputs: inputPoints(inputs, widgets),
    outputs: outputs.map((_, i) => [width, slotY(i)]),
    widgets,
    ...(hasOutput ? { output: [widgetInset, end, width - 2 * widgetInset, Math.max(0, height - end - bottomPad)] } : {}),
  };
}

function rowsOf({ name, widget, link }: InputSlot): readonly Row[] {
  if (widget === undefined) return [];
  const isTall = widget.kind === 'text' && widget.isMultiline && link === null;
  const rows: Row[] = [{ input: name, part: 'value', isTall }];
  if (widget.controls > 0) rows.push({ input: name, part: 'control', isTall: false });
  if (widget.controls > 1) rows.push({ input: name, part: 'filter', isTall: false });
  if (widget.kind === 'choice' && widget.upload !== undefined) rows.push({ input: name, part: 'upload', isTall: false });
  return rows;
}

function placeRows(rows: readonly Row[], top: number, width: number, share: number): readonly WidgetBox[] {
  let y = top;
  return rows.map(({ input, part, isTall }) => {
    const height = isTall ? share - 4 : widgetHeight;
    const box: Box = [widgetInset, y, width - 2 * widgetInset, height];
    y += height + 4;
    return { input, part, box };
  });
}

/** The socket of a widget lies beside it. */
function inputPoints(inputs: readonly InputSlot[], widgets: readonly WidgetBox[]): readonly Point[] {
  let socket = 0;
  const rows = new Map(widgets.filter(({ part }) => part === 'value').map(({ input, box }) => [input, box]));
  return inputs.map(({ name, widget }) => {
    const box = widget === undefined ? undefined : rows.get(name);
    return [0, box === undefined ? slotY(socket++) : box[1] + Math.min(box[3], widgetHeight) / 2];
  });
}

function slotY(index: number): number {
  return (index + 0.7) * slotPitch;
}
