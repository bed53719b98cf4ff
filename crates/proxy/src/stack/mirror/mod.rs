//! Sends copies of a request elsewhere (`request_mirror_policies`) and drops the answers.
//!
//! A copy never delays the request, cannot fail it, and keeps no more than a megabyte of its body: one that
//! is too slow is given up. It counts on its own cluster alone.

mod body;
mod copies;
mod layer;
mod service;

pub(crate) use layer::MirrorLayer;
pub(crate) use service::Mirror;
