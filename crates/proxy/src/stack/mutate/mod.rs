//! What a route changes of a request that it forwards and of the answer: headers, path and host.

mod answer;
mod apply;
mod layer;
mod request;
mod service;
mod value;

pub(crate) use answer::change_own;
pub(crate) use apply::{apply as apply_headers, is_one_list};
pub(crate) use layer::MutateLayer;

/// Changes both messages of a forwarded request.
#[derive(Clone, Debug)]
pub(crate) struct Mutate<S, D> {
    inner: S,
    /// Knows the cluster that headers may name.
    dispatch: D,
}
