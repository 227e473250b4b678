//! ONNX Runtime's C interface with owners and errors: every object is released when it is dropped, every status becomes a message.
//! Knows nothing of Node and of what a session computes.

use ort::sys;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// A value, or what ONNX Runtime (or we) said against it.
pub type Outcome<T> = Result<T, String>;

pub fn check(status: sys::OrtStatusPtr) -> Outcome<()> {
    if status.0.is_null() {
        return Ok(());
    }
    let api = ort::api();
    // SAFETY: a status that is not null carries a message until it is released
    unsafe {
        let message = CStr::from_ptr((api.GetErrorMessage)(status.0)).to_string_lossy().into_owned();
        (api.ReleaseStatus)(status.0);
        Err(message)
    }
}

/// Calls a function of the C interface that gives a status.
macro_rules! call {
    ($name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the owners below keep what they point to alive, and give only pointers they were given
        $crate::onnx::check(unsafe { (ort::api().$name)($($argument),*) })
    };
}
pub(crate) use call;

/// Declares the owner of an object of the C interface.
macro_rules! owner {
    ($(#[$note:meta])* $name:ident, $of:ident, $release:ident) => {
        $(#[$note])*
        pub struct $name(pub(crate) *mut sys::$of);
        // SAFETY: ONNX Runtime lets its objects be used from any thread; ours are used by one call at a time
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}
        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by the C interface and released once
                unsafe { (ort::api().$release)(self.0) }
            }
        }
    };
}

owner!(Env, OrtEnv, ReleaseEnv);
owner!(MemoryInfo, OrtMemoryInfo, ReleaseMemoryInfo);
owner!(SessionOptions, OrtSessionOptions, ReleaseSessionOptions);
owner!(
    /// A loaded graph.
    Graph, OrtSession, ReleaseSession
);
owner!(Binding, OrtIoBinding, ReleaseIoBinding);
owner!(
    /// A tensor as ONNX Runtime holds it: with memory of its own, or over memory that its maker keeps alive.
    Value, OrtValue, ReleaseValue
);
owner!(RunOptions, OrtRunOptions, ReleaseRunOptions);
owner!(Allocator, OrtAllocator, ReleaseAllocator);
owner!(
    /// Weights in the form kernels want them, for all sessions that share a weight.
    PackedWeights, OrtPrepackedWeightsContainer, ReleasePrepackedWeightsContainer
);

static LIBRARY: OnceLock<Outcome<()>> = OnceLock::new();

/// Opens the library at `path`, once a process.
pub fn open_library(path: &Path) -> Outcome<()> {
    LIBRARY.get_or_init(|| ort::init_from(path).map(|_| ()).map_err(|error| error.to_string())).clone()
}

pub fn text(text: &str) -> Outcome<CString> {
    CString::new(text).map_err(|_| format!("{text:?} holds a zero byte"))
}

impl Env {
    /// Warnings and errors go to stderr.
    pub fn new() -> Outcome<Env> {
        let mut env = null_mut();
        let name = text("bagelgraph")?;
        call!(CreateEnv(sys::OrtLoggingLevel::ORT_LOGGING_LEVEL_WARNING, name.as_ptr(), &mut env))?;
        Ok(Env(env))
    }

    /// Sessions with the setting `session.use_env_allocators` share an arena of at most `bytes` for what is in `place`.
    pub fn share_arena(&self, place: &MemoryInfo, bytes: usize) -> Outcome<()> {
        let mut arena = null_mut();
        // -1: as ONNX Runtime chooses; 1: grows by what is asked, so that the limit is not passed by rounding up
        call!(CreateArenaCfg(bytes, 1, -1, -1, &mut arena))?;
        let shared = call!(CreateAndRegisterAllocator(self.0, place.0, arena));
        // SAFETY: copied by the call before
        unsafe { (ort::api().ReleaseArenaCfg)(arena) };
        shared
    }
}

impl MemoryInfo {
    pub fn host() -> Outcome<MemoryInfo> {
        let mut info = null_mut();
        call!(CreateCpuMemoryInfo(sys::OrtAllocatorType::OrtArenaAllocator, sys::OrtMemType::OrtMemTypeDefault, &mut info))?;
        Ok(MemoryInfo(info))
    }

