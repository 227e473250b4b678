//! A loaded program: what goes in, what comes out, and how it is run over tensors of its device.

use crate::device::{Device, LoadOptions};
use crate::onnx::{Graph, Outcome, RunOptions, call, element_and_sides};
use crate::tensor::{Element, Tensor};
use crate::weights::SessionWeights;
use ort::sys;
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

/// An input or output of a program.
pub struct Edge {
    pub name: CString,
    pub element: Element,
    pub dims: Vec<Dim>,
}

/// A side that is known, or the name of one that is known at run time.
pub enum Dim {
    Known(i64),
    Named(String),
}

pub struct Session {
    // before the weights it reads
    graph: Graph,
    #[expect(dead_code, reason = "held for its drop")]
    weights: Option<SessionWeights>,
    pub inputs: Vec<Edge>,
    pub outputs: Vec<Edge>,
    /// False: its intermediate values are large and run after run different, so that nothing may idle beside them.
    pub keeps_scratch: bool,
}

/// Where an output is wanted.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    Device,
    Host,
}

type NameOf = unsafe extern "system" fn(*const sys::OrtSession, usize, *mut sys::OrtAllocator, *mut *mut std::ffi::c_char) -> sys::OrtStatusPtr;
type TypeOf = unsafe extern "system" fn(*const sys::OrtSession, usize, *mut *mut sys::OrtTypeInfo) -> sys::OrtStatusPtr;

impl Session {
    pub fn load(device: &Device, model: &[u8], options: LoadOptions) -> Outcome<Session> {
        let (graph, weights) = device.load(model, options)?;
        let (mut inputs, mut outputs) = (0, 0);
        call!(SessionGetInputCount(graph.0, &mut inputs))?;
        call!(SessionGetOutputCount(graph.0, &mut outputs))?;
        let api = ort::api();
        let inputs = (0..inputs).map(|i| edge(&graph, i, api.SessionGetInputName, api.SessionGetInputTypeInfo)).collect::<Outcome<_>>()?;
        let outputs = (0..outputs).map(|i| edge(&graph, i, api.SessionGetOutputName, api.SessionGetOutputTypeInfo)).collect::<Outcome<_>>()?;
        Ok(Session { graph, weights, inputs, outputs, keeps_scratch: options.keeps_scratch })
    }

    /// Gives the outputs that `fetch` names by index, in its order, each in memory that no input shares.
    pub fn run(&self, device: &Device, feeds: &[Feed], fetch: &[(usize, Place)], options: &RunOptions) -> Outcome<Vec<Tensor>> {
        let binding = self.graph.bind()?;
        let mut values = Vec::with_capacity(feeds.len());
        for Feed { input, tensor, place } in feeds {
            let edge = &self.inputs[*input];
            let memory = if *place == Place::Host { device.host() } else { device.place() };
            // SAFETY: the tensor lies there, and the feeds outlive the binding
            let value = unsafe { tensor.value(memory, edge.element)? };
            binding.input(&edge.name, &value)?;
            values.push(value);
        }
        for (output, place) in fetch {
            binding.output_at(&self.outputs[*output].name, if *place == Place::Host { device.host() } else { device.place() })?;
        }
        binding.run(&self.graph, Some(options))?;
        let outputs = binding.outputs()?.into_iter().map(Tensor::from_value).collect::<Outcome<Vec<_>>>()?;
        outputs.into_iter().zip(fetch).map(|(output, (_, place))| own(device, output, *place, feeds)).collect()
    }
}

/// A tensor that goes into a run.
pub struct Feed {
    pub input: usize,
    pub tensor: Tensor,
    pub place: Place,
}

/// Outputs up to so many bytes are copied out of the arena: one that stays would keep the piece it lies in, of any size, from going back.
const SMALL_BYTES: usize = 256 << 10;

/// A graph may hand an input on as an output: what leaves a run must not change when a row buffer does.
fn own(device: &Device, output: Tensor, place: Place, feeds: &[Feed]) -> Outcome<Tensor> {
    let pins = place == Place::Device && device.has_arena() && output.bytes <= SMALL_BYTES;
    if !pins && !feeds.iter().any(|feed| feed.place == place && feed.tensor.overlaps(&output)) {
        return Ok(output);
    }
    let copy = device.zeros(output.element, &output.shape)?;
    device.copy(&output, &copy)?;
    Ok(copy)
}

fn edge(graph: &Graph, index: usize, name_of: NameOf, type_of: TypeOf) -> Outcome<Edge> {
    let (mut allocator, mut name, mut form) = (null_mut(), null_mut(), null_mut());
    call!(GetAllocatorWithDefaultOptions(&mut allocator))?;
    // SAFETY: the index is below the count the session gave
    crate::onnx::check(unsafe { name_of(graph.0, index, allocator, &mut name) })?;
    // SAFETY: a text of the allocator, given back below
    let owned = unsafe { CStr::from_ptr(name) }.to_owned();
    call!(AllocatorFree(allocator, name.cast()))?;
    // SAFETY: as above
    crate::onnx::check(unsafe { type_of(graph.0, index, &mut form) })?;
    let read = tensor_form(form).map_err(|error| format!("{}: {error}", owned.to_string_lossy()));
    // SAFETY: given by the call above
    unsafe { (ort::api().ReleaseTypeInfo)(form) };
    let (element, dims) = read?;
    Ok(Edge { name: owned, element, dims })
}

fn tensor_form(form: *const sys::OrtTypeInfo) -> Outcome<(Element, Vec<Dim>)> {
    let mut tensor = null();
    call!(CastTypeInfoToTensorInfo(form, &mut tensor))?;
    if tensor.is_null() {
        return Err("is no tensor".to_owned());
    }
    let (code, sides) = element_and_sides(tensor)?;
    let mut names = vec![null(); sides.len()];
    call!(GetSymbolicDimensions(tensor, names.as_mut_ptr(), names.len()))?;
    let dims = sides.into_iter().zip(names).map(|(side, name)| match side {
        // SAFETY: a text that lives as long as the form
        ..0 => Dim::Named(if name.is_null() { String::new() } else { unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned() }),
        _ => Dim::Known(side),
    });
    Ok((Element::coded(code)?, dims.collect()))
}

impl Edge {
    pub fn name_text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}
