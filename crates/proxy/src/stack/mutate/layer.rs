use tower_layer::Layer;

use super::Mutate;

/// Puts [`Mutate`] around a handler, which sends by `dispatch`.
#[derive(Clone, Debug)]
pub(crate) struct MutateLayer<D> {
    pub(crate) dispatch: D,
}

impl<S, D: Clone> Layer<S> for MutateLayer<D> {
    type Service = Mutate<S, D>;

    fn layer(&self, inner: S) -> Mutate<S, D> {
        Mutate { inner, dispatch: self.dispatch.clone() }
    }
}