    pub fn cuda(index: i32) -> Outcome<MemoryInfo> {
        let mut info = null_mut();
        let name = text("Cuda")?;
        call!(CreateMemoryInfo(name.as_ptr(), sys::OrtAllocatorType::OrtArenaAllocator, index, sys::OrtMemType::OrtMemTypeDefault, &mut info))?;
        Ok(MemoryInfo(info))
    }
}

impl SessionOptions {
    pub fn new() -> Outcome<SessionOptions> {
        let mut options = null_mut();
        call!(CreateSessionOptions(&mut options))?;
        Ok(SessionOptions(options))
    }

    pub fn set(&self, key: &str, value: &str) -> Outcome<()> {
        let (key, value) = (text(key)?, text(value)?);
        call!(AddSessionConfigEntry(self.0, key.as_ptr(), value.as_ptr()))
    }

    /// Computes on CUDA device `index`, with an arena of at most `limit_bytes`.
    pub fn use_cuda(&self, index: i32, limit_bytes: Option<usize>) -> Outcome<()> {
        let mut settings = vec![("device_id", index.to_string()), ("arena_extend_strategy", "kSameAsRequested".to_owned()), ("cudnn_conv_algo_search", "HEURISTIC".to_owned())];
        if let Some(bytes) = limit_bytes {
            settings.push(("gpu_mem_limit", bytes.to_string()));
        }
        let keys = settings.iter().map(|(key, _)| text(key)).collect::<Outcome<Vec<_>>>()?;
        let values = settings.iter().map(|(_, value)| text(value)).collect::<Outcome<Vec<_>>>()?;
        let [keys, values] = [keys, values].map(|all| all.into_iter().collect::<Vec<_>>());
        let key_pointers: Vec<_> = keys.iter().map(|key| key.as_ptr()).collect();
        let value_pointers: Vec<_> = values.iter().map(|value| value.as_ptr()).collect();
        let mut cuda = null_mut();
        call!(CreateCUDAProviderOptions(&mut cuda))?;
        let added = call!(UpdateCUDAProviderOptions(cuda, key_pointers.as_ptr(), value_pointers.as_ptr(), keys.len()))
            .and_then(|()| call!(SessionOptionsAppendExecutionProvider_CUDA_V2(self.0, cuda)));
        // SAFETY: copied by the calls before
        unsafe { (ort::api().ReleaseCUDAProviderOptions)(cuda) };
        added
    }
}

impl PackedWeights {
    pub fn new() -> Outcome<PackedWeights> {
        let mut container = null_mut();
        call!(CreatePrepackedWeightsContainer(&mut container))?;
        Ok(PackedWeights(container))
    }
}

impl Graph {
    pub fn load(env: &Env, model: &[u8], options: &SessionOptions, packed: Option<&PackedWeights>) -> Outcome<Graph> {
        let mut graph = null_mut();
        match packed {
            Some(packed) => call!(CreateSessionFromArrayWithPrepackedWeightsContainer(env.0, model.as_ptr().cast(), model.len(), options.0, packed.0, &mut graph))?,
            None => call!(CreateSessionFromArray(env.0, model.as_ptr().cast(), model.len(), options.0, &mut graph))?,
        }
        Ok(Graph(graph))
    }

    pub fn bind(&self) -> Outcome<Binding> {
        let mut binding = null_mut();
        call!(CreateIoBinding(self.0, &mut binding))?;
        Ok(Binding(binding))
    }

    /// Allocates where `place` says.
    pub fn allocator(&self, place: &MemoryInfo) -> Outcome<Allocator> {
        let mut allocator = null_mut();
        call!(CreateAllocator(self.0, place.0, &mut allocator))?;
        Ok(Allocator(allocator))
    }
}

impl Allocator {
    /// Bytes an arena has of the system, and the most that were in use at once.
    pub fn total_and_peak(&self) -> Outcome<(u64, u64)> {
        let mut stats = null_mut();
        call!(AllocatorGetStats(self.0, &mut stats))?;
        let read = |key: &CStr| {
            // SAFETY: a text of the statistics, or null
            let value = unsafe { (ort::api().GetKeyValue)(stats, key.as_ptr()) };
            // SAFETY: as above
            if value.is_null() { None } else { unsafe { CStr::from_ptr(value) }.to_str().ok()?.parse().ok() }
        };
        let read = read(c"TotalAllocated").zip(read(c"MaxInUse"));
        // SAFETY: given by the call above
        unsafe { (ort::api().ReleaseKeyValuePairs)(stats) };
        read.ok_or_else(|| "the arena tells no statistics".to_owned())
    }
}

