//! Block quantisation as nodes/bagel/weights/quantize.ts has it: 4 or 8 bits, a signed scale each 32 or 128 values along the inputs.

use crate::fit::{best_scale, byte_of, code_of, survey, widest};
use crate::threads::{shares, take};
use crate::Damaged;

/// What a weight [outputs, inputs] is quantised to.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    pub bits: usize,
    pub block: usize,
}

impl Format {
    /// Blocks in a row of `inputs` values; the last one is filled up with zeros.
    pub fn blocks_in(&self, inputs: usize) -> usize {
        inputs.div_ceil(self.block)
    }
    fn block_bytes(&self) -> usize {
        self.block * self.bits / 8
    }
    fn steps(&self) -> f64 {
        (1u32 << (self.bits - 1)) as f64
    }
    fn is_known(&self) -> bool {
        matches!((self.bits, self.block), (4 | 8, 32 | 128))
    }
}

/// Fills `packed` [outputs, blocks, block · bits / 8] and `scales` [outputs, blocks].
pub fn quantize(weight: &[f32], inputs: usize, format: Format, packed: &mut [u8], scales: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let outputs = rows_of(weight.len(), inputs)?;
    let blocks = format.blocks_in(inputs);
    if !format.is_known() || packed.len() != outputs * blocks * format.block_bytes() || scales.len() != outputs * blocks {
        return Err(Damaged);
    }
    let (mut packed, mut scales) = (packed, scales);
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for share in shares(outputs, threads) {
            let codes = take(&mut packed, share.len() * blocks * format.block_bytes());
            let steps = take(&mut scales, share.len() * blocks);
            let rows = &weight[share.start * inputs..share.end * inputs];
            running.push(scope.spawn(move || quantize_rows(rows, inputs, format, codes, steps)));
        }
        running.into_iter().try_for_each(|one| one.join().unwrap_or(Err(Damaged)))
    })
}

fn rows_of(values: usize, inputs: usize) -> Result<usize, Damaged> {
    if inputs == 0 || !values.is_multiple_of(inputs) { Err(Damaged) } else { Ok(values / inputs) }
}

widest! { fn quantize_rows(rows: &[f32], inputs: usize, format: Format, packed: &mut [u8], scales: &mut [f32]) -> Result<(), Damaged> = rows_plain }

#[inline(always)]
fn rows_plain(rows: &[f32], inputs: usize, format: Format, packed: &mut [u8], scales: &mut [f32]) -> Result<(), Damaged> {
    let (blocks, bytes) = (format.blocks_in(inputs), format.block_bytes());
    let mut filled = [0f32; 128];
    for (row, values) in rows.chunks_exact(inputs).enumerate() {
        for (i, part) in values.chunks(format.block).enumerate() {
            let at = row * blocks + i;
            // the last block of a row may be short: zeros fill it up
            let whole = &mut filled[..format.block];
            whole[..part.len()].copy_from_slice(part);
            whole[part.len()..].fill(0.0);
            scales[at] = choose_scale(whole, format)? as f32;
            pack(whole, format, scales[at], &mut packed[at * bytes..][..bytes]);
        }
    }
    Ok(())
}

/// Signed: a block whose largest value is positive gets a negative scale, since codes reach one step further below zero than above.
#[inline(always)]
fn choose_scale(values: &[f32], format: Format) -> Result<f64, Damaged> {
    let (largest, squares) = survey(values).ok_or(Damaged)?;
    if largest == 0.0 {
        return Ok(0.0);
    }
    let (largest, steps) = (f64::from(largest), format.steps());
    let per_step = |part: f64| -steps / (largest * part);
    // the last is repeated to fill whole registers; a second of equal error is never chosen
    let scale = if format.bits == 4 {
        best_scale(values, [1.0, 0.95, 0.9, 0.85, 0.8, 0.72, 0.72, 0.72].map(per_step), squares, -steps, steps - 1.0)
    } else {
        best_scale(values, [1.0, 0.98].map(per_step), squares, -steps, steps - 1.0)
    };
    if scale.is_finite() { Ok(scale) } else { Err(Damaged) }
}

#[inline(always)]
fn pack(values: &[f32], format: Format, scale: f32, into: &mut [u8]) {
    let steps = format.steps();
    let per_step = if scale == 0.0 { 0.0 } else { 1.0 / f64::from(scale) };
    let code = |value: f32| byte_of(code_of(f64::from(value) * per_step, -steps, steps - 1.0) + steps);
    if format.bits == 8 {
        for (byte, &value) in into.iter_mut().zip(values) {
            *byte = code(value);
        }
    } else {
        for (byte, pair) in into.iter_mut().zip(values.chunks_exact(2)) {
            *byte = code(pair[0]) | code(pair[1]) << 4;
        }
    }
}

/// Fills `values` [outputs, inputs] with what the codes stand for.
pub fn dequantize(packed: &[u8], scales: &[f32], inputs: usize, format: Format, values: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let outputs = rows_of(values.len(), inputs)?;
    let (blocks, bytes) = (format.blocks_in(inputs), format.block_bytes());
    if !format.is_known() || packed.len() != outputs * blocks * bytes || scales.len() != outputs * blocks {
        return Err(Damaged);
    }
    let steps = format.steps() as i32;
    crate::threads::split_items(values, inputs, threads, |first, rows| {
        for (row, into) in rows.chunks_exact_mut(inputs).enumerate() {
            for (i, part) in into.chunks_mut(format.block).enumerate() {
                let at = (first + row) * blocks + i;
                let (codes, scale) = (&packed[at * bytes..][..bytes], scales[at]);
                for (inner, value) in part.iter_mut().enumerate() {
                    let code = if format.bits == 8 { codes[inner] } else { codes[inner >> 1] >> (4 * (inner & 1)) & 15 };
                    *value = (i32::from(code) - steps) as f32 * scale;
                }
            }
        }
    });
    Ok(())
}
