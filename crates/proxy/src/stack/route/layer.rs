use tower_layer::Layer;

use super::Router;

/// Puts [`Router`] around a handler, which sends by `dispatch`.
#[derive(Clone, Debug)]
pub(crate) struct RouteLayer<D> {
    pub(crate) dispatch: D,
}

impl<S, D: Clone> Layer<S> for RouteLayer<D> {
    type Service = Router<S, D>;

    fn layer(&self, inner: S) -> Router<S, D> {
        Router { inner, dispatch: self.dispatch.clone() }
    }
}
