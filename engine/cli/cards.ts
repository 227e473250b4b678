// Graphics cards for plans of machines that are not here: memory, memory bandwidth and dense bfloat16 products, from their makers' data sheets.
import { usableShare } from '../device/card.ts';
import { UsageError } from './arguments.ts';

export interface Card {
  readonly name: string;
  readonly bytes: number;
  /** Bytes a second of its memory. */
  readonly bandwidth: number;
  /** Operations a second, bfloat16 with float32 sums, without sparsity. */
  readonly flops: number;
}

const card = (name: string, gigabytes: number, gigabytesPerSecond: number, teraflops: number): Card => ({ name, bytes: gigabytes * 2 ** 30, bandwidth: gigabytesPerSecond * 1e9, flops: teraflops * 1e12 });

export const cards: readonly Card[] = [
  card('RTX 3090', 24, 936, 71), card('RTX 4080', 16, 717, 97.5), card('RTX 4090', 24, 1008, 165.2), card('RTX 5090', 32, 1792, 209.5),
  card('L4', 24, 300, 121), card('A40', 48, 696, 149.7), card('L40S', 48, 864, 362), card('A100 40GB', 40, 1555, 312), card('A100 80GB', 80, 2039, 312),
  card('H100 SXM', 80, 3350, 989), card('H200', 141, 4800, 989),
];

/** Shares of the data sheet's figures that a plan counts on, and bytes a second between cards (PCIe 4.0, 16 lanes). What a card really reaches is not known here. */
export const reached = { flops: 0.45, bandwidth: 0.7, memory: usableShare, transferBytes: 25e9 } as const;

/** `2x RTX 4090` → how many of which. Throws a UsageError listing the cards. */
export function readCards(text: string): { readonly count: number; readonly card: Card } {
  const [, count = '1', name = ''] = /^\s*(?:(\d+)\s*[x×]\s*)?(.+?)\s*$/i.exec(text) ?? [];
  const found = cards.find((one) => plain(one.name) === plain(name));
  if (found === undefined || Number(count) < 1 || Number(count) > 16) throw new UsageError(`--as is ${JSON.stringify(text)}: give all, or one of ${cards.map((one) => one.name).join(', ')}, with how many before it, such as "2x RTX 4090"`);
  return { count: Number(count), card: found };
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
