// The kernels of imports: those of the add-on beside those in TypeScript, in turns on the same values. On one thread, as imports call them, and on two.
import { whyNotNative } from '../../engine/device/native.ts';
import { nativeKernels, plainKernels, type Kernels } from '../../nodes/bagel/weights/kernels.ts';
import { df11Layout, encodeDf11 } from '../support/encode-weights.ts';
import { interleave } from './measure.ts';
import type { Row } from './table.ts';

/** A step of an import. */
const [outputs, inputs] = [512, 2048] as const;
const count = outputs * inputs;

export async function benchImport(): Promise<Row[]> {
  const [one, two] = [nativeKernels(1), nativeKernels(2)];
  if (one === undefined || two === undefined) {
    console.error(`import: native ${whyNotNative() ?? 'was built before it had these kernels: npm run build:native'}`);
    return [];
  }
  const rows: Row[] = [];
  for (const [name, call] of Object.entries(calls())) {
    const repeated = (kernels: Kernels) => async () => { for (let i = 0; i < 5; i++) call(kernels); };
    const ms = await interleave({ script: repeated(plainKernels), one: repeated(one), two: repeated(two) });
    const each = (total: number) => total / 5 * 1e6 / count;
    rows.push({ name: `import: ${name}`, value: ms.script / ms.one, unit: '×', goal: '> 5', note: `${each(ms.script).toFixed(2)} ns a value in TypeScript, ${each(ms.one).toFixed(2)} native; on two threads ${(ms.script / ms.two).toFixed(1)} ×` });
  }
  return rows;
}

function calls(): Record<string, (kernels: Kernels) => unknown> {
  const shape = [outputs, inputs] as const;
  const weight = Float32Array.from({ length: count }, () => (Math.random() + Math.random() + Math.random() - 1.5) * 0.05);
  const bytes = Uint8Array.from({ length: count }, () => Math.floor(Math.random() * 256));
  const largest = Float32Array.from({ length: count / 64 }, () => Math.random());
  const table = Float32Array.from({ length: 16 }, (_, i) => i / 8 - 1);
  const [brain, half] = [plainKernels.bfloat16FromFloat32(weight), plainKernels.float16FromFloat32(weight)];
  const made = encodeDf11('w', [brain]);
  const piece = (name: string) => made.get(`w.${name}`)!.data as Uint8Array;
  const positions = new Uint32Array(piece('output_positions').slice().buffer);
  const coded = { luts: piece('luts'), codes: piece('encoded_exponent'), signs: piece('sign_mantissa'), gaps: piece('gaps'), positions };
  return {
    'int4 blocks of 128': (one) => one.quantizeBlocks(weight, shape, { bits: 4, block: 128 }),
    'int8 blocks of 32': (one) => one.quantizeBlocks(weight, shape, { bits: 8, block: 32 }),
    'int8 per channel': (one) => one.quantizeChannels(weight, shape),
    'DF11': (one) => one.decodeDf11(coded, df11Layout, 0, positions.length - 1),
    'LLM.int8': (one) => one.dequantizeInt8(new Int8Array(bytes.buffer), largest.subarray(0, outputs), inputs),
    'NF4 and FP4': (one) => one.dequantizeTable(bytes, table, largest, 64, 0, count),
    'FP8': (one) => one.float32FromFloat8(bytes),
    'float32 to bfloat16': (one) => one.bfloat16FromFloat32(weight),
    'bfloat16 to float32': (one) => one.float32FromBfloat16(brain),
    'float32 to float16': (one) => one.float16FromFloat32(weight),
    'float16 to float32': (one) => one.float32FromFloat16(half),
  };
}
