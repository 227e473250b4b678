// The error table of an import: how far each group of weights is from the source.
import { bytesOf, sizeOf } from '../../../engine/tensor/tensor.ts';
import { addDeviations, noDeviation, type Converted, type ConvertJob, type Deviation } from './convert.ts';
import type { ImportPlan } from './import-plan.ts';
import type { GroupError } from './imported.ts';
import { isGeneration, piecesOf, type Storage } from './layout.ts';

/** Root of Σ(stored − source)² / Σ source². */
export function relativeError({ squares, differences }: Deviation): number {
  return differences === 0 ? 0 : Math.sqrt(differences / squares);
}

/** All deviations of a weight, by key. */
export function deviationsByKey(results: ReadonlyMap<ConvertJob, Converted>): Map<string, Deviation> {
  const byKey = new Map<string, Deviation>();
  for (const [{ source }, { deviation }] of results) byKey.set(source.key, addDeviations(byKey.get(source.key) ?? noDeviation, deviation));
  return byKey;
}

function groupOf(file: string, key: string): string {
  if (file === 'ae.safetensors') return 'autoencoder';
  if (/^language_model\.model\.layers\..*(_proj)(_moe_gen)?\.weight$/.test(key)) {
    return `${isGeneration(key) ? 'generation' : 'understanding'}, ${key.includes('.mlp') ? 'MLP' : 'attention'}`;
  }
  if (key === 'language_model.lm_head.weight') return 'head';
  if (key === 'language_model.model.embed_tokens.weight') return 'embeddings';
  return key.startsWith('vit_model.') ? 'vision tower' : 'the rest';
}

export function storageText(storage: Storage): string {
  switch (storage.kind) {
    case 'plain': return storage.dtype;
    case 'blocks': return `${storage.bits} bits, blocks of ${storage.block}`;
    case 'channels': return '8 bits, a scale an output';
  }
}

/** A line for each group of weights and way of storing them, groups in the order of the file. */
export function groupErrors(plan: ImportPlan, results: ReadonlyMap<ConvertJob, Converted>): GroupError[] {
  const deviations = deviationsByKey(results);
  const groups = new Map<string, { group: string; stored: string; weights: number; bytes: number; sum: Deviation; worst: { key: string; relative: number } }>();
  for (const file of plan.files) for (const { source: { key, shape }, storage } of file.weights) {
    const [group, stored] = [groupOf(file.name, key), storageText(storage)];
    const deviation = deviations.get(key) ?? noDeviation;
    const relative = relativeError(deviation);
    const one = groups.get(`${group} ${stored}`) ?? { group, stored, weights: 0, bytes: 0, sum: noDeviation, worst: { key, relative: -1 } };
    one.weights += sizeOf(shape);
    one.bytes += piecesOf(key, shape, storage).reduce((sum, piece) => sum + bytesOf(piece), 0);
    one.sum = addDeviations(one.sum, deviation);
    if (relative > one.worst.relative) one.worst = { key, relative };
    groups.set(`${group} ${stored}`, one);
  }
  const order = [...new Set([...groups.values()].map(({ group }) => group))];
  const sorted = [...groups.values()].sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group));
  return sorted.map(({ sum, ...rest }) => ({ ...rest, relative: relativeError(sum), largest: sum.largest }));
}
