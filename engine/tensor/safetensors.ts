// Reads and writes safetensors files: the header first, each tensor by its offset when it is asked for, so that a 29 GB file opens at once.
// Knows the file format only. Source: the safetensors format description (8 bytes of header length, JSON, then the bytes).
import { createHash } from 'node:crypto';
import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { arrayFor, type DType } from './dtype.ts';
import { FileFormatError, count } from './errors.ts';
import { bytesOf, bytesView, tensor, type Shape, type Tensor } from './tensor.ts';

/** Where a tensor's bytes are. */
export interface SafetensorsEntry {
  readonly key: string;
  /** Absolute path without symbolic links. */
  readonly file: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsFile {
  /** Absolute path without symbolic links. */
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** Identifies the content without reading it: a hash of the header, the size and the time of the last change. */
  readonly contentKey: string;
  /** Reads one tensor. Throws a FileFormatError when there is no such key or the file is shorter by now. */
  read(key: string): Promise<Tensor>;
}

/** What a file will hold, before its bytes are known. */
export interface Planned {
  readonly key: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

const maxHeaderBytes = 100e6;
/** One read call takes at most 2 GiB. */
const maxReadBytes = 2 ** 30;

const names: Readonly<Record<DType, string>> = {
  float64: 'F64', float32: 'F32', float16: 'F16', bfloat16: 'BF16', float8e4m3fn: 'F8_E4M3',
  int64: 'I64', int32: 'I32', int16: 'I16', int8: 'I8',
  uint64: 'U64', uint32: 'U32', uint16: 'U16', uint8: 'U8', bool: 'BOOL', uint4: 'U4',
};
const dtypes = new Map(Object.entries(names).map(([dtype, name]) => [name, dtype as DType]));

/** Reads the header of a safetensors file. Throws a FileFormatError naming file and key when the file is damaged or cut off. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await realpath(path);
  const handle = await open(file, 'r');
  try {
    const { size, mtimeMs } = await handle.stat();
    const header = await readHeader(file, handle, size);
    const { metadata, entries } = parseHeader(file, header, size);
    const contentKey = createHash('sha256').update(header).update(` ${size} ${mtimeMs}`).digest('hex');
    return { path: file, metadata, entries, contentKey, read: (key) => readTensor(file, entries, key) };
  } finally {
    await handle.close();
  }
}

async function readHeader(file: string, handle: FileHandle, size: number): Promise<Uint8Array> {
  const start = await readBytes(file, handle, 0, Math.min(size, 64));
  const text = Buffer.from(start.buffer, 0, start.length).toString('latin1');
  if (text.startsWith('version https://git-lfs')) {
    throw new FileFormatError(file, 'is a git-LFS pointer, not the weights themselves: run "git lfs pull", or download the file again');
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) throw new FileFormatError(file, 'is a web page, not a safetensors file: download it again');
  if (size < 10) throw new FileFormatError(file, `is ${size === 0 ? 'empty' : `only ${count(size, 'byte')} long`}, too short for a safetensors file: download it again`);
  const headerBytes = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes) throw new FileFormatError(file, `is no safetensors file: its header would be ${headerBytes} bytes, the limit is ${maxHeaderBytes}`);
  if (8 + headerBytes > size) {
    throw new FileFormatError(file, `ends inside its header: the header needs ${8 + headerBytes} bytes, the file has ${size}. Download it again`);
  }
  return readBytes(file, handle, 8, headerBytes);
}

function parseHeader(file: string, header: Uint8Array, size: number): Pick<SafetensorsFile, 'metadata' | 'entries'> {
  const json = parseJson(file, header);
  const start = 8 + header.length;
  const metadata = new Map<string, string>();
  const entries = new Map<string, SafetensorsEntry>();
  for (const [key, value] of Object.entries(json)) {
    if (key === '__metadata__') {
      if (!isObject(value)) throw new FileFormatError(file, 'its __metadata__ is no object of texts');
      for (const [name, text] of Object.entries(value)) metadata.set(name, String(text));
    } else {
      entries.set(key, parseEntry(file, key, value, start));
    }
  }
  checkPlaces(file, entries, size);
  return { metadata, entries };
}

function parseJson(file: string, header: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (error) {
    throw new FileFormatError(file, `its header is no JSON (${(error as Error).message}): it is no safetensors file, or damaged`);
  }
  if (!isObject(value)) throw new FileFormatError(file, 'its header is no JSON object');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseEntry(file: string, key: string, value: unknown, start: number): SafetensorsEntry {
  if (!isObject(value)) throw new FileFormatError(file, `tensor ${key} has no description`);
  const { dtype: name, shape, data_offsets: offsets } = value;
  const dtype = dtypes.get(String(name));
  if (dtype === undefined) throw new FileFormatError(file, `tensor ${key} has the type ${JSON.stringify(name)}; known are ${[...dtypes.keys()].join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw new FileFormatError(file, `tensor ${key} has the shape ${JSON.stringify(shape)}, not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw new FileFormatError(file, `tensor ${key} has the offsets ${JSON.stringify(offsets)}, not [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = bytesOf({ dtype, shape });
  if (end - begin !== bytes) {
    throw new FileFormatError(file, `tensor ${key} [${shape.join(', ')}] of ${String(name)} needs ${bytes} bytes, but its offsets [${begin}, ${end}] give ${end - begin}`);
  }
  return { key, file, dtype, shape: Object.freeze(shape), offset: start + begin, bytes };
}

/** No two tensors may share bytes, and all must lie inside the file. */
function checkPlaces(file: string, entries: ReadonlyMap<string, SafetensorsEntry>, size: number): void {
  const placed = [...entries.values()].filter((entry) => entry.bytes > 0).sort((a, b) => a.offset - b.offset);
  placed.forEach((entry, i) => {
    const before = placed[i - 1];
    if (before !== undefined && before.offset + before.bytes > entry.offset) throw new FileFormatError(file, `tensors ${before.key} and ${entry.key} overlap`);
  });
  const cut = placed.filter((entry) => entry.offset + entry.bytes > size);
  const last = placed.at(-1);
  if (cut[0] === undefined || last === undefined) return;
  throw new FileFormatError(
    file,
    `is cut off: it should have ${last.offset + last.bytes} bytes and has ${size}. ${count(cut.length, 'tensor')} of ${entries.size} ${cut.length === 1 ? 'lies' : 'lie'} beyond the end, `
    + `the first is ${cut[0].key} (${cut[0].bytes} bytes at ${cut[0].offset}). Download it again`,
  );
}

async function readTensor(file: string, entries: ReadonlyMap<string, SafetensorsEntry>, key: string): Promise<Tensor> {
  const entry = entries.get(key);
  if (entry === undefined) throw new FileFormatError(file, `holds no tensor ${key}; it has ${entries.size}: ${[...entries.keys()].slice(0, 5).join(', ')}…`);
  return readEntry(entry);
}

/** Reads the bytes an entry points at. Throws a FileFormatError when the file is shorter by now. */
export async function readEntry(entry: SafetensorsEntry): Promise<Tensor> {
  const handle = await open(entry.file, 'r');
  try {
    const bytes = await readBytes(entry.file, handle, entry.offset, entry.bytes, entry.key);
    return tensor(entry.dtype, entry.shape, new (arrayFor(entry.dtype))(bytes.buffer));
  } finally {
    await handle.close();
  }
}

/** Exactly `length` bytes from `position`, in a buffer of their own. */
async function readBytes(file: string, handle: FileHandle, position: number, length: number, key = 'the header'): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, maxReadBytes), position + done);
    if (bytesRead === 0) throw new FileFormatError(file, `ended while reading ${key}: ${length} bytes expected at ${position}, got ${done}. Download it again`);
    done += bytesRead;
  }
  return bytes;
}

