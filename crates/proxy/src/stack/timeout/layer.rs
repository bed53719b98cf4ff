use tower_layer::Layer;

use super::Timeout;

/// Puts [`Timeout`] around a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeoutLayer;

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner }
    }
}
