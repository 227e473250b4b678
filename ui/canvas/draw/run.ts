// Draws what a run does to a node: progress, time, cache mark, device, and the pictures and text that it shows.
import type { Box } from '../../state/document.ts';
import { moveText } from '../../state/run-view.ts';
import type { NodeRun } from '../../state/run.ts';
import type { Look } from '../look.ts';
import { titleHeight } from '../layout.ts';
import type { SceneNode } from '../stage.ts';
import { breakText, fitText, setFont } from './text.ts';

type Context = CanvasRenderingContext2D;

/** Colour of a device, and of its stripe. */
export function deviceColor(device: string, { theme, devices }: Look): string {
  const at = devices.indexOf(device);
  return at < 0 ? theme.muted : theme.devices[at % theme.devices.length]!; // the host, or one that is not here now
}

/** The device that a node was set to by its user. */
function chosenDevice({ doc }: SceneNode): string | undefined {
  const device = doc.properties.get('device');
  return typeof device === 'string' && device !== '' ? device : undefined;
}

/** A line below the title: how far the node is; else on which device it ran, or is to run. */
export function drawProgress(ctx: Context, node: SceneNode, run: NodeRun | undefined, look: Look): void {
  const { theme } = look;
  const width = node.size[0]!;
  const device = run?.device ?? chosenDevice(node);
  if (run?.status === 'running') {
    ctx.fillStyle = theme.field;
    ctx.fillRect(0, -4, width, 4);
    ctx.fillStyle = theme.running;
    const { progress } = run;
    const part = progress !== undefined && progress.max > 0 ? Math.min(1, progress.value / progress.max) : 0.08;
    ctx.fillRect(0, -4, width * part, 4);
  } else if (device !== undefined) {
    const names = device.split('+'); // a node may work on several at once
    names.forEach((name, i) => {
      ctx.fillStyle = deviceColor(name, look);
      ctx.fillRect(i * width / names.length, -3, width / names.length, 3);
    });
  }
}

/** Above the title, on the right: time, cache mark, device (by name, for colours alone say nothing), what was moved within it. */
export function drawBadges(ctx: Context, node: SceneNode, run: NodeRun | undefined, { theme, words }: Look): void {
  const texts = [run && badgeText(run, words), run?.device ?? chosenDevice(node), ...(run?.moves ?? []).map(moveText)].filter((text) => text !== undefined);
  if (texts.length === 0) return;
  setFont(ctx, `11px ${theme.fontFamily}`);
  ctx.textAlign = 'right';
  ctx.fillStyle = run?.status === 'failed' ? theme.error : theme.textMuted;
  ctx.fillText(fitText(ctx, texts.join(' · '), node.size[0]!), node.size[0]! - 2, -titleHeight - 9);
}

function badgeText(run: NodeRun, words: Look['words']): string | undefined {
  if (run.status === 'cached') return words.cached;
  if (run.status === 'failed') return words.failed;
  if (run.status === 'blocked') return words.blocked;
  if (run.status === 'running' && run.progress !== undefined) return `${run.progress.value} / ${run.progress.max}`;
  return run.ms === undefined ? undefined : duration(run.ms);
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s` : `${Math.floor(ms / 60_000)}:${String(Math.round((ms % 60_000) / 1000)).padStart(2, '0')} min`;
}

/** Places of pictures in a box: as many columns as make them largest. */
export function gridOf([x, y, width, height]: Box, shapes: readonly { readonly width: number; readonly height: number }[]): readonly Box[] {
  if (shapes.length === 0) return [];
  const aspect = Math.max(0.05, shapes[0]!.width / Math.max(1, shapes[0]!.height));
  let columns = 1;
  let best = 0;
  for (let tried = 1; tried <= shapes.length; tried++) {
    const rows = Math.ceil(shapes.length / tried);
    const side = Math.min(width / tried, (height / rows) * aspect);
    if (side > best) [best, columns] = [side, tried];
  }
  const rows = Math.ceil(shapes.length / columns);
  const [cellWidth, cellHeight] = [width / columns, height / rows];
  return shapes.map((shape, i) => {
    const scale = Math.min((cellWidth - 4) / Math.max(1, shape.width), (cellHeight - 4) / Math.max(1, shape.height));
    const [w, h] = [shape.width * scale, shape.height * scale];
    return [x + (i % columns) * cellWidth + (cellWidth - w) / 2, y + Math.floor(i / columns) * cellHeight + (cellHeight - h) / 2, w, h];
  });
}

export function drawPictures(ctx: Context, box: Box, pictures: readonly ImageBitmap[], { theme }: Look): void {
  gridOf(box, pictures).forEach(([x, y, width, height], i) => {
    if (width < 1 || height < 1) return;
    ctx.drawImage(pictures[i]!, x, y, width, height);
    ctx.strokeStyle = theme.nodeBorder;
    ctx.lineWidth = 1;
    ctx.strokeRect(x, y, width, height);
  });
}

/** The end of a text that grows, in a box. */
export function drawText(ctx: Context, [x, y, width, height]: Box, text: string, { theme }: Look): void {
  setFont(ctx, `12px ${theme.fontFamily}`);
  ctx.textAlign = 'left';
  ctx.fillStyle = theme.text;
  const most = Math.max(1, Math.floor((height - 4) / 15));
  // what a line holds at the most, so that only the end is measured
  const end = text.slice(-Math.ceil(most * (width / 3)));
  breakText(ctx, end, width - 8, 400).slice(-most).forEach((line, i) => ctx.fillText(line, x + 4, y + 14 + i * 15));
}
