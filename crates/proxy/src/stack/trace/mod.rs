//! Outermost: notes when the answer's head is there, and what it says.

mod layer;
mod service;

pub(crate) use layer::TraceLayer;
pub(crate) use service::Trace;
