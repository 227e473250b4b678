//! Tensors and row buffers of a worker by the numbers its host gave them. The messages are those of engine/device/store.ts.

use crate::device::Device;
use crate::onnx::Outcome;
use crate::tensor::{Tensor, shape_text};
use std::collections::HashMap;

#[derive(Default)]
pub struct Store {
    tensors: HashMap<u32, Tensor>,
}

impl Store {
    pub fn put(&mut self, id: u32, tensor: Tensor) {
        self.tensors.insert(id, tensor);
    }

    pub fn get(&self, id: u32) -> Outcome<&Tensor> {
        self.tensors.get(&id).ok_or_else(|| format!("handle {id} is not on this device"))
    }

    /// The tensor, or its first `rows` rows over the same memory.
    pub fn view(&self, id: u32, rows: Option<u32>) -> Outcome<Tensor> {
        let tensor = self.get(id)?;
        rows.map_or_else(|| Ok(tensor.clone()), |rows| tensor.rows(0, rows.into()))
    }

    /// The rows of buffer `id` that `value` is to be copied to; callers ask for every output before they copy the first.
    pub fn target(&self, id: u32, row: u32, value: &Tensor, what: &str) -> Outcome<Tensor> {
        let buffer = self.get(id)?;
        let form = |tensor: &Tensor| format!("{} {}", tensor.element.name, shape_text(&tensor.shape));
        let are_rows = value.element == buffer.element && !value.shape.is_empty() && value.shape.len() == buffer.shape.len() && value.shape[1..] == buffer.shape[1..];
        if !are_rows {
            return Err(format!("{what} is {}, which are no rows of the {} row buffer {}", form(value), buffer.element.name, shape_text(&buffer.shape)));
        }
        let rows = value.shape[0];
        if i64::from(row) + rows > buffer.shape[0] {
            return Err(format!("{what} has {rows} rows, which do not fit at row {row} of the {} row buffer {}", buffer.element.name, shape_text(&buffer.shape)));
        }
        buffer.rows(row.into(), rows)
    }

    pub fn remove(&mut self, id: u32) {
        self.tensors.remove(&id);
    }
}

/// Copies values to the rows that `target` gave.
pub fn copy_all(device: &Device, copies: &[(Tensor, Tensor)]) -> Outcome<()> {
    copies.iter().try_for_each(|(value, target)| device.copy(value, target))
}