/** Writes a safetensors file in the order given. It appears under its name only when it is complete. */
export async function writeSafetensors(path: string, tensors: ReadonlyMap<string, Tensor>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  const planned = [...tensors].map(([key, { dtype, shape }]) => ({ key, dtype, shape }));
  await writeSafetensorsFrom(path, planned, ({ key }) => [bytesView(tensors.get(key)!)], metadata);
}

/**
 * Writes a safetensors file piece by piece, so that it may be larger than memory: `bytesFor` gives the bytes of one tensor in any number of pieces.
 * Throws a RangeError when they do not add up to the planned size.
 */
export async function writeSafetensorsFrom(
  path: string, planned: readonly Planned[], bytesFor: (one: Planned) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>, metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const partial = `${path}.${process.pid}.part`;
  try {
    const handle = await open(partial, 'w');
    try {
      await handle.writeFile(headerFor(planned, metadata));
      for (const one of planned) {
        let written = 0;
        for await (const piece of bytesFor(one)) {
          await handle.writeFile(piece); // continues where the last one ended
          written += piece.length;
        }
        if (written !== bytesOf(one)) throw new RangeError(`${path}: tensor ${one.key} [${one.shape.join(', ')}] of ${one.dtype} takes ${bytesOf(one)} bytes, ${written} were given`);
      }
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Header length and JSON, filled up with spaces so that the data start at a multiple of 8. */
function headerFor(planned: readonly Planned[], metadata: Readonly<Record<string, string>> | undefined): Uint8Array {
  let end = 0;
  const header: [string, unknown][] = metadata === undefined ? [] : [['__metadata__', metadata]];
  for (const one of planned) {
    const begin = end;
    end += bytesOf(one);
    header.push([one.key, { dtype: names[one.dtype], shape: one.shape, data_offsets: [begin, end] }]);
  }
  const text = Buffer.from(`{${header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`);
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = Buffer.alloc(8 + padded, 0x20);
  bytes.writeBigUInt64LE(BigInt(padded));
  text.copy(bytes, 8);
  return bytes;
}
