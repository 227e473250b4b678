// Plans an import: which files it writes, how each weight is stored, and the jobs that do it. Pure but for what the source's headers said.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { sizeOf } from '../../../engine/tensor/tensor.ts';
import { autoencoderShapes, checkpointShapes } from '../model/checkpoint.ts';
import type { ConvertJob } from './convert.ts';
import type { EncodedTensor } from './encoding.ts';
import type { ModelSource } from './folder.ts';
import { autoencoderName, manifestVersion, weightsName } from './imported.ts';
import { layOut, piecesOf, storageFor, type FileLayout, type Precision, type Storage } from './layout.ts';

export interface PlannedWeight {
  readonly source: EncodedTensor;
  readonly storage: Storage;
}

export interface PlannedFile {
  readonly name: string;
  readonly layout: FileLayout;
  readonly weights: readonly PlannedWeight[];
}

export interface ImportPlan {
  readonly files: readonly PlannedFile[];
  /** Bytes of all files. */
  readonly bytes: number;
  /** Differs where the source, the format or the layout does: what one run began, only a run of the same key may go on with. */
  readonly key: string;
}

export function planImport(source: ModelSource, precision: Precision): ImportPlan {
  const { config } = source;
  const pick = ({ tensors }: ModelSource['llm'], shapes: ReadonlyMap<string, unknown>) => [...shapes.keys()].flatMap((key) => tensors.get(key) ?? []);
  const llm = pick(source.llm, checkpointShapes(config)).map((one) => ({ source: one, storage: storageFor(one, precision, config.llm.layers) }));
  const vae = source.vae.tensors.size === 0 ? [] : pick(source.vae, autoencoderShapes(config.vae)).map((one): PlannedWeight => ({ source: one, storage: asStored(one) }));
  const files = [fileOf(weightsName, llm), ...(vae.length === 0 ? [] : [fileOf(autoencoderName, vae)])];
  const hash = createHash('sha256').update(`${manifestVersion} ${source.contentKey} ${JSON.stringify(precision)}`);
  for (const { layout } of files) hash.update(layout.header);
  return { files, bytes: files.reduce((sum, { layout }) => sum + layout.bytes, 0), key: hash.digest('hex') };
}

function asStored({ encoding }: EncodedTensor): Storage {
  return { kind: 'plain', dtype: encoding.kind === 'plain' ? encoding.values.dtype : 'float32' };
}

function fileOf(name: string, weights: readonly PlannedWeight[]): PlannedFile {
  const pieces = weights.flatMap(({ source: { key, shape }, storage }) => piecesOf(key, shape, storage));
  return { name, weights, layout: layOut(pieces, { format: 'bagelgraph', version: String(manifestVersion) }) };
}

/** Values in a job at most. Large enough that the largest weights of a layer are one job, whose transposed codes are then written in one piece. */
const jobValues = 80 * 2 ** 20;

/** The jobs that write a file into `folder`, the longest first. */
export function jobsFor(file: PlannedFile, folder: string): ConvertJob[] {
  const jobs = file.weights.flatMap(({ source, storage }) => {
    const pieces = piecesOf(source.key, source.shape, storage).map(({ key }) => file.layout.pieces.get(key)!);
    const rows = source.shape[0] ?? 1;
    const count = Math.min(rows, Math.ceil(sizeOf(source.shape) / jobValues));
    return Array.from({ length: count }, (_, i): ConvertJob => ({
      kind: 'convert', source, storage, pieces, file: path.join(folder, file.name),
      first: Math.floor((rows * i) / count), end: Math.floor((rows * (i + 1)) / count),
    }));
  });
  return jobs.sort((a, b) => valuesOf(b) - valuesOf(a));
}

/** Identifies a job within its plan. */
export function nameOfJob({ source, first, file }: ConvertJob): string {
  return `${path.basename(file)} ${source.key} ${first}`;
}

/** Number of values a job converts. */
export function valuesOf({ source, first, end }: ConvertJob): number {
  return (end - first) * sizeOf(source.shape.slice(1));
}
