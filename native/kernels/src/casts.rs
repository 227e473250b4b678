//! Between float32 and the narrow float types as engine/tensor/half.ts has them: to nearest, ties to even; NaN stays NaN. Values are bits here.

use crate::threads::split_items;
use crate::Damaged;

pub fn bfloat16_from_float32(bits: &[u32], into: &mut [u16], threads: usize) -> Result<(), Damaged> {
    each(bits, into, threads, |b| {
        let rounded = (b.wrapping_add(0x7fff + (b >> 16 & 1))) >> 16;
        // rounding could carry a NaN's payload into infinity, so NaN takes the quiet pattern instead
        if b & 0x7fff_ffff > 0x7f80_0000 { (b >> 16) as u16 | 0x40 } else { rounded as u16 }
    })
}

pub fn float32_from_bfloat16(bits: &[u16], into: &mut [u32], threads: usize) -> Result<(), Damaged> {
    each(bits, into, threads, |b| u32::from(b) << 16)
}

pub fn float16_from_float32(bits: &[u32], into: &mut [u16], threads: usize) -> Result<(), Damaged> {
    each(bits, into, threads, float16_bits)
}

/// Exact; a subnormal counts units of 2^-24.
pub fn float32_from_float16(bits: &[u16], into: &mut [u32], threads: usize) -> Result<(), Damaged> {
    each(bits, into, threads, |h| {
        let (sign, exponent, mantissa) = (u32::from(h & 0x8000) << 16, u32::from(h >> 10 & 31), u32::from(h & 0x3ff));
        let subnormal = (mantissa as f32 * f32::from_bits(0x3380_0000)).to_bits();
        let magnitude = match exponent {
            0 => subnormal,
            31 => 0x7f80_0000 | mantissa << 13,
            _ => (exponent + 112) << 23 | mantissa << 13,
        };
        sign | magnitude
    })
}

fn each<A: Copy + Sync, B: Send>(from: &[A], into: &mut [B], threads: usize, convert: impl Fn(A) -> B + Sync) -> Result<(), Damaged> {
    if from.len() != into.len() {
        return Err(Damaged);
    }
    split_items(into, 1, threads, |first, part| {
        for (value, &bits) in part.iter_mut().zip(&from[first..]) {
            *value = convert(bits);
        }
    });
    Ok(())
}

#[inline(always)]
fn float16_bits(b: u32) -> u16 {
    let sign = (b >> 16) as u16 & 0x8000;
    let magnitude = b & 0x7fff_ffff;
    let kept = if magnitude > 0x7f80_0000 {
        0x7e00 | (magnitude >> 13 & 0x3ff)
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        let rebiased = magnitude - 0x3800_0000;
        (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13
    } else {
        // 1/2 has steps of 2^-24: adding it rounds a subnormal as IEEE 754 asks
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000
    };
    sign | kept as u16
}
