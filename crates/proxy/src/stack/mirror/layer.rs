use tower_layer::Layer;

use super::Mirror;

/// Puts [`Mirror`] around a handler. Copies are sent by `dispatch`.
#[derive(Clone, Debug)]
pub(crate) struct MirrorLayer<D> {
    pub(crate) dispatch: D,
}

impl<S, D: Clone> Layer<S> for MirrorLayer<D> {
    type Service = Mirror<S, D>;

    fn layer(&self, inner: S) -> Mirror<S, D> {
        Mirror { inner, dispatch: self.dispatch.clone() }
    }
}
