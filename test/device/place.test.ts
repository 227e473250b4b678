import { describe, expect, it } from 'vitest';
import { parseDeviceNames, threadsPerDevice } from '../../engine/device/place.ts';

describe('device names', () => {
  it('are read from a list', () => {
    expect(parseDeviceNames('cpu, cpu:01').map(({ name }) => name)).toEqual(['cpu:0', 'cpu:1']);
  });

  it.each([
    ['cpu:0,', '"" is no device name'],
    ['cpu:x', '"cpu:x" is no device name'],
    ['tpu:0', 'there is no provider "tpu"'],
    ['cpu,cpu:0', 'cpu:0 is given twice'],
  ])('%s is refused', (text, message) => {
    expect(() => parseDeviceNames(text)).toThrow(message);
  });

  it('share the cores', () => {
    expect([threadsPerDevice(1, 8), threadsPerDevice(3, 8), threadsPerDevice(4, 2)]).toEqual([8, 2, 1]);
  });
});
