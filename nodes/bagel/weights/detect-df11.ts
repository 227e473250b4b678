// Finds the blocks of a DF11 checkpoint and the weights in each. Which modules a block joins stands in config.json; the shapes of its weights stand
// nowhere and follow from those of the tensors that are stored as they are.
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { readEntry } from '../../../engine/tensor/safetensors.ts';
import { UserError } from '../errors.ts';
import type { JsonSection } from '../model/config.ts';
import { gapBytes, type Df11Layout } from './df11.ts';
import type { EncodedTensor, Encoding } from './encoding.ts';
import { damagedWeight, incompleteWeight, noDf11Config } from './errors.ts';

const pieces = ['luts', 'encoded_exponent', 'sign_mantissa', 'output_positions', 'gaps'] as const;

type Pieces = Readonly<Record<(typeof pieces)[number], WeightRef>>;
type ShapeOf = (key: string) => readonly number[] | undefined;

/** All weights that are stored as DF11; takes their tensors. None where there is no such block. */
export async function readDf11Blocks(left: ReadonlyMap<string, WeightRef>, take: (key: string) => WeightRef | undefined, config: JsonSection | undefined): Promise<EncodedTensor[]> {
  const blocks = [...left.keys()].filter((key) => key.endsWith('.encoded_exponent')).map((key) => key.slice(0, -'.encoded_exponent'.length));
  if (blocks.length === 0) return [];
  const { layout, patterns } = readConfig(left.get(`${blocks[0]!}.encoded_exponent`)!.file, config);
  const shapeOf: ShapeOf = (key) => left.get(key)?.shape;
  const found: EncodedTensor[] = [];
  for (const name of blocks) {
    const file = left.get(`${name}.encoded_exponent`)!.file;
    const part = Object.fromEntries(pieces.map((piece) => [piece, takeOne(`${name}.${piece}`, name, file, take)])) as Pieces;
    checkPieces(name, part, layout);
    const keys = weightsOf(name, patterns, file);
    const sizes = await readSizes(name, keys, part, take(`${name}.split_positions`));
    let first = 0;
    keys.forEach((key, i) => {
      const encoding: Encoding = { kind: 'df11', name, luts: part.luts, codes: part.encoded_exponent, signs: part.sign_mantissa, positions: part.output_positions, gaps: part.gaps, layout, first };
      found.push({ key, shape: shapeFor(key, sizes[i]!, shapeOf, file), encoding });
      first += sizes[i]!;
    });
  }
  return found;
}

function takeOne(key: string, name: string, file: string, take: (key: string) => WeightRef | undefined): WeightRef {
  const ref = take(key);
  if (ref === undefined) throw incompleteWeight(file, name, key);
  return ref;
}

interface Pattern {
  readonly matches: RegExp;
  readonly attributes: readonly string[];
}

function readConfig(file: string, config: JsonSection | undefined): { layout: Df11Layout; patterns: readonly Pattern[] } {
  const section = config?.section('dfloat11_config');
  const named = section?.section('pattern_dict');
  if (section === undefined || named === undefined) throw noDf11Config(file);
  const threads = section.values['threads_per_block'];
  const blockThreads = Array.isArray(threads) ? threads[0] as unknown : threads;
  const chunkBytes = section.size('bytes_per_thread') ?? 8;
  if (typeof blockThreads !== 'number' || !Number.isInteger(blockThreads) || blockThreads < 1) throw new UserError(`${section.file}: threads_per_block is ${JSON.stringify(threads)}, expected a list with a whole number`);
  const patterns = Object.entries(named.values).map(([text, attributes]): Pattern => {
    if (!Array.isArray(attributes) || !attributes.every((one) => typeof one === 'string')) throw new UserError(`${named.file}: ${text} is ${JSON.stringify(attributes)}, expected a list of names`);
    try {
      return { matches: new RegExp(`^(?:${text})$`), attributes };
    } catch {
      throw new UserError(`${named.file}: ${JSON.stringify(text)} is no regular expression`);
    }
  });
  return { layout: { chunkBytes, blockBytes: chunkBytes * blockThreads }, patterns };
}

