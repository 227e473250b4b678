//! Bulk data between processes as engine/device/staging.ts defines it: few bytes ride in the message, more go through a file
//! in shared memory that the sender makes and the receiver removes. Here the bytes go straight between file and tensor.

use crate::onnx::Outcome;
use crate::tensor::{Element, Tensor, shape_text};
use napi::bindgen_prelude::{Either, Uint8Array};
use std::fs::{File, OpenOptions, remove_file};
use std::io::{Read, Write};

/// As in staging.ts.
const IN_MESSAGE_BYTES: usize = 64 * 1024;

/// Bytes, or the path of a file that holds them.
pub type Payload = Either<Uint8Array, String>;

/// A tensor of this process with the payload's bytes; its file is removed as soon as it is open.
pub fn receive(element: Element, shape: &[i64], payload: &Payload) -> Outcome<Tensor> {
    let tensor = Tensor::host(element, shape, false)?;
    // SAFETY: made here, so nobody else has it
    let target = unsafe { tensor.host_bytes_mut() };
    let mismatch = |given: u64| format!("a {} tensor {} came with {given} bytes", element.name, shape_text(shape));
    match payload {
        Either::A(bytes) if bytes.len() == target.len() => target.copy_from_slice(bytes),
        Either::A(bytes) => return Err(mismatch(bytes.len() as u64)),
        Either::B(path) => {
            let cannot = |error: std::io::Error| format!("cannot receive shared data {path}: {error}");
            let mut file = File::open(path).map_err(cannot)?;
            remove_file(path).map_err(cannot)?;
            let given = file.metadata().map_err(cannot)?.len();
            if given != target.len() as u64 {
                return Err(mismatch(given));
            }
            file.read_exact(target).map_err(cannot)?;
        }
    }
    Ok(tensor)
}

/// What is to be sent: bytes, or the path of `paths` that took them.
pub enum Sent {
    Bytes(Vec<u8>),
    File(String),
}

/// Writes a tensor of this process to the first of `paths` that has room; few bytes are given as they are.
pub fn stage(tensor: &Tensor, paths: &[String]) -> Outcome<Sent> {
    // SAFETY: in memory of this process; the worker's next call waits for this one
    let bytes = unsafe { tensor.host_bytes() };
    if bytes.len() <= IN_MESSAGE_BYTES {
        return Ok(Sent::Bytes(bytes.to_vec()));
    }
    let mut fault = "there is no folder for shared data".to_owned();
    for path in paths {
        match write_new(path, bytes) {
            Ok(()) => return Ok(Sent::File(path.clone())),
            Err(error) => {
                let _ = remove_file(path);
                fault = format!("cannot pass {} bytes through {path}: {error}", bytes.len());
                if error.kind() != std::io::ErrorKind::StorageFull {
                    break;
                }
            }
        }
    }
    Err(fault)
}

fn write_new(path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
