//! DF11: bfloat16 weights whose exponents are Huffman-coded, as nodes/bagel/weights/df11.ts decodes them. Blocks are decoded apart, since each says where it begins.

use crate::threads::{shares, take};
use crate::Damaged;

/// Bits looked up at once; longer codes take the tables.
const QUICK_BITS: u32 = 12;
const QUICK: usize = 1 << QUICK_BITS;
/// Symbols a lookup gives at most.
const AT_ONCE: usize = 4;

/// One block of weights; fields as in df11.ts. `codes` begin with those of block `first`, `signs` with its first value.
pub struct Source<'a> {
    pub luts: &'a [u8],
    pub codes: &'a [u8],
    pub signs: &'a [u8],
    pub positions: &'a [u32],
    pub gaps: &'a [u8],
    pub chunk_bytes: usize,
    pub block_bytes: usize,
}

/// By the next bits: up to four symbols, how many there are, and the bits that they take.
#[derive(Clone, Copy, Default)]
struct Quick {
    symbols: [u8; AT_ONCE],
    count: u8,
    bits: u8,
}

struct Tables<'a> {
    luts: &'a [u8],
    tables: usize,
    /// By the next bits: symbol and length of one code; length 0 where it is longer.
    single: Vec<(u8, u8)>,
    quick: Vec<Quick>,
}

/// Decodes blocks `first` up to `end` to bfloat16 bits.
pub fn decode(source: &Source, first: usize, end: usize, into: &mut [u16], threads: usize) -> Result<(), Damaged> {
    let positions = source.positions.get(first..=end).ok_or(Damaged)?;
    let start = positions[0] as usize;
    let count = (*positions.last().ok_or(Damaged)? as usize).checked_sub(start).ok_or(Damaged)?;
    if count != into.len() || source.signs.len() < count || !positions.is_sorted() || source.chunk_bytes == 0 || !source.block_bytes.is_multiple_of(source.chunk_bytes) || source.luts.len() < 512 || !source.luts.len().is_multiple_of(256) {
        return Err(Damaged);
    }
    let tables = Tables::new(source.luts);
    let mut rest = into;
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for share in shares(end - first, threads) {
            let values = positions[share.start] as usize - start..positions[share.end] as usize - start;
            let (part, signs) = (take(&mut rest, values.len()), &source.signs[values]);
            let tables = &tables;
            running.push(scope.spawn(move || decode_blocks(source, tables, first, first + share.start, first + share.end, signs, part)));
        }
        running.into_iter().try_for_each(|one| one.join().unwrap_or(Err(Damaged)))
    })
}

/// Blocks `from` up to `end`; the codes begin with those of block `first`.
fn decode_blocks(source: &Source, tables: &Tables, first: usize, from: usize, end: usize, signs: &[u8], into: &mut [u16]) -> Result<(), Damaged> {
    let chunks = source.block_bytes / source.chunk_bytes;
    let begin = |block: usize| (block - first) * source.block_bytes * 8 + start_bit(source.gaps, block * chunks);
    let mut done = 0;
    for block in from..end {
        let count = (source.positions[block + 1] - source.positions[block]) as usize;
        let at = tables.decode_run(source.codes, begin(block), &signs[done..done + count], &mut into[done..done + count])?;
        done += count;
        let fits = if block + 2 == source.positions.len() { at <= source.codes.len() * 8 } else { at == begin(block + 1) };
        if !fits {
            return Err(Damaged);
        }
    }
    Ok(())
}

/// The bit within chunk `chunk` at which its first value begins.
fn start_bit(gaps: &[u8], chunk: usize) -> usize {
    let bit = chunk * 5;
    let byte = |at: usize| usize::from(gaps.get(at).copied().unwrap_or(0));
    (byte(bit / 8) << 8 | byte(bit / 8 + 1)) >> (11 - bit % 8) & 31
}

