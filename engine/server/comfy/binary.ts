// Binary frames of the WebSocket: pictures and texts while a prompt runs (comfy-contract §2).
import { binaryFrames } from './protocol.ts';

const formats = { 'image/jpeg': 1, 'image/png': 2 } as const;
export type PreviewType = keyof typeof formats;

/** `[1][1 = JPEG, 2 = PNG][bytes]`, for clients that know no metadata. */
export function previewFrame(type: PreviewType, bytes: Uint8Array): Buffer {
  return Buffer.concat([words(binaryFrames.preview, formats[type]), bytes]);
}

/** `[4][length][JSON][bytes]`. */
export function previewFrameWithMetadata(json: string, bytes: Uint8Array): Buffer {
  const metadata = Buffer.from(json);
  return Buffer.concat([words(binaryFrames.previewWithMetadata, metadata.length), metadata, bytes]);
}

/** `[3][length][node][text]`: the text of a node so far. */
export function textFrame(node: string, text: string): Buffer {
  const id = Buffer.from(node);
  return Buffer.concat([words(binaryFrames.text, id.length), id, Buffer.from(text)]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  return bytes;
}
