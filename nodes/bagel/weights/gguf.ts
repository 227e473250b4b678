// Recognises GGUF files, which are not read, and says what they hold. Source: the GGUF specification of ggml (version 3).
import { open } from 'node:fs/promises';
import { UserError } from '../errors.ts';

/** What the head of a GGUF file says. */
export interface GgufHead {
  readonly version: number;
  readonly tensors: bigint;
  /** The first values of its description: texts and numbers by key. */
  readonly values: ReadonlyMap<string, string | number | bigint | boolean>;
}

const headBytes = 256 * 1024;

/** Undefined where the file is no GGUF, or cannot be read. */
export async function readGguf(file: string): Promise<GgufHead | undefined> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const head = buffer.subarray(0, bytesRead);
    return head.subarray(0, 4).toString('latin1') === 'GGUF' && head.length >= 24 ? parseHead(head) : undefined;
  } finally {
    await handle.close();
  }
}

/** Throws a UserError that names what a GGUF file holds; does nothing for other files. */
export async function refuseGguf(file: string): Promise<void> {
  const head = await readGguf(file);
  if (head !== undefined) throw new UserError(`${file} is a GGUF file (${describe(head)}), which is not supported: take the safetensors files of the model (bf16, DF11, INT8, NF4 or FP8)`);
}

function describe({ version, tensors, values }: GgufHead): string {
  const named = [['general.architecture', 'architecture'], ['general.name', 'name'], ['general.file_type', 'file type']] as const;
  const found = named.flatMap(([key, word]) => (values.has(key) ? [`${word} ${JSON.stringify(String(values.get(key)))}`] : []));
  return [`version ${version}`, `${tensors} tensors`, ...found].join(', ');
}

const stringType = 8;
const arrayType = 9;
/** Bytes and reading of a value, by its type. */
const scalars: Readonly<Record<number, readonly [number, (at: DataView, offset: number) => number | bigint | boolean]>> = {
  0: [1, (v, o) => v.getUint8(o)], 1: [1, (v, o) => v.getInt8(o)], 2: [2, (v, o) => v.getUint16(o, true)], 3: [2, (v, o) => v.getInt16(o, true)],
  4: [4, (v, o) => v.getUint32(o, true)], 5: [4, (v, o) => v.getInt32(o, true)], 6: [4, (v, o) => v.getFloat32(o, true)], 7: [1, (v, o) => v.getUint8(o) !== 0],
  10: [8, (v, o) => v.getBigUint64(o, true)], 11: [8, (v, o) => v.getBigInt64(o, true)], 12: [8, (v, o) => v.getFloat64(o, true)],
};

function parseHead(head: Buffer): GgufHead {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const values = new Map<string, string | number | bigint | boolean>();
  let at = 24;
  const take = (bytes: number): number => {
    if (at + bytes > head.length) throw new RangeError('the description goes on');
    at += bytes;
    return at - bytes;
  };
  const text = (): string => {
    const length = Number(view.getBigUint64(take(8), true));
    const start = take(length);
    return head.toString('utf8', start, start + length);
  };
  try {
    for (let left = view.getBigUint64(16, true); left > 0n; left--) {
      const key = text();
      const type = view.getUint32(take(4), true);
      if (type === arrayType) break; // long lists of tokens come after what is of interest
      const scalar = scalars[type];
      if (type !== stringType && scalar === undefined) break;
      values.set(key, scalar === undefined ? text() : scalar[1](view, take(scalar[0])));
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // cut off: what was read so far will do
  }
  return { version: view.getUint32(4, true), tensors: view.getBigUint64(8, true), values };
}
