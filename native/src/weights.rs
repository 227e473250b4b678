//! Weights that a program keeps in files: mapped here and given to its session, so that sessions over the same weights share
//! what kernels packed of them. A packed copy lives as long as one of those sessions.

use crate::onnx::{MemoryInfo, Outcome, PackedWeights, SessionOptions, Value, call, text};
use crate::tensor::Element;
use memmap2::Mmap;
use ort::sys;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, Weak};

/// Smaller ones are not worth a mapping.
const SHARED_BYTES: usize = 64 * 1024;

/// A weight that lies in a file.
#[derive(Hash)]
struct External {
    name: String,
    code: i64,
    dims: Vec<i64>,
    path: String,
    offset: usize,
    bytes: usize,
}

/// What a session needs of its weights while it lives.
pub struct SessionWeights {
    // values before the mappings they lie in
    values: Vec<(CString, Value)>,
    pub packed: Arc<PackedWeights>,
    maps: Vec<Mmap>,
}

/// Packed weights of the sessions that live, by what the sessions read.
#[derive(Default)]
pub struct SharedWeights {
    packed: Mutex<HashMap<u64, Weak<PackedWeights>>>,
}

impl SharedWeights {
    /// Maps the weights of a model and gives them to a session that is about to be made. A file that is missing or too short is left
    /// to ONNX Runtime, which says so. None where there is nothing to share.
    pub fn give(&self, model: &[u8], options: &SessionOptions, place: &MemoryInfo) -> Outcome<Option<SessionWeights>> {
        let externals: Vec<_> = external_weights(model).into_iter().filter(|weight| weight.bytes >= SHARED_BYTES).collect();
        if externals.is_empty() {
            return Ok(None);
        }
        let mut weights = SessionWeights { values: Vec::new(), packed: self.packed_of(&externals)?, maps: Vec::new() };
        let mut by_path = HashMap::new();
        for weight in &externals {
            let map = match by_path.get(&weight.path) {
                Some(map) => *map,
                None => {
                    let Some(map) = map_file(&weight.path) else { return Ok(None) };
                    weights.maps.push(map);
                    by_path.insert(weight.path.clone(), weights.maps.len() - 1);
                    weights.maps.len() - 1
                }
            };
            let Some(value) = value_over(&weights.maps[map], weight, place)? else { return Ok(None) };
            weights.values.push((text(&weight.name)?, value));
        }
        for (name, value) in &weights.values {
            call!(AddInitializer(options.0, name.as_ptr(), value.0))?;
        }
        Ok(Some(weights))
    }

    fn packed_of(&self, externals: &[External]) -> Outcome<Arc<PackedWeights>> {
        let mut hasher = DefaultHasher::new();
        externals.hash(&mut hasher);
        let key = hasher.finish();
        let mut all = self.packed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.retain(|_, packed| packed.strong_count() > 0);
        if let Some(packed) = all.get(&key).and_then(Weak::upgrade) {
            return Ok(packed);
        }
        let packed = Arc::new(PackedWeights::new()?);
        all.insert(key, Arc::downgrade(&packed));
        Ok(packed)
    }
}

