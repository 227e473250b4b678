// The backends that the device tests run on: the add-on only where it is built.
import { describe } from 'vitest';
import type { BackendName } from '../../engine/device/backend.ts';
import { whyNotNative } from '../../engine/device/native.ts';

const why = whyNotNative();

export const backends: readonly { readonly title: string; readonly backend: BackendName }[] = [
  { title: 'onnxruntime-node', backend: 'onnxruntime-node' },
  ...(why === undefined ? [{ title: 'native', backend: 'native' as const }] : []),
];

if (why !== undefined) describe.skip(`native: ${why}`, () => undefined);

/** Describes what only the add-on does; skipped by name where it is not built. */
export const describeNative = why === undefined ? describe : describe.skip;
