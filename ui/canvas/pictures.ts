// Pictures for nodes as bitmaps: results by address, kept up to a number of bytes, and the latest preview of each node. Bitmaps that
// fall out are closed at once, for their memory is not the garbage collector's.
import type { NodeId } from '../state/document.ts';

export interface Pictures {
  /** The bitmap of an address; undefined while it loads or when it cannot be shown. */
  get(address: string): ImageBitmap | undefined;
  setPreview(node: NodeId, picture: Blob | undefined): void;
  preview(node: NodeId): ImageBitmap | undefined;
  /** What all bitmaps take. */
  bytes(): number;
  destroy(): void;
}

/** `onReady` is told when there is something new to draw. */
export function createPictures(mostBytes: number, onReady: (node?: NodeId) => void): Pictures {
  const results = new Map<string, ImageBitmap | 'loading' | 'broken'>();
  const previews = new Map<NodeId, { readonly turn: number; bitmap: ImageBitmap | undefined }>();
  let turn = 0;
  let isDestroyed = false;

  async function load(address: string): Promise<void> {
    results.set(address, 'loading');
    let made: ImageBitmap | 'broken' = 'broken';
    try {
      const image = new Image();
      image.src = address;
      await image.decode();
      made = await createImageBitmap(image);
    } catch {
      // shown as no picture; whoever lists the results says what is wrong with it
    }
    if (isDestroyed || !results.has(address)) {
      if (made !== 'broken') made.close();
      return;
    }
    results.set(address, made);
    trim(address);
    onReady();
  }

  function trim(kept: string): void {
    for (const [address, bitmap] of results) {
      if (total() <= mostBytes) return;
      if (address === kept || typeof bitmap === 'string') continue;
      bitmap.close();
      results.delete(address);
    }
  }

  const total = () => [...results.values(), ...[...previews.values()].map(({ bitmap }) => bitmap)].reduce((sum, one) => sum + (one instanceof ImageBitmap ? one.width * one.height * 4 : 0), 0);

  async function setPreview(node: NodeId, picture: Blob | undefined): Promise<void> {
    const mine = ++turn;
    const before = previews.get(node);
    if (picture === undefined) {
      before?.bitmap?.close();
      if (previews.delete(node)) onReady(node);
      return;
    }
    previews.set(node, { turn: mine, bitmap: before?.bitmap });
    const bitmap = await createImageBitmap(picture).catch(() => undefined);
    const now = previews.get(node);
    // a later frame was quicker, or the preview is over
    if (isDestroyed || now?.turn !== mine || bitmap === undefined) return bitmap?.close();
    now.bitmap?.close();
    now.bitmap = bitmap;
    onReady(node);
  }

  return {
    get(address) {
      const found = results.get(address);
      if (found === undefined) void load(address);
      if (!(found instanceof ImageBitmap)) return undefined;
      results.delete(address); // the latest used last
      results.set(address, found);
      return found;
    },
    setPreview: (node, picture) => void setPreview(node, picture),
    preview: (node) => previews.get(node)?.bitmap,
    bytes: total,
    destroy() {
      isDestroyed = true;
      for (const bitmap of results.values()) if (typeof bitmap !== 'string') bitmap.close();
      for (const { bitmap } of previews.values()) bitmap?.close();
      results.clear();
      previews.clear();
    },
  };
}
