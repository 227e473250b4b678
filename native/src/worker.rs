//! The calls of engine/device/protocol.ts as a class for Node: load, run, write, read, free. Each works on a thread of its own,
//! so that the event loop of the worker goes on; callers wait for one before they make the next.

use crate::device::{Device, LoadOptions, Provider};
use crate::onnx::{Outcome, RunOptions, open_library};
use crate::payload::{Payload, Sent, receive, stage};
use crate::session::{Dim, Edge, Feed, Place, Session};
use crate::store::{Store, copy_all};
use crate::tensor::{Element, Tensor};
use napi::bindgen_prelude::{AsyncTask, Either, Env, Error, Result, Task, TypeName, ToNapiValue, Uint32Array, Uint8Array};
use napi_derive::napi;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

#[napi(object)]
pub struct DeviceOptions {
    /// Path of ONNX Runtime's shared library.
    pub library: String,
    /// `cpu` or `cuda`.
    pub provider: String,
    pub index: i32,
    pub threads: i32,
    /// Bound for what runs may allocate; absent: none.
    pub memory_limit_bytes: Option<f64>,
}

#[napi(object)]
pub struct ProgramOptions {
    pub expand_weights: bool,
    pub pack_weights: bool,
    pub keep_scratch: bool,
}

#[napi(object)]
pub struct EdgeForm {
    pub name: String,
    pub dtype: String,
    pub dims: Vec<Either<i64, String>>,
}

#[napi(object)]
pub struct SessionForm {
    pub inputs: Vec<EdgeForm>,
    pub outputs: Vec<EdgeForm>,
}

/// A tensor that is fed to an input of a run.
#[napi(object)]
pub struct FedTensor {
    pub input: u32,
    pub dtype: String,
    pub shape: Vec<i64>,
    pub data: Either<Uint8Array, String>,
}

/// A tensor that goes to the host, or without `data` the form of a new handle.
#[napi(object)]
pub struct GivenTensor {
    pub dtype: String,
    pub shape: Vec<i64>,
    pub data: Option<Either<Uint8Array, String>>,
}

/// What calls work on.
struct State {
    // sessions and tensors are dropped before the device
    sessions: Mutex<HashMap<u32, Arc<Session>>>,
    store: Mutex<Store>,
    running: Mutex<Option<Arc<RunOptions>>>,
    device: Device,
}

#[napi]
pub struct NativeDevice {
    state: Arc<State>,
}

const ALL_ROWS: u32 = u32::MAX;

/// What becomes of an output, as `fetchAs` in protocol.ts has it.
#[derive(Clone, Copy)]
enum Fetch {
    Handle(u32),
    Tensor,
    Into { handle: u32, row: u32 },
}

#[napi]
impl NativeDevice {
    #[napi(constructor)]
    pub fn new(options: DeviceOptions) -> Result<NativeDevice> {
        let DeviceOptions { library, provider, index, threads, memory_limit_bytes } = options;
        let provider = match provider.as_str() {
            "cpu" => Provider::Cpu,
            "cuda" => Provider::Cuda,
            other => return Err(fault(format!("there is no provider {other}"))),
        };
        return_large_blocks();
        open_library(Path::new(&library)).map_err(fault)?;
        let device = Device::open(provider, index, threads, memory_limit_bytes.map(|bytes| bytes as usize)).map_err(fault)?;
        Ok(NativeDevice { state: Arc::new(State { sessions: Mutex::default(), store: Mutex::default(), running: Mutex::default(), device }) })
    }

    /// Loads an ONNX model as session `id`.
    #[napi(ts_return_type = "Promise<SessionForm>")]
    pub fn load(&self, id: u32, model: Uint8Array, options: ProgramOptions) -> AsyncTask<Work<SessionForm>> {
        let ProgramOptions { expand_weights, pack_weights, keep_scratch } = options;
        let options = LoadOptions { expands_weights: expand_weights, packs_weights: pack_weights, keeps_scratch: keep_scratch };
        self.work(move |state| {
            let session = Session::load(&state.device, &model, options)?;
            let forms = |edges: &[Edge]| edges.iter().map(edge_form).collect();
            let form = SessionForm { inputs: forms(&session.inputs), outputs: forms(&session.outputs) };
            lock(&state.sessions).insert(id, Arc::new(session));
            trim_heap();
            Ok(form)
        })
    }

