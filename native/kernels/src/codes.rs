//! Codes that stand for values through a table or a scale: LLM.int8, NF4 and FP4, FP8. Every product is rounded to float32.

use crate::threads::split_items;
use crate::Damaged;

/// 1 / 127 as bitsandbytes has it.
const PER_STEP: f32 = 7.874_015_718_698_502e-3;

/// LLM.int8: rows of `inputs` codes with the largest magnitude of each row; value = (code · largest) / 127.
pub fn dequantize_int8(codes: &[i8], largest: &[f32], inputs: usize, values: &mut [f32], threads: usize) -> Result<(), Damaged> {
    if codes.len() != values.len() || codes.len() != largest.len() * inputs {
        return Err(Damaged);
    }
    split_items(values, inputs, threads, |first, part| {
        for (row, into) in part.chunks_exact_mut(inputs).enumerate() {
            let scale = largest[first + row];
            for (value, &code) in into.iter_mut().zip(&codes[(first + row) * inputs..]) {
                *value = f32::from(code) * scale * PER_STEP;
            }
        }
    });
    Ok(())
}

/// 4-bit codes, the earlier in the upper half of a byte, into a table of 16 values; `block` values share one of `largest`, of whose first block `skipped` values are not asked for.
pub fn dequantize_table(codes: &[u8], table: &[f32], largest: &[f32], block: usize, skipped: usize, values: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let table: &[f32; 16] = table.try_into().map_err(|_| Damaged)?;
    if block == 0 || skipped >= block || codes.len() < values.len().div_ceil(2) || largest.len() < (skipped + values.len()).div_ceil(block) {
        return Err(Damaged);
    }
    split_items(values, 1, threads, |first, part| {
        let mut done = 0;
        while done < part.len() {
            let at = first + done;
            let scale = largest[(skipped + at) / block];
            let scaled = table.map(|value| value * scale);
            let end = part.len().min(done + block - (skipped + at) % block);
            for (i, value) in part[done..end].iter_mut().enumerate() {
                let byte = codes[(at + i) >> 1];
                *value = scaled[usize::from(if (at + i).is_multiple_of(2) { byte >> 4 } else { byte & 15 })];
            }
            done = end;
        }
    });
    Ok(())
}

/// float8 E4M3FN bits through a table of 256 values.
pub fn float8(codes: &[u8], table: &[f32], values: &mut [f32], threads: usize) -> Result<(), Damaged> {
    let table: &[f32; 256] = table.try_into().map_err(|_| Damaged)?;
    if codes.len() != values.len() {
        return Err(Damaged);
    }
    split_items(values, 1, threads, |first, part| {
        for (value, &code) in part.iter_mut().zip(&codes[first..]) {
            *value = table[usize::from(code)];
        }
    });
    Ok(())
}
