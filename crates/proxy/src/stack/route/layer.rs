use tower_layer::Layer;

use super::Router;

/// Puts [`Router`] around a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteLayer;

impl<S> Layer<S> for RouteLayer {
    type Service = Router<S>;

    fn layer(&self, inner: S) -> Router<S> {
        Router { inner }
    }
}
