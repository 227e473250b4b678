// Frames of the socket as the page reads them: what the server sends, and what it never should.
import { expect, test } from 'vitest';
import { previewFrame, previewFrameWithMetadata, textFrame } from '../../../engine/server/comfy/binary.ts';
import { readBinaryFrame, readTextFrame } from '../../../ui/api/frames.ts';

const bufferOf = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

test('a preview with its node', async () => {
  const frame = readBinaryFrame(bufferOf(previewFrameWithMetadata(JSON.stringify({ prompt_id: 'p', node_id: '2.0.1', display_node_id: '2', real_node_id: '2', image_type: 'image/jpeg' }), new Uint8Array([255, 216, 1]))));
  expect(frame).toMatchObject({ kind: 'preview', run: 'p', node: '2' });
  expect(new Uint8Array(await (frame as { picture: Blob }).picture.arrayBuffer())).toEqual(new Uint8Array([255, 216, 1]));
});

test.each([
  ['a preview without metadata', previewFrame('image/jpeg', new Uint8Array([1, 2, 3]))],
  ['a text', textFrame('2', 'words')],
  ['nothing', new Uint8Array(0)],
  ['a length beyond the end', new Uint8Array([0, 0, 0, 4, 255, 255, 255, 255, 1])],
  ['metadata that is no JSON', previewFrameWithMetadata('{"prompt_id":', new Uint8Array(4))],
  ['metadata without a run', previewFrameWithMetadata('{"node_id":"2"}', new Uint8Array(4))],
])('%s is left out', (_, bytes) => expect(readBinaryFrame(bufferOf(bytes))).toBeUndefined());

test('seeds keep all their digits', () => {
  const text = '{"type":"bagelgraph","data":{"run":"p","seq":0,"at":1.5,"kind":"started","nodes":1,"targets":["2"],"seeds":[{"node":"2","input":"seed","seed":18446744073709551615}]}}';
  expect(readTextFrame(text)).toMatchObject({ kind: 'event', event: { kind: 'started', seeds: [{ seed: 18_446_744_073_709_551_615n }] } });
});

test('the queue and the log', () => {
  expect(readTextFrame('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":3}},"sid":"a"}}')).toEqual({ kind: 'queue', remaining: 3 });
  expect(readTextFrame('{"type":"logs","data":{"entries":[{"t":"2026-01-01T00:00:00","m":"hello\\n"}],"size":null}}')).toEqual({ kind: 'logs', entries: [{ t: '2026-01-01T00:00:00', m: 'hello\n' }] });
});

test.each(['', 'null', '[]', '{"type":"status"}', '{"type":"status","data":{"status":7}}', '{"type":"bagelgraph","data":{"run":"p"}}', '{"type":"of a newer server","data":{}}'])('%s is left out', (text) => expect(readTextFrame(text)).toBeUndefined());
