// A synthetic model in the imported format, written piece by piece and never held in memory: the layout is the importer's own, the values are noise
// of a size that keeps activations finite.
import { copyFile, mkdir, open, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { bfloat16FromFloat32 } from '../../engine/tensor/half.ts';
import { bytesOf, bytesView, float32, sizeOf, tensor } from '../../engine/tensor/tensor.ts';
import { autoencoderShapes, checkpointShapes, type Shapes } from '../../nodes/bagel/model/checkpoint.ts';
import type { BagelConfig } from '../../nodes/bagel/model/config.ts';
import type { EncodedTensor } from '../../nodes/bagel/weights/encoding.ts';
import type { ModelSource } from '../../nodes/bagel/weights/folder.ts';
import { planImport, type PlannedFile } from '../../nodes/bagel/weights/import-plan.ts';
import { isImported, manifestName, manifestVersion, openImported, readManifest, type Manifest } from '../../nodes/bagel/weights/imported.ts';
import { piecesOf, type Placed, type Precision } from '../../nodes/bagel/weights/layout.ts';

/** Where the tokenizer comes from: its words are ids of any larger vocabulary too. */
const tokenizerFolder = 'models/bagel-demo';
const tokenizerFiles = ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json'];
const chunkBytes = 8 * 2 ** 20;
/** Whole values, and the same place only after a million pieces. */
const strideBytes = 8 * 3571;

/** Writes the model into `folder` unless it is there already. Gives the bytes that were written. */
export async function writeSyntheticImport(folder: string, config: BagelConfig, format: string, precision: Precision, progress: (done: number, total: number) => void): Promise<number> {
  const plan = planImport(sourceOf(folder, config), precision);
  if (await isThere(folder, plan.key)) return 0;
  await mkdir(folder, { recursive: true });
  const noise = new Noise();
  let done = 0;
  for (const file of plan.files) await writeFileOf(path.join(folder, file.name), file, noise, (bytes) => progress((done += bytes), plan.bytes));
  for (const name of tokenizerFiles) await copyFile(path.join(tokenizerFolder, name), path.join(folder, name));
  const files = plan.files.map(({ name, layout }) => ({ name, bytes: layout.bytes, sha256: '' }));
  const manifest: Manifest = { bagelgraph: manifestVersion, name: plan.key, format, precision, config, source: { name: 'synthetic', formats: ['noise'], files: [] }, files, errors: [] };
  await writeFile(path.join(folder, manifestName), JSON.stringify(manifest));
  return plan.bytes;
}

async function isThere(folder: string, key: string): Promise<boolean> {
  if (!(await isImported(folder)) || (await readManifest(folder)).name !== key) return false;
  return openImported(folder).then(() => true, () => false);
}

/** A source of which only names and shapes exist: the plan of an import needs no more. */
function sourceOf(folder: string, config: BagelConfig): ModelSource {
  const tensors = (shapes: Shapes, dtype: 'bfloat16' | 'float32') => new Map([...shapes].map(([key, shape]): [string, EncodedTensor] => (
    [key, { key, shape, encoding: { kind: 'plain', values: { key, file: '', offset: 0, dtype, shape, bytes: bytesOf({ dtype, shape }) } } }])));
  return {
    path: folder, name: 'synthetic', config, contentKey: 'synthetic 2', tokenizerFiles: {}, warnings: [], files: [],
    llm: { tensors: tensors(checkpointShapes(config), 'bfloat16'), formats: ['bfloat16'] }, vae: { tensors: tensors(autoencoderShapes(config.vae), 'float32'), formats: ['float32'] },
  };
}

async function writeFileOf(file: string, { layout, weights }: PlannedFile, noise: Noise, progress: (bytes: number) => void): Promise<void> {
  const handle = await open(file, 'w');
  let pieces = 0;
  try {
    await handle.truncate(layout.bytes);
    await handle.write(layout.header, 0, layout.header.length, 0);
    for (const { source, storage } of weights) {
      const fanIn = sizeOf(source.shape.slice(1));
      for (const { key } of piecesOf(source.key, source.shape, storage)) {
        const bits = storage.kind === 'blocks' ? storage.bits : 8;
        await writePiece(handle, layout.pieces.get(key)!, noise.of(key, source.shape, fanIn, bits), (pieces += 1));
        progress(layout.pieces.get(key)!.bytes);
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Each piece starts elsewhere in the chunk: ONNX Runtime holds equal matrices of a session once, and no real model has any. */
async function writePiece(handle: FileHandle, { offset, bytes }: Placed, values: Uint8Array, index: number): Promise<void> {
  let from = (index * strideBytes) % values.length;
  for (let at = 0; at < bytes;) {
    const length = Math.min(values.length - from, bytes - at);
    await handle.write(values, from, length, offset + at);
    at += length;
    from = 0;
  }
}

/** Chunks of values; the largest pieces repeat one. */
class Noise {
  readonly #uniform = new Float32Array(chunkBytes / 4);
  readonly #codes = new Uint8Array(chunkBytes);
  readonly #chunks = new Map<string, Uint8Array>();

  constructor() {
    let state = 2463534242;
    for (let i = 0; i < this.#uniform.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.#uniform[i] = (state >>> 0) / 2 ** 31 - 1;
      this.#codes.set([state & 255, (state >>> 8) & 255, (state >>> 16) & 255, state >>> 24], 4 * i);
    }
  }

  /** Codes are uniform; scales make weights of a spread of one over the root of the inputs. Norms are about 1, biases small. */
  of(piece: string, shape: readonly number[], fanIn: number, bits: number): Uint8Array {
    if (/\.(blocks|codes)$/.test(piece)) return this.#codes;
    if (piece.endsWith('.scales')) return this.#chunk('float32', Math.sqrt(12 / fanIn) / 2 ** bits, 0);
    const dtype = /^(encoder|decoder)\./.test(piece) ? 'float32' : 'bfloat16';
    if (shape.length > 1) return this.#chunk(dtype, 0, Math.sqrt(3 / fanIn));
    return piece.endsWith('.bias') ? this.#chunk(dtype, 0, 0.02) : this.#chunk(dtype, 1, 0.1);
  }

  #chunk(dtype: 'float32' | 'bfloat16', centre: number, spread: number): Uint8Array {
    const name = `${dtype} ${centre} ${spread}`;
    const known = this.#chunks.get(name);
    if (known !== undefined) return known;
    const values = this.#uniform.map((value) => centre + value * spread);
    const made = bytesView(dtype === 'float32' ? float32([values.length], values) : tensor('bfloat16', [values.length], bfloat16FromFloat32(values)));
    this.#chunks.set(name, made);
    return made;
  }
}
