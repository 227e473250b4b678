// Draws one node: body, title, slots, widgets, and how it stands (selected, muted, bypassed, failed, running). The origin is its position.
import type { Box } from '../../state/document.ts';
import { titleHeight } from '../layout.ts';
import { detail, type Look } from '../look.ts';
import type { SceneNode } from '../stage.ts';
import { isColor } from '../theme.ts';
import { drawBadges, drawPictures, drawProgress, drawText } from './run.ts';
import { drawSlot } from './slot.ts';
import { breakText, fitText, setFont } from './text.ts';
import { drawWidgets } from './widget.ts';

type Context = CanvasRenderingContext2D;
const radius = 8;

/** What a node shows of a run. */
export interface Shown {
  readonly pictures: readonly ImageBitmap[];
  readonly text?: string;
}

export function drawNode(ctx: Context, node: SceneNode, look: Look, scale: number, shown: Shown): void {
  ctx.globalAlpha = node.doc.mode === 2 ? 0.5 : node.doc.mode === 4 ? 0.7 : 1;
  if (node.doc.type === 'Reroute') drawReroute(ctx, node, look);
  else drawWhole(ctx, node, look, scale, shown);
  ctx.globalAlpha = 1;
}

/** All nodes from afar, each as a rectangle or two, and a frame in the colour of how it stands. In graph coordinates. */
export function drawFarNodes(ctx: Context, nodes: readonly SceneNode[], look: Look, scale: number): void {
  const hasTitle = scale >= 0.1;
  let color = '';
  const paint = (wanted: string, x: number, y: number, width: number, height: number) => {
    if (wanted !== color) ctx.fillStyle = color = wanted;
    ctx.fillRect(x, y, width, height);
  };
  for (const node of nodes) {
    const top = node.top;
    paint(hasTitle ? bodyColor(node, look) : titleColor(node, look), node.pos[0]!, node.pos[1]! - top, node.shownWidth, node.shownHeight);
  }
  if (hasTitle) for (const node of nodes) if (node.top > 0) paint(titleColor(node, look), node.pos[0]!, node.pos[1]! - titleHeight, node.shownWidth, titleHeight);
  ctx.lineWidth = 2 / scale;
  for (const node of nodes) {
    const frame = frameOf(node, look);
    if (frame === undefined) continue;
    ctx.strokeStyle = frame;
    ctx.strokeRect(node.pos[0]!, node.pos[1]! - node.top, node.shownWidth, node.shownHeight);
  }
}

function drawWhole(ctx: Context, node: SceneNode, look: Look, scale: number, shown: Shown): void {
  const run = look.runs[node.id];
  drawBody(ctx, node, look, scale);
  const isOpen = node.doc.flags.collapsed !== true;
  if (isOpen) drawProgress(ctx, node, run, look);
  drawFrame(ctx, node, look, scale);
  const isFar = scale < detail.titles;
  if (isOpen) drawSlots(ctx, node, look, isFar);
  else drawCollapsedSlots(ctx, node, look);
  if (isOpen) drawShown(ctx, node, look, isFar, shown);
  if (isFar) {
    drawLargeTitle(ctx, node, look, scale, isOpen && shown.pictures.length === 0);
    return;
  }
  drawTitle(ctx, node, look);
  if (isOpen) drawWidgets(ctx, node, look);
  if (isOpen && node.isUnknown && !node.isBoundary) drawNotice(ctx, node, look);
  drawBadges(ctx, node, run, look);
}

