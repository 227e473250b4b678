//! The add-on as Node sees it. Each module stands alone; none knows models, nodes or where files belong.

mod device;
mod kernels;
mod onnx;
mod payload;
mod session;
mod store;
mod tensor;
mod weights;
mod worker;
