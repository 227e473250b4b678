// Draws widgets as they look at rest. While they are edited, or wherever the page likes, fields of the page lie over them.
import type { Json } from '../../../engine/formats/json.ts';
import { isJsonArray } from '../../../engine/formats/json.ts';
import type { Widget } from '../../state/node-types.ts';
import type { WidgetBox } from '../layout.ts';
import type { Look } from '../look.ts';
import type { SceneNode } from '../stage.ts';
import { isColor } from '../theme.ts';
import { breakText, fitText, setFont } from './text.ts';

type Context = CanvasRenderingContext2D;
const pad = 8;
const lineHeight = 15;

/** All widgets of a node; the origin is its position. */
export function drawWidgets(ctx: Context, node: SceneNode, look: Look): void {
  for (const box of node.layout.widgets) drawWidget(ctx, node, box, look);
}

function drawWidget(ctx: Context, node: SceneNode, { input, part, box: [x, y, width, height] }: WidgetBox, look: Look): void {
  const slot = node.inputSlots.find(({ name }) => name === input);
  const widget = slot?.widget;
  if (slot === undefined || widget === undefined) return;
  const isLinked = slot.link !== null;
  const alpha = ctx.globalAlpha;
  if (isLinked) ctx.globalAlpha = alpha * 0.55;
  drawField(ctx, x, y, width, height, look);
  // all text is shortened to its place: nothing needs to be clipped
  if (part === 'value') drawValue(ctx, node, slot.label, widget, input, isLinked, [x, y, width, height], look);
  else drawSide(ctx, node, part, input, [x, y, width, height], look);
  ctx.globalAlpha = alpha;
}

/** A frame with blunt corners, of rectangles alone: round ones took half the time of a frame, for a pixel nobody sees. */
function drawField(ctx: Context, x: number, y: number, width: number, height: number, { theme }: Look): void {
  ctx.fillStyle = theme.fieldBorder;
  ctx.fillRect(x + 1, y, width - 2, height);
  ctx.fillRect(x, y + 1, width, height - 2);
  ctx.fillStyle = theme.field;
  ctx.fillRect(x + 1, y + 1, width - 2, height - 2);
}

type Rectangle = readonly [x: number, y: number, width: number, height: number];

function drawValue(ctx: Context, node: SceneNode, label: string, widget: Widget, input: string, isLinked: boolean, box: Rectangle, look: Look): void {
  const { theme } = look;
  const value = node.doc.values[input] ?? widget.initial;
  if (widget.kind === 'text' && widget.isMultiline && !isLinked) return drawLines(ctx, String(value ?? ''), label, box, look);
  const [x, y, width, height] = box;
  const middle = y + height / 2 + 4;
  setFont(ctx, `12px ${theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = theme.textMuted;
  const shown = fitText(ctx, label, width * (isLinked ? 0.9 : 0.5));
  ctx.fillText(shown, x + pad, middle);
  if (isLinked) return;
  const left = x + pad + ctx.measureText(shown).width + 10;
  let right = x + width - pad;
  const isDevice = widget.kind === 'text' && widget.device !== undefined;
  if (widget.kind === 'choice' || isDevice) right = drawChevron(ctx, right, y + height / 2);
  else if (widget.kind === 'toggle') right = drawToggle(ctx, right, y + height / 2, value === true, look);
  else if (widget.kind === 'color') right = drawSwatch(ctx, right, y + height / 2, value, look);
  ctx.fillStyle = isForeign(widget, value) ? theme.error : theme.text;
  ctx.textAlign = 'right';
  ctx.fillText(fitText(ctx, isDevice && value === '' ? look.words.automatic : valueText(widget, value), right - left), right, middle);
}

/** A choice that is none of the choices: shown as it is, but marked. */
function isForeign(widget: Widget, value: Json | undefined): boolean {
  return widget.kind === 'choice' && !widget.isMultiple && widget.remote === undefined && value !== undefined && !widget.choices.includes(value);
}

/** What a value looks like in one line. */
export function valueText(widget: Widget, value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  if (widget.kind === 'toggle') return value === true ? widget.on : widget.off;
  if (widget.kind === 'float' && (typeof value === 'number' || typeof value === 'bigint')) return floatText(Number(value), widget.digits);
  if (typeof value === 'string') return value;
  if (isJsonArray(value)) return value.map(String).join(', ');
  return typeof value === 'object' ? '{…}' : String(value);
}

/** As many digits as a step needs, or as the value has. */
function floatText(value: number, digits: number): string {
  const short = value.toFixed(digits);
  return Number(short) === value ? short : String(value);
}

function drawChevron(ctx: Context, right: number, middle: number): number {
  ctx.beginPath();
  ctx.moveTo(right - 7, middle - 2);
  ctx.lineTo(right - 3.5, middle + 2);
  ctx.lineTo(right, middle - 2);
  ctx.strokeStyle = ctx.fillStyle;
  ctx.lineWidth = 1.5;
  ctx.stroke();
  return right - 13;
}

function drawToggle(ctx: Context, right: number, middle: number, isOn: boolean, { theme }: Look): number {
  ctx.fillStyle = isOn ? theme.accent : theme.fieldBorder;
  ctx.beginPath();
  ctx.roundRect(right - 24, middle - 6, 24, 12, 6);
  ctx.fill();
  ctx.fillStyle = isOn ? theme.onAccent : theme.text;
  ctx.beginPath();
  ctx.arc(right - (isOn ? 6 : 18), middle, 4, 0, Math.PI * 2);
  ctx.fill();
  return right - 30;
}

function drawSwatch(ctx: Context, right: number, middle: number, value: Json | undefined, { theme }: Look): number {
  ctx.fillStyle = typeof value === 'string' && isColor(value) ? value : theme.field;
  ctx.strokeStyle = theme.fieldBorder;
  ctx.beginPath();
  ctx.rect(right - 24, middle - 6, 24, 12);
  ctx.fill();
  ctx.stroke();
  return right - 30;
}

function drawLines(ctx: Context, text: string, label: string, [x, y, width, height]: Rectangle, { theme }: Look): void {
  setFont(ctx, `12px ${theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = text === '' ? theme.textMuted : theme.text;
  const lines = breakText(ctx, text === '' ? label : text, width - 2 * pad, Math.max(1, Math.floor((height - 6) / lineHeight)));
  lines.forEach((line, i) => ctx.fillText(line, x + pad, y + 15 + i * lineHeight));
}

function drawSide(ctx: Context, node: SceneNode, part: string, input: string, [x, y, width, height]: Rectangle, { theme, words }: Look): void {
  const control = node.doc.controls[input];
  const middle = y + height / 2 + 4;
  setFont(ctx, `12px ${theme.fontFamily}`);
  ctx.fillStyle = theme.textMuted;
  if (part === 'upload') {
    ctx.textAlign = 'center';
    ctx.fillText(fitText(ctx, words.upload, width - 2 * pad), x + width / 2, middle);
    return;
  }
  ctx.textAlign = 'left';
  const widget = node.inputSlots.find(({ name }) => name === input)?.widget;
  ctx.fillText(fitText(ctx, part === 'filter' ? control?.filter ?? '' : control?.mode ?? widget?.initialMode ?? '', width - 2 * pad - 12), x + pad, middle);
  if (part === 'control') drawChevron(ctx, x + width - pad, y + height / 2);
}