/** As large on the screen as a small text, over the whole node: from afar the title is what one looks for. */
function drawLargeTitle(ctx: Context, node: SceneNode, look: Look, scale: number, isTall: boolean): void {
  const size = 11 / scale;
  setFont(ctx, `600 ${Math.round(size)}px ${look.theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = isTall ? bodyText(node, look) : titleText(node, look);
  const inset = 5 / scale;
  const most = isTall ? Math.max(1, Math.min(3, Math.floor((node.size[1]! - inset) / (size * 1.15)))) : 1;
  const title = titleOf(node, look);
  const lines = most === 1 ? [fitText(ctx, title, node.shownWidth - 2 * inset)] : breakText(ctx, title, node.shownWidth - 2 * inset, most);
  const top = isTall ? size * 1.1 : -titleHeight / 2 + size * 0.35;
  lines.forEach((line, i) => ctx.fillText(line, inset, top + i * size * 1.15));
}

function titleOf({ isBoundary, outputSlots, shownTitle }: SceneNode, { words }: Look): string {
  if (isBoundary) return outputSlots.length > 0 ? words.inputs : words.outputs;
  return shownTitle;
}

/** Where a node is, title included, relative to its position. */
function outline(node: SceneNode): Box {
  const [x, y, width, height] = node.outline();
  return [x - node.pos[0]!, y - node.pos[1]!, width, height];
}

function bodyColor({ doc, isUnknown }: SceneNode, { theme }: Look): string {
  if (isUnknown) return theme.field;
  return isColor(doc.bgcolor) ? doc.bgcolor : theme.node;
}

/** Text on a body or title whose colour comes from a file is black or white, whatever can be read. */
function bodyText({ doc, isUnknown }: SceneNode, { theme }: Look): string {
  return !isUnknown && isColor(doc.bgcolor) ? readable(doc.bgcolor, theme.text) : theme.text;
}

function titleText({ doc }: SceneNode, { theme }: Look): string {
  return isColor(doc.color) ? readable(doc.color, theme.text) : theme.text;
}

function titleColor({ doc }: SceneNode, { theme }: Look): string {
  return isColor(doc.color) ? doc.color : theme.nodeTitle;
}

/** The one colour that says how a node stands; what needs attention comes first. */
function frameOf(node: SceneNode, { theme, selectedNodes, runs, problems }: Look): string | undefined {
  if (runs[node.id]?.status === 'failed' || problems[node.id]?.severity === 'error' || (node.isUnknown && !node.isBoundary)) return theme.error;
  if (runs[node.id]?.status === 'running') return theme.running;
  if (selectedNodes.has(node.id)) return theme.accent;
  if (problems[node.id]?.severity === 'warning') return theme.warning;
  if (node.doc.mode === 4) return theme.bypass;
  return node.doc.mode === 2 ? theme.muted : undefined;
}

function drawBody(ctx: Context, node: SceneNode, look: Look, scale: number): void {
  const [x, y, width, height] = outline(node);
  if (scale < detail.titles) { // corners would be a pixel or two
    ctx.fillStyle = bodyColor(node, look);
    ctx.fillRect(x, y, width, height);
    ctx.fillStyle = titleColor(node, look);
    ctx.fillRect(x, y, width, titleHeight);
    return;
  }
  const isCollapsed = node.doc.flags.collapsed === true;
  const round = node.doc.shape === 1 ? 0 : radius;
  ctx.fillStyle = bodyColor(node, look);
  ctx.beginPath();
  ctx.roundRect(x, y, width, height, round);
  ctx.fill();
  ctx.fillStyle = titleColor(node, look);
  ctx.beginPath();
  ctx.roundRect(x, y, width, titleHeight, isCollapsed ? round : [round, round, 0, 0]);
  ctx.fill();
}

function drawFrame(ctx: Context, node: SceneNode, look: Look, scale: number): void {
  const { theme } = look;
  const [x, y, width, height] = outline(node);
  const round = node.doc.shape === 1 ? 0 : radius;
  const frame = frameOf(node, look);
  const isSelected = look.selectedNodes.has(node.id);
  ctx.strokeStyle = frame ?? theme.nodeBorder;
  ctx.lineWidth = frame === undefined ? 1 : Math.max(2, 1.5 / scale);
  if (node.doc.mode !== 0 || node.isUnknown) ctx.setLineDash([6, 4]);
  if (scale < detail.titles) ctx.strokeRect(x, y, width, height);
  else {
    ctx.beginPath();
    ctx.roundRect(x, y, width, height, round);
    ctx.stroke();
  }
  if (node.doc.mode !== 0 || node.isUnknown) ctx.setLineDash([]);
  if (isSelected) ring(ctx, [x, y, width, height], 3, Math.max(2, 1.5 / scale), theme.accent);
  if (look.focused === node.id) ring(ctx, [x, y, width, height], 6, Math.max(2, 2 / scale), theme.focus);
}

function ring(ctx: Context, [x, y, width, height]: Box, gap: number, lineWidth: number, color: string): void {
  ctx.strokeStyle = color;
  ctx.lineWidth = lineWidth;
  ctx.beginPath();
  ctx.roundRect(x - gap, y - gap, width + 2 * gap, height + 2 * gap, radius + gap);
  ctx.stroke();
}

function drawTitle(ctx: Context, node: SceneNode, look: Look): void {
  const { theme, words } = look;
  const [, , width] = outline(node);
  const middle = -titleHeight / 2;
  let right = width - 10;
  ctx.textAlign = 'right';
  setFont(ctx, `11px ${theme.fontFamily}`);
  if (look.problems[node.id] !== undefined || look.runs[node.id]?.status === 'failed') right = drawMark(ctx, right, middle, look, node);
  if (node.doc.flags.pinned === true) right = drawPin(ctx, right, middle, titleText(node, look));
  const mode = node.doc.mode === 2 ? words.muted : node.doc.mode === 4 ? words.bypassed : undefined;
  if (mode !== undefined) {
    ctx.fillStyle = titleText(node, look);
    ctx.fillText(mode, right, middle + 4);
    right -= ctx.measureText(mode).width + 8;
  }
  if (!node.isBoundary) drawCollapse(ctx, node, look);
  setFont(ctx, `600 13px ${theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = titleText(node, look);
  ctx.fillText(fitText(ctx, titleOf(node, look), right - 28), 26, middle + 5);
}

/** Black or white on a colour of the file. */
export function readable(color: string, otherwise: string): string {
  const hex = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(color)?.[1];
  if (hex === undefined) return otherwise;
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join('') : hex;
  const [r, g, b] = [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b! > 0.18 ? '#111111' : '#ffffff';
}

function drawMark(ctx: Context, right: number, middle: number, { theme, problems, runs }: Look, node: SceneNode): number {
  const isError = problems[node.id]?.severity === 'error' || runs[node.id]?.status === 'failed';
  ctx.fillStyle = isError ? theme.error : theme.warning;
  ctx.beginPath();
  if (isError) ctx.arc(right - 7, middle, 8, 0, Math.PI * 2);
  else {
    ctx.moveTo(right - 7, middle - 8);
    ctx.lineTo(right + 1, middle + 6);
    ctx.lineTo(right - 15, middle + 6);
    ctx.closePath();
  }
  ctx.fill();
  ctx.fillStyle = theme.background;
  ctx.fillRect(right - 8, middle - 4, 2, 5);
  ctx.fillRect(right - 8, middle + 2.5, 2, 2);
  return right - 22;
}

function drawPin(ctx: Context, right: number, middle: number, color: string): number {
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.arc(right - 5, middle - 3, 3.5, 0, Math.PI * 2);
  ctx.fill();
  ctx.beginPath();
  ctx.moveTo(right - 5, middle);
  ctx.lineTo(right - 5, middle + 7);
  ctx.stroke();
  return right - 16;
}

function drawCollapse(ctx: Context, node: SceneNode, look: Look): void {
  const [x, y] = [13, -titleHeight / 2];
  ctx.fillStyle = isColor(node.doc.color) ? titleText(node, look) : look.theme.textMuted;
  ctx.beginPath();
  if (node.doc.flags.collapsed === true) {
    ctx.moveTo(x - 2.5, y - 4.5);
    ctx.lineTo(x + 3.5, y);
    ctx.lineTo(x - 2.5, y + 4.5);
  } else {
    ctx.moveTo(x - 4.5, y - 2.5);
    ctx.lineTo(x + 4.5, y - 2.5);
    ctx.lineTo(x, y + 3.5);
  }
  ctx.closePath();
  ctx.fill();
}

function drawSlots(ctx: Context, node: SceneNode, look: Look, isFar: boolean): void {
  const { theme, draggedLink, hovered, problems } = look;
  const end = draggedLink?.end;
  setFont(ctx, `12px ${theme.fontFamily}`);
  node.inputSlots.forEach((slot, i) => {
    const at = node.layout.inputs[i]!;
    const accepts = end?.kind === 'output' ? draggedLink!.accepts(node.id, slot.name) : undefined;
    const isHovered = hovered?.kind === 'input' && hovered.node === node.id && hovered.input === slot.name;
    // sockets of widgets show themselves when they matter
    if (slot.widget !== undefined && slot.link === null && accepts !== true && !isHovered && !(hovered !== undefined && 'node' in hovered && hovered.node === node.id && end === undefined)) return;
    drawSlot(ctx, at, { type: slot.type, isList: false, isLinked: slot.link !== null, isOptional: slot.isOptional || slot.widget !== undefined, isDim: end !== undefined && accepts !== true, isMarked: problems[node.id]?.inputs.includes(slot.name) === true, isHovered }, theme, isFar);
    if (isFar || slot.widget !== undefined || node.doc.type === 'Reroute') return;
    ctx.textAlign = 'left';
    ctx.fillStyle = slot.isStale ? theme.error : end !== undefined && accepts !== true ? theme.muted : bodyText(node, look);
    ctx.fillText(fitText(ctx, slot.label, node.size[0]! * (node.outputSlots.length > 0 ? 0.55 : 0.85)), at[0] + 12, at[1] + 4);
  });
  node.outputSlots.forEach((slot, i) => {
    const at = node.layout.outputs[i]!;
    const isDim = end !== undefined && !(end.kind === 'input' && draggedLink!.accepts(node.id, i));
    const isHovered = hovered?.kind === 'output' && hovered.node === node.id && hovered.slot === i;
    drawSlot(ctx, at, { type: slot.type, isList: slot.isList, isLinked: true, isOptional: false, isDim, isMarked: false, isHovered }, theme, isFar);
    if (isFar || node.doc.type === 'Reroute') return;
    ctx.textAlign = 'right';
    ctx.fillStyle = isDim ? theme.muted : bodyText(node, look);
    ctx.fillText(fitText(ctx, slot.label, node.size[0]! * 0.5), at[0] - 12, at[1] + 4);
  });
}

function drawCollapsedSlots(ctx: Context, node: SceneNode, { theme }: Look): void {
  const state = { isList: false, isOptional: false, isLinked: true, isDim: false, isMarked: false, isHovered: false };
  const input = node.inputSlots.find(({ link }) => link !== null);
  if (input !== undefined) drawSlot(ctx, [0, -titleHeight / 2], { ...state, type: input.type }, theme);
  const output = node.outputSlots[0];
  if (output !== undefined) drawSlot(ctx, [outline(node)[2], -titleHeight / 2], { ...state, type: output.type }, theme);
}

function drawShown(ctx: Context, node: SceneNode, look: Look, isFar: boolean, { pictures, text }: Shown): void {
  const box = node.layout.output;
  if (box === undefined) return;
  if (pictures.length > 0) drawPictures(ctx, box, pictures, look);
  else if (text !== undefined && !isFar) drawText(ctx, box, text, look);
}

function drawNotice(ctx: Context, node: SceneNode, { theme, words }: Look): void {
  setFont(ctx, `12px ${theme.fontFamily}`);
  ctx.textAlign = 'center';
  ctx.fillStyle = theme.error;
  ctx.fillText(fitText(ctx, words.notInstalled, node.size[0]! - 20), node.size[0]! / 2, node.size[1]! - 10);
}

/** A bend in a link: a small pill between its slots. */
function drawReroute(ctx: Context, node: SceneNode, look: Look): void {
  const [width, height] = [node.size[0]!, node.size[1]!];
  ctx.fillStyle = look.theme.node;
  ctx.strokeStyle = frameOf(node, look) ?? look.theme.nodeBorder;
  ctx.lineWidth = look.selectedNodes.has(node.id) ? 2 : 1;
  ctx.beginPath();
  ctx.roundRect(0, 0, width, height, height / 2);
  ctx.fill();
  ctx.stroke();
  if (look.focused === node.id) ring(ctx, [0, 0, width, height], 5, 2, look.theme.focus);
  drawSlots(ctx, node, look, false);
}
