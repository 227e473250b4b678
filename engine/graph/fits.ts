// Which output types may be linked to which input types. Knows names only.
import type { Type } from './node.ts';

type Named = Pick<Type<unknown>, 'name' | 'any' | 'oneOf'>;

/** True when a value of type `from` may go where `to` is wanted: equal names, a wildcard on either side, or unions (`IMAGE,FLOAT`) with a common member. */
export function fits(from: Named, to: Named): boolean {
  if (from.name === to.name || isAny(from) || isAny(to)) return true;
  const wanted = membersOf(to);
  return membersOf(from).some((name) => wanted.includes(name));
}

/** The names a type stands for. */
export function membersOf(type: Named): readonly string[] {
  if (type.oneOf !== undefined) return type.oneOf;
  return type.name.includes(',') ? type.name.split(',').map((name) => name.trim()) : [type.name];
}

export function isAny(type: Named): boolean {
  return type.any === true || type.name === '*' || (type.name.includes(',') && membersOf(type).includes('*'));
}
