use tower_layer::Layer;

use super::Rescue;

/// Puts [`Rescue`] around a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RescueLayer;

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Rescue<S> {
        Rescue { inner }
    }
}
