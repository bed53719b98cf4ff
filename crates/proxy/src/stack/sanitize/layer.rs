use tower_layer::Layer;

use super::Sanitize;

/// Puts [`Sanitize`] around a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SanitizeLayer;

impl<S> Layer<S> for SanitizeLayer {
    type Service = Sanitize<S>;

    fn layer(&self, inner: S) -> Sanitize<S> {
        Sanitize { inner }
    }
}
