//! Conversions between weight formats, bit for bit those of the TypeScript kernels. Knows no Node, no files, no ONNX Runtime.
//! What cannot be converted is answered with `Damaged`, without saying why: the TypeScript kernel of the same name does.

pub mod blocks;
pub mod casts;
pub mod channels;
pub mod codes;
pub mod df11;
mod fit;
mod threads;

/// The bytes fit no weight, or its values are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;
