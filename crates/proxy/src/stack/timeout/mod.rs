//! Innermost: starts the clock of the route, sends, and waits for the head of the answer.

mod layer;
mod service;

pub(crate) use layer::TimeoutLayer;
pub(crate) use service::Timeout;
