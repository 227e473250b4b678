//! Tensors in the memory of a device, and parts of them over the same memory. Knows no sessions.

use crate::onnx::{MemoryInfo, Outcome, Value};
use ort::sys::ONNXTensorElementDataType as Code;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::sync::Arc;

/// An element type by its name in TypeScript, its code in ONNX and its bits.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    pub name: &'static str,
    pub code: Code,
    bits: usize,
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        self.name == other.name
    }
}

const fn element(name: &'static str, code: Code, bits: usize) -> Element {
    Element { name, code, bits }
}

const ELEMENTS: [Element; 15] = [
    element("float32", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 32),
    element("float64", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, 64),
    element("float16", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, 16),
    element("bfloat16", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, 16),
    element("float8e4m3fn", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN, 8),
    element("int64", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 64),
    element("int32", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, 32),
    element("int16", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, 16),
    element("int8", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, 8),
    element("uint64", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, 64),
    element("uint32", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, 32),
    element("uint16", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, 16),
    element("uint8", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, 8),
    element("bool", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, 8),
    element("uint4", Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4, 4),
];

impl Element {
    pub fn named(name: &str) -> Outcome<Element> {
        ELEMENTS.into_iter().find(|element| element.name == name).ok_or_else(|| format!("{name} is no element type"))
    }

    pub fn coded(code: Code) -> Outcome<Element> {
        ELEMENTS.into_iter().find(|element| element.code as u32 == code as u32).ok_or_else(|| format!("element type {code:?} of ONNX is not known here"))
    }

    /// Bytes of a tensor of this shape; sides are packed two to a byte where an element has 4 bits.
    pub fn bytes(self, shape: &[i64]) -> Outcome<usize> {
        let sides = shape.iter().map(|&side| usize::try_from(side).map_err(|_| format!("{} is no shape", shape_text(shape))));
        let count = sides.collect::<Outcome<Vec<_>>>()?.into_iter().try_fold(1usize, usize::checked_mul);
        let bits = count.and_then(|count| count.checked_mul(self.bits)).ok_or_else(|| format!("{} is larger than memory can be", shape_text(shape)))?;
        Ok(bits.div_ceil(8))
    }
}

pub fn shape_text(shape: &[i64]) -> String {
    let sides: Vec<_> = shape.iter().map(i64::to_string).collect();
    format!("[{}]", sides.join(", "))
}

/// Memory of this process.
pub struct HostMemory {
    data: *mut u8,
    layout: Layout,
}

// SAFETY: the allocator takes memory back from any thread; who reads and writes it is the matter of `Tensor`
unsafe impl Send for HostMemory {}
unsafe impl Sync for HostMemory {}

impl HostMemory {
    fn new(bytes: usize, allocate: unsafe fn(Layout) -> *mut u8) -> Outcome<HostMemory> {
        // the alignment of malloc: with more, zeroed memory would be written instead of taken from the system page by page
        let layout = Layout::from_size_align(bytes.max(1), 16).map_err(|error| error.to_string())?;
        // SAFETY: the layout has a size
        let data = unsafe { allocate(layout) };
        if data.is_null() {
            return Err(format!("{bytes} bytes of memory are not to be had"));
        }
        Ok(HostMemory { data, layout })
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout
        unsafe { dealloc(self.data, self.layout) }
    }
}

