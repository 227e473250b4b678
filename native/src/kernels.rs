//! Import kernels for Node. They work at once, on the thread that calls: imports have threads of their own. The arithmetic is in the crate bagelgraph-kernels.
//! Each fills arrays that the caller made, which must not overlap, and says whether it could: false where the bytes are damaged or not finite.

use bagelgraph_kernels::{Damaged, blocks, casts, channels, codes, df11};
use napi::bindgen_prelude::{Float32ArraySlice, Int8ArraySlice, Uint16ArraySlice, Uint32ArraySlice, Uint8ArraySlice};
use napi_derive::napi;

/// What can be written to of an array that JavaScript holds.
macro_rules! out {
    ($array:ident) => {
        // SAFETY: the call is synchronous, and nobody else reads or writes the array while it lasts
        unsafe { $array.as_mut() }
    };
}

fn done(result: Result<(), Damaged>) -> bool {
    result.is_ok()
}

#[napi]
pub fn quantize_blocks(weight: Float32ArraySlice, inputs: u32, bits: u32, block: u32, mut packed: Uint8ArraySlice, mut scales: Float32ArraySlice, threads: u32) -> bool {
    let format = blocks::Format { bits: bits as usize, block: block as usize };
    done(blocks::quantize(&weight, inputs as usize, format, out!(packed), out!(scales), threads as usize))
}

#[napi]
pub fn dequantize_blocks(packed: Uint8ArraySlice, scales: Float32ArraySlice, inputs: u32, bits: u32, block: u32, mut values: Float32ArraySlice, threads: u32) -> bool {
    let format = blocks::Format { bits: bits as usize, block: block as usize };
    done(blocks::dequantize(&packed, &scales, inputs as usize, format, out!(values), threads as usize))
}

#[napi]
pub fn quantize_channels(weight: Float32ArraySlice, inputs: u32, mut packed: Uint8ArraySlice, mut scales: Float32ArraySlice, threads: u32) -> bool {
    done(channels::quantize(&weight, inputs as usize, out!(packed), out!(scales), threads as usize))
}

#[napi]
pub fn dequantize_channels(packed: Uint8ArraySlice, scales: Float32ArraySlice, inputs: u32, mut values: Float32ArraySlice, threads: u32) -> bool {
    done(channels::dequantize(&packed, &scales, inputs as usize, out!(values), threads as usize))
}

#[napi]
pub fn dequantize_int8(packed: Int8ArraySlice, largest: Float32ArraySlice, inputs: u32, mut values: Float32ArraySlice, threads: u32) -> bool {
    done(codes::dequantize_int8(&packed, &largest, inputs as usize, out!(values), threads as usize))
}

#[napi]
pub fn dequantize_table(packed: Uint8ArraySlice, table: Float32ArraySlice, largest: Float32ArraySlice, block: u32, skipped: u32, mut values: Float32ArraySlice, threads: u32) -> bool {
    done(codes::dequantize_table(&packed, &table, &largest, block as usize, skipped as usize, out!(values), threads as usize))
}

/// Codes of one byte each through a table of 256 values.
#[napi]
pub fn look_up(packed: Uint8ArraySlice, table: Float32ArraySlice, mut values: Float32ArraySlice, threads: u32) -> bool {
    done(codes::float8(&packed, &table, out!(values), threads as usize))
}

#[napi]
pub fn bfloat16_from_float32(bits: Uint32ArraySlice, mut into: Uint16ArraySlice, threads: u32) -> bool {
    done(casts::bfloat16_from_float32(&bits, out!(into), threads as usize))
}

#[napi]
pub fn float32_from_bfloat16(bits: Uint16ArraySlice, mut into: Uint32ArraySlice, threads: u32) -> bool {
    done(casts::float32_from_bfloat16(&bits, out!(into), threads as usize))
}

#[napi]
pub fn float16_from_float32(bits: Uint32ArraySlice, mut into: Uint16ArraySlice, threads: u32) -> bool {
    done(casts::float16_from_float32(&bits, out!(into), threads as usize))
}

#[napi]
pub fn float32_from_float16(bits: Uint16ArraySlice, mut into: Uint32ArraySlice, threads: u32) -> bool {
    done(casts::float32_from_float16(&bits, out!(into), threads as usize))
}

/// Fields as in nodes/bagel/weights/df11.ts.
#[napi(object, object_to_js = false)]
pub struct Df11Form<'a> {
    pub luts: Uint8ArraySlice<'a>,
    pub codes: Uint8ArraySlice<'a>,
    pub signs: Uint8ArraySlice<'a>,
    pub positions: Uint32ArraySlice<'a>,
    pub gaps: Uint8ArraySlice<'a>,
    pub chunk_bytes: u32,
    pub block_bytes: u32,
}

/// Decodes blocks `first` up to `end` to bfloat16 bits.
#[napi]
pub fn decode_df11(form: Df11Form, first: u32, end: u32, mut into: Uint16ArraySlice, threads: u32) -> bool {
    let Df11Form { luts, codes, signs, positions, gaps, chunk_bytes, block_bytes } = &form;
    let source = df11::Source { luts, codes, signs, positions, gaps, chunk_bytes: *chunk_bytes as usize, block_bytes: *block_bytes as usize };
    done(df11::decode(&source, first as usize, end as usize, out!(into), threads as usize))
}