impl Binding {
    pub fn input(&self, name: &CStr, value: &Value) -> Outcome<()> {
        call!(BindInput(self.0, name.as_ptr(), value.0))
    }

    /// Into memory that is there.
    pub fn output(&self, name: &CStr, value: &Value) -> Outcome<()> {
        call!(BindOutput(self.0, name.as_ptr(), value.0))
    }

    /// Into memory that the run allocates.
    pub fn output_at(&self, name: &CStr, place: &MemoryInfo) -> Outcome<()> {
        call!(BindOutputToDevice(self.0, name.as_ptr(), place.0))
    }

    pub fn run(&self, graph: &Graph, options: Option<&RunOptions>) -> Outcome<()> {
        call!(RunWithBinding(graph.0, options.map_or(null_mut(), |options| options.0), self.0))?;
        call!(SynchronizeBoundOutputs(self.0))
    }

    /// In the order they were bound.
    pub fn outputs(&self) -> Outcome<Vec<Value>> {
        let (mut allocator, mut values, mut count) = (null_mut(), null_mut(), 0);
        call!(GetAllocatorWithDefaultOptions(&mut allocator))?;
        call!(GetBoundOutputValues(self.0, allocator, &mut values, &mut count))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: an array of `count` values that are ours from now on; the array itself is given back
        let owned = unsafe { std::slice::from_raw_parts(values, count) }.iter().map(|value| Value(*value)).collect();
        call!(AllocatorFree(allocator, values.cast()))?;
        Ok(owned)
    }
}

impl RunOptions {
    pub fn new() -> Outcome<RunOptions> {
        let mut options = null_mut();
        call!(CreateRunOptions(&mut options))?;
        Ok(RunOptions(options))
    }

    pub fn set(&self, key: &str, value: &str) -> Outcome<()> {
        let (key, value) = (text(key)?, text(value)?);
        call!(AddRunConfigEntry(self.0, key.as_ptr(), value.as_ptr()))
    }

    /// Ends runs that use these options after the node they are at.
    pub fn terminate(&self) -> Outcome<()> {
        call!(RunOptionsSetTerminate(self.0))
    }
}

impl Value {
    /// A tensor over `bytes` bytes at `data`.
    ///
    /// # Safety
    /// The memory lies where `place` says and outlives the value.
    pub unsafe fn over(place: &MemoryInfo, data: *mut u8, bytes: usize, shape: &[i64], element: sys::ONNXTensorElementDataType) -> Outcome<Value> {
        let mut value = null_mut();
        call!(CreateTensorWithDataAsOrtValue(place.0, data.cast(), bytes, shape.as_ptr(), shape.len(), element, &mut value))?;
        Ok(Value(value))
    }

    /// A tensor with memory of its own, not yet written.
    pub fn allocate(allocator: &Allocator, shape: &[i64], element: sys::ONNXTensorElementDataType) -> Outcome<Value> {
        let mut value = null_mut();
        call!(CreateTensorAsOrtValue(allocator.0, shape.as_ptr(), shape.len(), element, &mut value))?;
        Ok(Value(value))
    }

    pub fn data(&self) -> Outcome<*mut u8> {
        let mut data = null_mut();
        call!(GetTensorMutableData(self.0, &mut data))?;
        Ok(data.cast())
    }

    pub fn form(&self) -> Outcome<(sys::ONNXTensorElementDataType, Vec<i64>)> {
        let mut form = null_mut();
        call!(GetTensorTypeAndShape(self.0, &mut form))?;
        let read = element_and_sides(form);
        // SAFETY: given by the call before
        unsafe { (ort::api().ReleaseTensorTypeAndShapeInfo)(form) };
        read
    }
}

/// Element type and sides, −1 where a side is not known.
pub fn element_and_sides(form: *const sys::OrtTensorTypeAndShapeInfo) -> Outcome<(sys::ONNXTensorElementDataType, Vec<i64>)> {
    let mut element = sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    call!(GetTensorElementType(form, &mut element))?;
    let mut count = 0;
    call!(GetDimensionsCount(form, &mut count))?;
    let mut sides = vec![0; count];
    call!(GetDimensions(form, sides.as_mut_ptr(), count))?;
    Ok((element, sides))
}
