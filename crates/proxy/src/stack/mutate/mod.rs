//! What a route changes of a request that it forwards and of the answer: headers, path and host.

mod apply;
mod layer;
mod service;
mod value;

pub(crate) use layer::MutateLayer;
pub(crate) use service::{Mutate, local_reply};