    /// `handles` and `fetch` are those of RunCall in protocol.ts; `files` are the paths each output may go to, by fetch.
    #[napi(ts_return_type = "Promise<(GivenTensor | null)[]>")]
    pub fn run(&self, session: u32, handles: Uint32Array, tensors: Vec<FedTensor>, fetch: Uint32Array, files: Vec<Vec<String>>) -> Result<AsyncTask<Work<Vec<Option<GivenTensor>>>>> {
        // made before the thread begins, so that a cancellation finds it
        let options = Arc::new(RunOptions::new().map_err(fault)?);
        *lock(&self.state.running) = Some(options.clone());
        let fetch: Vec<_> = fetch.chunks_exact(4).map(|one| (one[0] as usize, fetch_of(one))).collect();
        let handles = handles.to_vec();
        Ok(self.work(move |state| {
            let gives_back = lock(&state.sessions).get(&session).is_some_and(|session| !session.keeps_scratch);
            if gives_back {
                state.device.tidy(true)?;
                trim_heap();
            }
            let given = run(state, session, &handles, &tensors, &fetch, &files, &options);
            *lock(&state.running) = None;
            state.device.tidy(gives_back)?;
            given
        }))
    }

    /// Stores a tensor as handle `id`, or a zeroed row buffer when no data is given.
    #[napi(ts_return_type = "Promise<null>")]
    pub fn write(&self, id: u32, dtype: String, shape: Vec<i64>, data: Option<Either<Uint8Array, String>>) -> AsyncTask<Work<()>> {
        self.work(move |state| {
            let element = Element::named(&dtype)?;
            let tensor = match &data {
                Some(data) => state.device.upload(receive(element, &shape, data)?)?,
                None => state.device.zeros(element, &shape)?,
            };
            lock(&state.store).put(id, tensor);
            Ok(())
        })
    }

    /// The tensor or its first rows; more than a few bytes go to one of `files`.
    #[napi(ts_return_type = "Promise<GivenTensor>")]
    pub fn read(&self, id: u32, rows: Option<u32>, files: Vec<String>) -> AsyncTask<Work<GivenTensor>> {
        self.work(move |state| {
            let tensor = lock(&state.store).view(id, rows)?;
            given(&state.device.download(&tensor)?, &files)
        })
    }

    /// Frees handles and sessions; numbers that are not held are passed over.
    #[napi(ts_return_type = "Promise<null>")]
    pub fn free(&self, handles: Vec<u32>, sessions: Vec<u32>) -> AsyncTask<Work<()>> {
        self.work(move |state| {
            for id in &handles {
                lock(&state.store).remove(*id);
            }
            for id in &sessions {
                let session = lock(&state.sessions).remove(id);
                drop(session);
            }
            if !sessions.is_empty() {
                state.device.tidy(true)?;
                trim_heap();
            }
            Ok(())
        })
    }

    /// Ends the run that is under way after the node it is at: it fails. Nothing happens when none is.
    #[napi]
    pub fn terminate(&self) -> Result<()> {
        lock(&self.state.running).as_ref().map_or(Ok(()), |options| options.terminate()).map_err(fault)
    }

    fn work<T: Send + ToNapiValue + TypeName + 'static>(&self, work: impl FnOnce(&State) -> Outcome<T> + Send + 'static) -> AsyncTask<Work<T>> {
        AsyncTask::new(Work { state: self.state.clone(), work: Some(Box::new(work)) })
    }
}

type Job<T> = Box<dyn FnOnce(&State) -> Outcome<T> + Send>;

/// One call on a thread of libuv's pool.
pub struct Work<T> {
    state: Arc<State>,
    work: Option<Job<T>>,
}

impl<T: Send + ToNapiValue + TypeName + 'static> Task for Work<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> Result<T> {
        let work = self.work.take().ok_or_else(|| fault("a call is worked once".to_owned()))?;
        work(&self.state).map_err(fault)
    }

    fn resolve(&mut self, _env: Env, output: T) -> Result<T> {
        Ok(output)
    }
}

