//! Quantisation to 8 bits with one scale an output as nodes/bagel/weights/quantize-channels.ts has it; codes lie by inputs.

use crate::fit::{best_scale, byte_of, code_of, survey, widest};
use crate::threads::{shares, take};
use crate::Damaged;

const STEPS: f64 = 127.0;
/// Outputs whose codes are turned at a time: a cache line of them.
const TILE: usize = 64;

/// Fills `codes` [inputs, outputs] and `scales` [outputs].
pub fn quantize(weight: &[f32], inputs: usize, codes: &mut [u8], scales: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let outputs = scales.len();
    if inputs == 0 || weight.len() != outputs * inputs || codes.len() != weight.len() {
        return Err(Damaged);
    }
    let mut rest = &mut scales[..];
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for share in shares(outputs, threads) {
            let found = take(&mut rest, share.len());
            let rows = &weight[share.start * inputs..share.end * inputs];
            running.push(scope.spawn(move || choose_scales(rows, inputs, found)));
        }
        running.into_iter().try_for_each(|one| one.join().unwrap_or(Err(Damaged)))
    })?;
    let scales = &scales[..];
    crate::threads::split_items(codes, outputs, threads, |first, part| turn(weight, inputs, scales, first, part));
    Ok(())
}

widest! { fn choose_scales(rows: &[f32], inputs: usize, scales: &mut [f32]) -> Result<(), Damaged> = scales_plain }
widest! { fn turn(weight: &[f32], inputs: usize, scales: &[f32], first: usize, codes: &mut [u8]) -> () = turn_plain }

#[inline(always)]
fn scales_plain(rows: &[f32], inputs: usize, scales: &mut [f32]) -> Result<(), Damaged> {
    for (row, scale) in rows.chunks_exact(inputs).zip(scales) {
        let (largest, squares) = survey(row).ok_or(Damaged)?;
        let largest = f64::from(largest.abs());
        // the last is repeated to fill whole registers; a second of equal error is never chosen
        let per_step = [1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.6].map(|part| STEPS / (largest * part));
        *scale = if largest == 0.0 { 0.0 } else { best_scale(row, per_step, squares, -STEPS, STEPS) as f32 };
        if !scale.is_finite() {
            return Err(Damaged);
        }
    }
    Ok(())
}

/// Codes of the inputs from `first` on, for all outputs.
#[inline(always)]
fn turn_plain(weight: &[f32], inputs: usize, scales: &[f32], first: usize, codes: &mut [u8]) {
    let outputs = scales.len();
    let count = codes.len() / outputs;
    for from in (0..outputs).step_by(TILE) {
        for output in from..(from + TILE).min(outputs) {
            let scale = scales[output];
            let per_step = if scale == 0.0 { 0.0 } else { 1.0 / f64::from(scale) };
            let row = &weight[output * inputs + first..][..count];
            for (i, &value) in row.iter().enumerate() {
                codes[i * outputs + output] = byte_of(code_of(f64::from(value) * per_step, -STEPS, STEPS) + 128.0);
            }
        }
    }
}

/// Fills `values` [outputs, inputs] with what the codes stand for.
pub fn dequantize(codes: &[u8], scales: &[f32], inputs: usize, values: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let outputs = scales.len();
    if inputs == 0 || values.len() != outputs * inputs || codes.len() != values.len() {
        return Err(Damaged);
    }
    crate::threads::split_items(values, inputs, threads, |first, rows| {
        let count = rows.len() / inputs;
        for from in (0..count).step_by(TILE) {
            for i in 0..inputs {
                for row in from..(from + TILE).min(count) {
                    let output = first + row;
                    rows[row * inputs + i] = (i32::from(codes[i * outputs + output]) - 128) as f32 * scales[output];
                }
            }
        }
    });
    Ok(())
}
