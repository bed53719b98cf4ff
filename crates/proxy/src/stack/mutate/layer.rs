use tower_layer::Layer;

use super::Mutate;

/// Puts [`Mutate`] around a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MutateLayer;

impl<S> Layer<S> for MutateLayer {
    type Service = Mutate<S>;

    fn layer(&self, inner: S) -> Mutate<S> {
        Mutate { inner }
    }
}