fn run(state: &State, session: u32, handles: &[u32], tensors: &[FedTensor], fetch: &[(usize, Fetch)], files: &[Vec<String>], options: &RunOptions) -> Outcome<Vec<Option<GivenTensor>>> {
    let session = lock(&state.sessions).get(&session).cloned().ok_or("this session is not on this device")?;
    let feeds = feeds_of(state, handles, tensors)?;
    let wanted: Vec<_> = fetch.iter().map(|(output, how)| (*output, if matches!(how, Fetch::Tensor) { Place::Host } else { Place::Device })).collect();
    let outputs = session.run(&state.device, &feeds, &wanted, options)?;
    let mut store = lock(&state.store);
    let mut copies = Vec::new();
    for ((output, how), tensor) in fetch.iter().zip(&outputs) {
        if let Fetch::Into { handle, row } = how {
            copies.push((tensor.clone(), store.target(*handle, *row, tensor, &format!("output {}", session.outputs[*output].name_text()))?));
        }
    }
    copy_all(&state.device, &copies)?;
    let mut answer = Vec::with_capacity(outputs.len());
    for (i, ((_, how), tensor)) in fetch.iter().zip(outputs).enumerate() {
        answer.push(match how {
            Fetch::Into { .. } => None,
            Fetch::Tensor => Some(given(&tensor, &files[i])?),
            Fetch::Handle(handle) => {
                let form = GivenTensor { dtype: tensor.element.name.to_owned(), shape: tensor.shape.clone(), data: None };
                store.put(*handle, tensor);
                Some(form)
            }
        });
    }
    Ok(answer)
}

fn feeds_of(state: &State, handles: &[u32], tensors: &[FedTensor]) -> Outcome<Vec<Feed>> {
    let mut feeds = Vec::with_capacity(handles.len() / 3 + tensors.len());
    let store = lock(&state.store);
    for one in handles.chunks_exact(3) {
        let rows = (one[2] != ALL_ROWS).then_some(one[2]);
        feeds.push(Feed { input: one[0] as usize, tensor: store.view(one[1], rows)?, place: Place::Device });
    }
    for FedTensor { input, dtype, shape, data } in tensors {
        feeds.push(Feed { input: *input as usize, tensor: receive(Element::named(dtype)?, shape, data)?, place: Place::Host });
    }
    Ok(feeds)
}

fn fetch_of(quadruple: &[u32]) -> Fetch {
    match quadruple[1] {
        0 => Fetch::Handle(quadruple[2]),
        1 => Fetch::Tensor,
        _ => Fetch::Into { handle: quadruple[2], row: quadruple[3] },
    }
}

fn given(tensor: &Tensor, files: &[String]) -> Outcome<GivenTensor> {
    let data: Payload = match stage(tensor, files)? {
        Sent::Bytes(bytes) => Either::A(bytes.into()),
        Sent::File(path) => Either::B(path),
    };
    Ok(GivenTensor { dtype: tensor.element.name.to_owned(), shape: tensor.shape.clone(), data: Some(data) })
}

fn edge_form(edge: &Edge) -> EdgeForm {
    let dims = edge.dims.iter().map(|dim| match dim {
        Dim::Known(side) => Either::A(*side),
        Dim::Named(name) => Either::B(name.clone()),
    });
    EdgeForm { name: edge.name_text(), dtype: edge.element.name.to_owned(), dims: dims.collect() }
}

/// Blocks of this size and more go back to the system when they are freed. The C library would raise the bound with every larger block
/// it sees, and then keep weights' worth of freed memory for later.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const RETURNED_BYTES: libc::c_int = 4 << 20;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn return_large_blocks() {
    // SAFETY: takes no pointers
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, RETURNED_BYTES) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn return_large_blocks() {}

/// Gives smaller freed blocks back, which loading and the end of a session leave in numbers.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim_heap() {
    // SAFETY: takes no pointers
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim_heap() {}

/// A poisoned lock means that a call died in the middle: what it left is still whole, as each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn fault(message: String) -> Error {
    Error::from_reason(message)
}
