//! One device of ONNX Runtime: where its tensors lie, how bytes get there and back, and how sessions for it are made.

use crate::onnx::{Allocator, Env, Graph, MemoryInfo, Outcome, RunOptions, SessionOptions, Value, call};
use crate::tensor::{Element, Tensor};
use crate::weights::{SessionWeights, SharedWeights};
use ort::sys;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Provider {
    Cpu,
    Cuda,
}

/// How a program is to be loaded; the meaning of each is in engine/device/device.ts.
#[derive(Clone, Copy)]
pub struct LoadOptions {
    pub expands_weights: bool,
    pub packs_weights: bool,
    pub keeps_scratch: bool,
}

pub struct Device {
    // dropped in this order: sessions before the environment
    copier: Option<Copier>,
    arena: Option<Arena>,
    shared: SharedWeights,
    place: MemoryInfo,
    host: MemoryInfo,
    env: Env,
    provider: Provider,
    index: i32,
    threads: i32,
    limit_bytes: Option<usize>,
}

impl Device {
    /// Opens the device; `limit_bytes` bounds what ONNX Runtime may allocate there for values of runs.
    pub fn open(provider: Provider, index: i32, threads: i32, limit_bytes: Option<usize>) -> Outcome<Device> {
        let env = Env::new()?;
        let place = match provider {
            Provider::Cpu => MemoryInfo::host()?,
            Provider::Cuda => MemoryInfo::cuda(index)?,
        };
        if provider == Provider::Cpu {
            // one for all sessions: a model of many parts needs the scratch of its largest part, not the sum of all
            env.share_arena(&place, limit_bytes.unwrap_or(usize::MAX))?;
        }
        let mut device = Device { copier: None, arena: None, shared: SharedWeights::default(), place, host: MemoryInfo::host()?, env, provider, index, threads, limit_bytes };
        match provider {
            Provider::Cpu => device.arena = Some(Arena::new(&device)?),
            Provider::Cuda => device.copier = Some(Copier::new(&device)?),
        }
        Ok(device)
    }

    pub fn place(&self) -> &MemoryInfo {
        &self.place
    }

    pub fn host(&self) -> &MemoryInfo {
        &self.host
    }

    /// The weights are to live as long as the graph.
    pub fn load(&self, model: &[u8], options: LoadOptions) -> Outcome<(Graph, Option<SessionWeights>)> {
        let settings = self.session_options(options)?;
        // elsewhere weights are copied to the device, and nothing of them stays here
        let shares = self.provider == Provider::Cpu && options.packs_weights;
        let weights = if shares { self.shared.give(model, &settings, &self.place)? } else { None };
        let graph = Graph::load(&self.env, model, &settings, weights.as_ref().map(|weights| &*weights.packed))?;
        if let Some(weights) = &weights {
            weights.release_pages();
        }
        Ok((graph, weights))
    }

    /// True: what runs give lies in the arena that they share.
    pub fn has_arena(&self) -> bool {
        self.arena.is_some()
    }

    /// Gives back what the arena holds idle: all of it, or only when runs of many sizes have left it in pieces.
    pub fn tidy(&self, all: bool) -> Outcome<()> {
        self.arena.as_ref().map_or(Ok(()), |arena| arena.tidy(all, &self.host))
    }

    fn session_options(&self, LoadOptions { expands_weights, packs_weights, keeps_scratch }: LoadOptions) -> Outcome<SessionOptions> {
        let options = SessionOptions::new()?;
        call!(SetIntraOpNumThreads(options.0, self.threads))?;
        call!(SetInterOpNumThreads(options.0, 1))?;
        call!(SetSessionExecutionMode(options.0, sys::ExecutionMode::ORT_SEQUENTIAL))?;
        // 'all' reorders convolutions: within 3e-7 of the unoptimised graph, measured
        call!(SetSessionGraphOptimizationLevel(options.0, sys::GraphOptimizationLevel::ORT_ENABLE_ALL))?;
        // external data locations are absolute paths without the leading slash
        options.set("session.model_external_initializers_file_folder_path", "/")?;
        // spinning threads gain nothing here and starve the other processes of the machine
        options.set("session.intra_op.allow_spinning", "0")?;
        if !packs_weights {
            options.set("session.disable_prepacking", "1")?;
        }
        // with constant folding a half-precision weight and its Cast become a float32 copy in memory
        if !expands_weights {
            options.set("optimization.disable_specified_optimizers", "ConstantFolding;FuseFp16InitializerToFp32NodeTransformer")?;
        }
        match self.provider {
            // who keeps none runs in the common arena too: what idles there goes back before and after (worker.rs)
            Provider::Cpu => options.set("session.use_env_allocators", "1")?,
            Provider::Cuda if !keeps_scratch => call!(DisableCpuMemArena(options.0))?,
            Provider::Cuda => {}
        }
        if self.provider == Provider::Cuda {
            options.use_cuda(self.index, self.limit_bytes)?;
        }
        Ok(options)
    }