/// What keeps a tensor's memory alive.
enum Memory {
    Host(#[expect(dead_code, reason = "held for its drop")] HostMemory),
    Value(#[expect(dead_code, reason = "held for its drop")] Value),
}

/// A tensor, or rows of one over the same memory. Only row buffers are ever written after they were made, and only by the worker's one call at a time.
#[derive(Clone)]
pub struct Tensor {
    pub element: Element,
    pub shape: Vec<i64>,
    data: *mut u8,
    pub bytes: usize,
    memory: Arc<Memory>,
}

// SAFETY: one call at a time reads or writes, whatever its thread
unsafe impl Send for Tensor {}
unsafe impl Sync for Tensor {}

impl Tensor {
    /// In memory of this process; zeroed memory takes none until it is written.
    pub fn host(element: Element, shape: &[i64], is_zeroed: bool) -> Outcome<Tensor> {
        let bytes = element.bytes(shape)?;
        let memory = HostMemory::new(bytes, if is_zeroed { alloc_zeroed } else { alloc })?;
        Ok(Tensor { element, shape: shape.to_vec(), data: memory.data, bytes, memory: Arc::new(Memory::Host(memory)) })
    }

    /// What a run gave, or what an allocator of ONNX Runtime made.
    pub fn from_value(value: Value) -> Outcome<Tensor> {
        let (code, shape) = value.form()?;
        let element = Element::coded(code)?;
        Ok(Tensor { element, bytes: element.bytes(&shape)?, data: value.data()?, shape, memory: Arc::new(Memory::Value(value)) })
    }

    /// The value a session takes, over this memory, with `element` in place of the own type where it has the same size (bits of bfloat16 as uint16).
    ///
    /// # Safety
    /// `self` lies in `place` and outlives the value.
    pub unsafe fn value(&self, place: &MemoryInfo, element: Element) -> Outcome<Value> {
        // SAFETY: as the caller promises
        unsafe { Value::over(place, self.data, self.bytes, &self.shape, element.code) }
    }

    /// The same memory as bytes without a form.
    ///
    /// # Safety
    /// As `value`.
    pub unsafe fn byte_value(&self, place: &MemoryInfo) -> Outcome<Value> {
        // SAFETY: as the caller promises
        unsafe { Value::over(place, self.data, self.bytes, &[self.bytes as i64], Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) }
    }

    /// Rows `row` to `row + rows`, over the same memory.
    pub fn rows(&self, row: i64, rows: i64) -> Outcome<Tensor> {
        let capacity = *self.shape.first().ok_or("a scalar has no rows")?;
        if row < 0 || rows < 0 || row + rows > capacity {
            return Err(format!("{rows} rows of {} asked: it has 0 to {capacity}", shape_text(&self.shape)));
        }
        let side = &self.shape[1..];
        let row_bytes = self.element.bytes(side)?;
        if self.element.bits < 8 && !(side.iter().product::<i64>() as usize * self.element.bits).is_multiple_of(8) {
            return Err(format!("rows of {} {} do not end at byte bounds", self.element.name, shape_text(&self.shape)));
        }
        let shape = std::iter::once(rows).chain(side.iter().copied()).collect();
        // SAFETY: within the tensor, as checked
        let data = unsafe { self.data.add(row as usize * row_bytes) };
        Ok(Tensor { element: self.element, shape, data, bytes: rows as usize * row_bytes, memory: self.memory.clone() })
    }

    /// True if the two have a byte in common.
    pub fn overlaps(&self, other: &Tensor) -> bool {
        let [(a, a_end), (b, b_end)] = [self, other].map(|one| (one.data as usize, one.data as usize + one.bytes));
        a < b_end && b < a_end
    }

    /// The bytes of a tensor in memory of this process.
    ///
    /// # Safety
    /// The tensor lies in host memory and nothing writes to it meanwhile.
    pub unsafe fn host_bytes(&self) -> &[u8] {
        // SAFETY: as the caller promises
        unsafe { std::slice::from_raw_parts(self.data, self.bytes) }
    }

    /// The same for writing.
    ///
    /// # Safety
    /// The tensor lies in host memory and nothing else reads or writes it meanwhile.
    #[expect(clippy::mut_from_ref, reason = "memory that tensors share; the caller promises to be alone")]
    pub unsafe fn host_bytes_mut(&self) -> &mut [u8] {
        // SAFETY: as the caller promises
        unsafe { std::slice::from_raw_parts_mut(self.data, self.bytes) }
    }
}