impl SessionWeights {
    /// Lets go of the pages that loading touched: what was packed is not read again, the rest comes back from the file.
    #[cfg(unix)]
    pub fn release_pages(&self) {
        for map in &self.maps {
            // SAFETY: pages of a read-only file come back as they were
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }

    #[cfg(not(unix))]
    pub fn release_pages(&self) {}
}

fn map_file(path: &str) -> Option<Mmap> {
    let file = File::open(path).ok()?;
    // SAFETY: a weight file is not changed while it is used, as for ONNX Runtime's own mappings
    unsafe { Mmap::map(&file) }.ok()
}

fn value_over(map: &Mmap, weight: &External, place: &MemoryInfo) -> Outcome<Option<Value>> {
    let code = ALL_CODES.into_iter().find(|code| *code as i64 == weight.code);
    let Some(element) = code.and_then(|code| Element::coded(code).ok()) else { return Ok(None) };
    let end = weight.offset.checked_add(weight.bytes);
    if end.is_none_or(|end| end > map.len()) || element.bytes(&weight.dims)? != weight.bytes {
        return Ok(None);
    }
    let data = map[weight.offset..].as_ptr().cast_mut();
    // SAFETY: within the mapping, which outlives the value; sessions only read initializers
    Ok(Some(unsafe { Value::over(place, data, weight.bytes, &weight.dims, element.code)? }))
}

use sys::ONNXTensorElementDataType as Code;
const ALL_CODES: [Code; 10] = [
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN,
];

/// The external weights of a model's main graph. What cannot be read is passed over: ONNX Runtime judges the model.
fn external_weights(model: &[u8]) -> Vec<External> {
    let graphs = fields(model).filter_map(|(field, value)| if field == 7 { value.bytes() } else { None });
    let initializers = graphs.flat_map(|graph| fields(graph).filter_map(|(field, value)| if field == 5 { value.bytes() } else { None }));
    initializers.filter_map(external_weight).collect()
}

fn external_weight(tensor: &[u8]) -> Option<External> {
    let mut weight = External { name: String::new(), code: 0, dims: Vec::new(), path: String::new(), offset: 0, bytes: 0 };
    for (field, value) in fields(tensor) {
        match (field, value) {
            (1, Field::Number(side)) => weight.dims.push(side as i64),
            (1, Field::Bytes(packed)) => weight.dims.extend(numbers(packed).map(|side| side as i64)),
            (2, Field::Number(code)) => weight.code = code as i64,
            (8, Field::Bytes(name)) => weight.name = String::from_utf8(name.to_vec()).ok()?,
            (13, Field::Bytes(entry)) => {
                let mut pair = fields(entry).filter_map(|(_, value)| value.bytes()).filter_map(|bytes| std::str::from_utf8(bytes).ok());
                match (pair.next()?, pair.next()?) {
                    // locations are absolute paths without the leading slash
                    ("location", path) => weight.path = format!("/{path}"),
                    ("offset", offset) => weight.offset = offset.parse().ok()?,
                    ("length", bytes) => weight.bytes = bytes.parse().ok()?,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (!weight.path.is_empty()).then_some(weight)
}

/// A field of a protobuf message: a number, or bytes of any meaning.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        if let Field::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// The fields of a protobuf message with their numbers, up to the first that cannot be read.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = number(&mut rest)?;
        let value = match tag & 7 {
            0 => Field::Number(number(&mut rest)?),
            1 => Field::Bytes(rest.split_off(..8)?),
            2 => {
                let length = usize::try_from(number(&mut rest)?).ok()?;
                Field::Bytes(rest.split_off(..length)?)
            }
            5 => Field::Bytes(rest.split_off(..4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn numbers(mut rest: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || number(&mut rest))
}

/// A varint.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::external_weights;

    #[test]
    fn external_weights_are_found_and_others_are_not() {
        let external = b"\x08\x03\x08\x80\x01\x10\x01\x42\x01w\x6a\x0f\x0a\x08location\x12\x03a/b\x6a\x0d\x0a\x06offset\x12\x03309\x6a\x0e\x0a\x06length\x12\x041536\x70\x01";
        let inline = b"\x08\x01\x10\x01\x42\x01v\x4a\x04\0\0\0\0";
        let mut graph = Vec::new();
        for tensor in [&external[..], &inline[..]] {
            graph.extend([0x2a, tensor.len() as u8]);
            graph.extend(tensor);
        }
        let model = [&[0x08, 0x0a, 0x3a, graph.len() as u8][..], &graph].concat();
        let found = external_weights(&model);
        assert_eq!(found.len(), 1);
        let weight = &found[0];
        assert_eq!((weight.name.as_str(), weight.code, &weight.dims[..], weight.path.as_str(), weight.offset, weight.bytes), ("w", 1, &[3, 128][..], "/a/b", 309, 1536));
        assert_eq!(external_weights(&model[..20]).len(), 0);
    }
}
