//! Conversions between weight formats, bit for bit those of the TypeScript kernels. Knows no Node, no files, no ONNX Runtime.
