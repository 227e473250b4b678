// How large a new node is: room for its slots and widgets. The canvas may draw more loosely, never needing more than this.
import type { Size } from './document.ts';
import type { NodeType, Widget } from './node-types.ts';

/** Height of one row of slots or of one plain widget. */
export const rowHeight = 20;
const widgetHeight = 24;
const textHeight = 96;

/** Width and height of a new node below its title bar. */
export function initialSize(type: NodeType): Size {
  const sockets = type.inputs.filter(({ widget, isHidden }) => widget === undefined && !isHidden).length;
  const widgets = type.inputs.flatMap(({ widget, isHidden }) => (widget === undefined || isHidden ? [] : [widget]));
  const height = 6 + Math.max(sockets, type.outputs.length) * rowHeight + widgets.reduce((sum, widget) => sum + heightOf(widget), 0) + (type.isOutput ? 200 : 0) + 10;
  const isWide = widgets.some((widget) => widget.kind === 'text' && widget.isMultiline);
  return [isWide ? 400 : widgets.length > 0 || type.isOutput ? 300 : 220, height];
}

function heightOf(widget: Widget): number {
  const own = widget.kind === 'text' && widget.isMultiline ? textHeight : widgetHeight;
  return own + widget.controls * widgetHeight + (widget.kind === 'choice' && widget.upload !== undefined ? widgetHeight + 160 : 0);
}
