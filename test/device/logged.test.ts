import { expect, test } from 'vitest';
import { logged } from '../../engine/device/logged.ts';
import { memoryDevice } from '../../engine/device/memory.ts';
import { float32 } from '../../engine/tensor/tensor.ts';

const double = { double: ({ x }: Record<string, { shape: readonly number[]; data: ArrayLike<unknown> }>) => ({ y: float32(x!.shape, Array.from(x!.data, (value) => Number(value) * 2)) }) };

async function runOnce(level: number): Promise<{ lines: string[]; result: unknown }> {
  const lines: string[] = [];
  const device = logged(memoryDevice(double as never), level, (line) => lines.push(line.replace(/[\d.]+ ms/, '… ms')));
  const session = await device.load({ name: 'double', bytes: new Uint8Array(3) });
  const result = await device.run(session, { x: float32([3], [1, NaN, -2]) }, { y: 'tensor' });
  await device.close();
  return { lines, result };
}

test('level 2 tells of calls and changes nothing', async () => {
  const { lines, result } = await runOnce(2);
  expect(lines).toEqual(['memory:0 load double (3 bytes)  … ms', 'memory:0 run double  … ms']);
  expect(result).toEqual({ y: float32([3], [2, NaN, -4]) });
});

test('level 3 tells what came out', async () => {
  expect((await runOnce(3)).lines.at(-1)).toBe('  y float32 [3] min -4.000 mean -1.000 max 2.000, 1 not finite');
});