impl<'a> Tables<'a> {
    fn new(luts: &'a [u8]) -> Self {
        let mut built = Tables { luts, tables: luts.len() / 256 - 1, single: Vec::new(), quick: Vec::new() };
        built.single = (0..QUICK as u32).map(|code| {
            let Some(symbol) = built.walk(code << (32 - QUICK_BITS)) else { return (0, 0) };
            let length = built.length(symbol);
            if u32::from(length) <= QUICK_BITS { (symbol, length) } else { (0, 0) }
        }).collect();
        // up to where the same entry follows: an entry is certain where all ways to go on lead to it
        let mut same_until = vec![QUICK; QUICK];
        for code in (0..QUICK - 1).rev() {
            same_until[code] = if built.single[code] == built.single[code + 1] { same_until[code + 1] } else { code + 1 };
        }
        built.quick = (0..QUICK).map(|code| built.several(code, &same_until)).collect();
        built
    }

    fn several(&self, code: usize, same_until: &[usize]) -> Quick {
        let mut found = Quick::default();
        while usize::from(found.count) < AT_ONCE {
            let rest = code << found.bits & (QUICK - 1);
            let (symbol, length) = self.single[rest];
            if length == 0 || u32::from(found.bits + length) > QUICK_BITS || same_until[rest] < rest + (1 << found.bits) {
                break;
            }
            found.symbols[usize::from(found.count)] = symbol;
            found.count += 1;
            found.bits += length;
            if u32::from(found.bits) == QUICK_BITS {
                break;
            }
        }
        found
    }

    fn length(&self, symbol: u8) -> u8 {
        self.luts[self.tables * 256 + usize::from(symbol)]
    }

    /// The symbol whose code begins with the upper bits of `window`.
    fn walk(&self, window: u32) -> Option<u8> {
        let mut symbol = self.luts[(window >> 24) as usize];
        let mut shift = 16i32;
        while symbol >= 240 {
            let table = 256 - usize::from(symbol);
            if shift < 0 || table >= self.tables {
                return None;
            }
            symbol = self.luts[table * 256 + (window >> shift & 255) as usize];
            shift -= 8;
        }
        Some(symbol)
    }

    /// Decodes as many values as `into` holds from bit `at` on; gives the bit after the last.
    fn decode_run(&self, codes: &[u8], mut at: usize, signs: &[u8], into: &mut [u16]) -> Result<usize, Damaged> {
        let quick: &[Quick; QUICK] = self.quick.as_slice().try_into().map_err(|_| Damaged)?;
        let count = into.len();
        let mut i = 0;
        // whole words may be read here, and no code can pass the end
        while i + AT_ONCE <= count && (at >> 3) + 16 <= codes.len() {
            let word = u64::from_be_bytes(codes[at >> 3..][..8].try_into().map_err(|_| Damaged)?) << (at & 7);
            let entry = quick[(word >> (64 - QUICK_BITS)) as usize];
            if entry.count == 0 {
                at = self.decode_one(codes, at, signs[i], &mut into[i])?;
                i += 1;
                continue;
            }
            // all four are written: those beyond the count are overwritten by the next
            let (signs, into) = (&signs[i..i + AT_ONCE], &mut into[i..i + AT_ONCE]);
            for lane in 0..AT_ONCE {
                into[lane] = join(signs[lane], entry.symbols[lane]);
            }
            at += usize::from(entry.bits);
            i += usize::from(entry.count);
        }
        for i in i..count {
            at = self.decode_one(codes, at, signs[i], &mut into[i])?;
        }
        Ok(at)
    }

    fn decode_one(&self, codes: &[u8], at: usize, sign: u8, into: &mut u16) -> Result<usize, Damaged> {
        let byte = |i: usize| u64::from(codes.get((at >> 3) + i).copied().unwrap_or(0));
        let window = ((byte(0) << 32 | byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4)) >> (8 - (at & 7))) as u32;
        let (mut symbol, mut length) = self.single[(window >> (32 - QUICK_BITS)) as usize];
        if length == 0 {
            symbol = self.walk(window).ok_or(Damaged)?;
            length = self.length(symbol);
        }
        let next = at + usize::from(length);
        if length == 0 || next > codes.len() * 8 {
            return Err(Damaged);
        }
        *into = join(sign, symbol);
        Ok(next)
    }
}

#[inline(always)]
fn join(sign: u8, symbol: u8) -> u16 {
    u16::from(sign & 0x80) << 8 | u16::from(symbol) << 7 | u16::from(sign & 0x7f)
}
