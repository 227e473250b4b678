// Which nodes may run at the same time, told from the lanes they take.
import { describe, expect, test } from 'vitest';
import { ReadyList, SharedLanes, type Candidate } from '../../engine/exec/ready.ts';

let place = 0;
const node = (...lanes: string[]): Candidate => ({ place: place++, rank: 0, lanes });

function waiting(...nodes: Candidate[]): ReadyList<Candidate> {
  const ready = new ReadyList<Candidate>();
  for (const one of nodes) ready.add(one);
  return ready;
}

describe('lanes', () => {
  test('one node at a time on a device, in order', () => {
    const [first, second] = [node('cpu:0'), node('cpu:0')];
    const ready = waiting(first, second);
    expect([ready.take(), ready.take()]).toEqual([first, undefined]);
    ready.leave(first);
    expect(ready.take()).toBe(second);
  });

  test('as many nodes as lanes share the same lanes, and nothing else is let in', () => {
    const spread = [node('cpu:0', 'cpu:1'), node('cpu:0', 'cpu:1'), node('cpu:0', 'cpu:1')];
    const alone = node('cpu:1');
    const ready = waiting(...spread, alone);
    expect([ready.take(), ready.take(), ready.take()]).toEqual([spread[0], spread[1], undefined]);
    ready.leave(spread[0]!);
    expect(ready.take()).toBe(spread[2]);
    ready.leave(spread[1]!);
    expect(ready.take()).toBeUndefined();
    ready.leave(spread[2]!);
    expect(ready.take()).toBe(alone);
  });

  test('a node on one of the lanes keeps those out that need it too', () => {
    const [alone, spread, other] = [node('cpu:0'), node('cpu:0', 'cpu:1'), node('cpu:1')];
    const ready = waiting(alone, spread, other);
    expect([ready.take(), ready.take(), ready.take()]).toEqual([alone, other, undefined]);
    ready.leave(alone);
    ready.leave(other);
    expect(ready.take()).toBe(spread);
  });

  test('each run has a host lane of its own, the others are shared', () => {
    const shared = new SharedLanes();
    const [one, other] = [new ReadyList<Candidate>(shared), new ReadyList<Candidate>(shared)];
    for (const ready of [one, other]) {
      ready.add(node('host'));
      ready.add(node('cpu:0'));
    }
    expect([one.take()?.lanes, one.take()?.lanes, other.take()?.lanes, other.take()]).toEqual([['host'], ['cpu:0'], ['host'], undefined]);
  });
});
