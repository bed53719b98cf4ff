//! Innermost: sends, and waits for the head of the answer until a deadline of the route passes.

mod deadline;
mod layer;
mod service;

pub(crate) use deadline::settle;
pub(crate) use layer::TimeoutLayer;
pub(crate) use service::Timeout;