    /// A zeroed tensor on the device.
    pub fn zeros(&self, element: Element, shape: &[i64]) -> Outcome<Tensor> {
        let zeros = Tensor::host(element, shape, true)?;
        self.upload(zeros)
    }

    /// A tensor of this process on the device: itself where the device has the same memory.
    pub fn upload(&self, tensor: Tensor) -> Outcome<Tensor> {
        let Some(copier) = &self.copier else { return Ok(tensor) };
        let there = Tensor::from_value(Value::allocate(&copier.allocator, &tensor.shape, tensor.element.code)?)?;
        copier.copy(&tensor, &self.host, &there, &self.place)?;
        Ok(there)
    }

    /// A tensor of the device in memory of this process: itself where the device has the same memory.
    pub fn download(&self, tensor: &Tensor) -> Outcome<Tensor> {
        let Some(copier) = &self.copier else { return Ok(tensor.clone()) };
        let here = Tensor::host(tensor.element, &tensor.shape, false)?;
        copier.copy(tensor, &self.place, &here, &self.host)?;
        Ok(here)
    }

    /// Copies the bytes of one tensor of the device to another of the same size.
    pub fn copy(&self, from: &Tensor, into: &Tensor) -> Outcome<()> {
        match &self.copier {
            Some(copier) => copier.copy(from, &self.place, into, &self.place),
            None => {
                // SAFETY: both in memory of this process, of one size, and not the same: an output is never a view of a row buffer
                unsafe { into.host_bytes_mut().copy_from_slice(from.host_bytes()) };
                Ok(())
            }
        }
    }
}

/// Copies between the memories of a device and of this process by a graph of one Identity over bytes:
/// binding its input and output to either memory makes the provider do what its streams ask for.
struct Copier {
    allocator: Allocator,
    graph: Graph,
}

/// The memory that runs on the CPU share. It grows by what is asked and has pieces of its own size for each, so what is idle can
/// come to several times what is ever used at once.
struct Arena {
    allocator: Allocator,
    // any run can be told to end with a shrinking
    graph: Graph,
}

/// Idle bytes beyond the peak and its third that are not worth the page faults of asking again.
const IDLE_BYTES: u64 = 64 << 20;

impl Arena {
    fn new(device: &Device) -> Outcome<Arena> {
        let (graph, _) = device.load(IDENTITY, LoadOptions { expands_weights: true, packs_weights: false, keeps_scratch: true })?;
        Ok(Arena { allocator: graph.allocator(&device.place)?, graph })
    }

    fn tidy(&self, all: bool, host: &MemoryInfo) -> Outcome<()> {
        let (total, peak) = self.allocator.total_and_peak()?;
        if !all && total <= peak + peak / 3 + IDLE_BYTES {
            return Ok(());
        }
        let options = RunOptions::new()?;
        options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
        let byte = Tensor::host(Element::named("uint8")?, &[1], true)?;
        // SAFETY: in memory of this process, which outlives the binding
        let value = unsafe { byte.byte_value(host)? };
        let binding = self.graph.bind()?;
        binding.input(c"x", &value)?;
        binding.output_at(c"y", host)?;
        binding.run(&self.graph, Some(&options))
    }
}

/// y = Identity(x) over uint8 [n], opset 21.
const IDENTITY: &[u8] = b"\x08\x0a\x42\x02\x10\x15\x3a\x3c\
    \x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity\
    \x12\x04copy\
    \x5a\x10\x0a\x01x\x12\x0b\x0a\x09\x08\x02\x12\x05\x0a\x03\x12\x01n\
    \x62\x10\x0a\x01y\x12\x0b\x0a\x09\x08\x02\x12\x05\x0a\x03\x12\x01n";

impl Copier {
    fn new(device: &Device) -> Outcome<Copier> {
        let (graph, _) = device.load(IDENTITY, LoadOptions { expands_weights: true, packs_weights: true, keeps_scratch: true })?;
        Ok(Copier { allocator: graph.allocator(&device.place)?, graph })
    }

    fn copy(&self, from: &Tensor, from_place: &MemoryInfo, into: &Tensor, into_place: &MemoryInfo) -> Outcome<()> {
        if from.bytes == 0 {
            return Ok(());
        }
        // SAFETY: the tensors lie where their places say, and outlive the binding
        let (source, target) = unsafe { (from.byte_value(from_place)?, into.byte_value(into_place)?) };
        let binding = self.graph.bind()?;
        binding.input(c"x", &source)?;
        binding.output(c"y", &target)?;
        binding.run(&self.graph, None)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_identity_graph_has_the_lengths_it_says() {
        assert_eq!(super::IDENTITY.len(), 8 + 0x3c);
    }
}