/** Keys of the weights in a block, in their order. */
function weightsOf(name: string, patterns: readonly Pattern[], file: string): string[] {
  const pattern = patterns.find(({ matches }) => matches.test(name));
  if (pattern === undefined) throw new UserError(`${file}: config.json says not which weights the DF11 block ${name} holds: no pattern of its pattern_dict fits. Download config.json of the same model`);
  return pattern.attributes.length === 0 ? [`${name}.weight`] : pattern.attributes.map((attribute) => `${name}.${attribute}.weight`);
}

function checkPieces(name: string, part: Pieces, layout: Df11Layout): void {
  const wrong = (what: string): UserError => damagedWeight(part.luts.file, name, what);
  for (const piece of pieces) if (part[piece].dtype !== 'uint8') throw wrong(`${piece} is ${part[piece].dtype}, expected uint8`);
  const [rows, columns] = part.luts.shape;
  if (part.luts.shape.length !== 2 || columns !== 256 || rows! < 2 || rows! > 17) throw wrong(`luts are [${part.luts.shape.join(', ')}], expected [2 to 17, 256]`);
  const blocks = Math.ceil(part.encoded_exponent.bytes / layout.blockBytes);
  if (part.output_positions.bytes !== (blocks + 1) * 4) throw wrong(`${part.output_positions.bytes} bytes of starts for ${blocks} blocks, expected ${(blocks + 1) * 4}`);
  if (part.gaps.bytes !== gapBytes(blocks, layout)) throw wrong(`${part.gaps.bytes} bytes of gaps for ${blocks} blocks, expected ${gapBytes(blocks, layout)}`);
}

/** Number of values of each weight of a block. */
async function readSizes(name: string, keys: readonly string[], part: Pieces, splits: WeightRef | undefined): Promise<number[]> {
  const total = part.sign_mantissa.bytes;
  const bounds = splits === undefined ? [] : Array.from((await readEntry(splits)).data, Number);
  const ends = [...bounds, total];
  const sizes = ends.map((end, i) => end - (ends[i - 1] ?? 0));
  if (ends.length !== keys.length || sizes.some((size) => size <= 0)) throw damagedWeight(part.luts.file, name, `its ${total} values are split at ${bounds.join(', ') || 'nothing'}, but config.json names ${keys.length} weights`);
  const last = (await readEntry({ ...part.output_positions, dtype: 'uint8', shape: [4], offset: part.output_positions.offset + part.output_positions.bytes - 4, bytes: 4 })).data as Uint8Array;
  const counted = new DataView(last.buffer, last.byteOffset).getUint32(0, true);
  if (counted !== total) throw damagedWeight(part.luts.file, name, `it has ${total} values by its signs and ${counted} by its starts`);
  return sizes;
}

const language = 'language_model.model.norm.weight';
const vision = 'vit_model.vision_model.post_layernorm.weight';

/** The shape of a weight of `size` values: one side follows from its bias, or is the width of the model it belongs to. */
function shapeFor(key: string, size: number, shapeOf: ShapeOf, file: string): readonly number[] {
  const outputs = shapeOf(key.replace(/weight$/, 'bias'))?.[0] ?? (/\.(o_proj|down_proj)(_moe_gen)?\.weight$/.test(key) ? shapeOf(language)?.[0] : undefined);
  if (outputs !== undefined && size % outputs === 0) return [outputs, size / outputs];
  const inputs = shapeOf(key.startsWith('vit_model.') ? vision : language)?.[0];
  if (outputs === undefined && inputs !== undefined && size % inputs === 0) return [size / inputs, inputs];
  throw new UserError(`${file}: the weight ${key} has ${size} values, which fill no rows of ${outputs ?? inputs ?? 'a width that is not known'}: the files belong to different models, or are not complete`);
}
